"""Scores of attention that must not count."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class MaskScores(Layer):
    """``scores`` with -1e9 (softmax gives 0) where a mask is 0 and, if ``causal``, at places behind the query's.

    Shapes
    ------
    inputs  scores (batch, *, queries, keys); any number of masks (batch, keys) or (batch, queries, keys)
    output  that of the scores

    Source: Keras's MultiHeadAttention and Attention.
    """

    def __init__(self, causal: bool = False) -> None:
        super().__init__()
        self.causal = causal

    def forward(self, scores, *masks, ctx):
        if scores.ndim < 3:
            raise ShapeError(f"{self!r} takes scores (batch, *, queries, keys), got {scores.shape}.")
        queries, keys = scores.shape[-2:]
        kept = np.tri(queries, keys, dtype=bool) if self.causal else np.ones((1, 1), bool)
        for mask in masks:
            if mask.shape not in ((len(scores), keys), (len(scores), queries, keys)):
                raise ShapeError(f"{self!r}: a mask of shape {mask.shape} for scores {scores.shape}.")
            ones = [1] * (scores.ndim - mask.ndim)
            kept = kept & (mask != 0).reshape(len(scores), *ones, *mask.shape[1:])
        ctx.save(kept, len(masks))
        return np.where(kept, scores, scores.dtype.type(-1e9))

    def backward(self, dy, ctx):
        kept, masks = ctx.saved
        dx = dy * kept
        return (dx, *[None] * masks) if masks else dx
