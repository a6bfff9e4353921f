"""Scores of attention that must not count."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class MaskScores(Layer):
    """``scores`` with -1e9 (softmax gives 0) where a mask is 0 and, if ``causal``, at places behind the query's.

    ``fill`` is another number to put there: 0 for weights that have been through softmax, of which a query that sees
    nothing then has none. ``window`` leaves the places that are less than so many away from the query's.

    Shapes
    ------
    inputs  scores (batch, *, queries, keys); any number of masks (batch, keys) or (batch, queries, keys)
    output  that of the scores

    Source: Keras's MultiHeadAttention and Attention.
    """

    def __init__(self, causal: bool = False, window: int | None = None, fill: float = -1e9) -> None:
        super().__init__()
        if window is not None and not window >= 1:
            raise ValueError(f"MaskScores: window must be >= 1, got {window!r}.")
        self.causal, self.window, self.fill = causal, window, fill

    def forward(self, scores, *masks, ctx):
        if scores.ndim < 3:
            raise ShapeError(f"{self!r} takes scores (batch, *, queries, keys), got {scores.shape}.")
        queries, keys = scores.shape[-2:]
        kept = np.tri(queries, keys, dtype=bool) if self.causal else np.ones((1, 1), bool)
        if self.window is not None:
            kept = kept & (np.abs(np.arange(queries)[:, None] - np.arange(keys)) < self.window)
        for mask in masks:
            if mask.shape not in ((len(scores), keys), (len(scores), queries, keys)):
                raise ShapeError(f"{self!r}: a mask of shape {mask.shape} for scores {scores.shape}.")
            ones = [1] * (scores.ndim - mask.ndim)
            kept = kept & (mask != 0).reshape(len(scores), *ones, *mask.shape[1:])
        ctx.save(kept, len(masks))
        return np.where(kept, scores, scores.dtype.type(self.fill))

    def backward(self, dy, ctx):
        kept, masks = ctx.saved
        dx = dy * kept
        return (dx, *[None] * masks) if masks else dx
