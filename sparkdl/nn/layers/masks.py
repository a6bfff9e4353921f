"""Which steps of a sequence count, and means over them."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class NotEqualMask(Layer):
    """1 where a step holds something other than ``value``, else 0.

    Shapes
    ------
    input   (batch, steps, *), or (batch, steps) without ``vectors``
    output  (batch, steps): for ``vectors``, whether any value of the step differs. No gradient.

    Source: Keras's Masking, and Embedding with mask_zero.
    """

    def __init__(self, value: float = 0.0, vectors: bool = True) -> None:
        super().__init__()
        self.value, self.vectors = value, vectors

    def forward(self, x, ctx):
        if x.ndim < 2 or (x.ndim < 3 and self.vectors):
            raise ShapeError(f"{self!r} takes (batch, steps{', features' * self.vectors}), got {x.shape}.")
        differs = x != x.dtype.type(self.value)
        if self.vectors:
            differs = differs.reshape(*x.shape[:2], -1).any(axis=2) if differs.size else np.zeros(x.shape[:2], bool)
        return differs.astype(ctx.dtype)

    def backward(self, dy, ctx):
        return None


class MaskSteps(Layer):
    """``x`` with zeros at the steps whose mask is 0.

    Shapes
    ------
    inputs  x (batch, steps, *), mask (batch, steps)
    output  that of x
    """

    def forward(self, x, mask, ctx):
        if x.ndim < 2 or mask.shape != x.shape[:2]:
            raise ShapeError(f"{self!r} takes a mask (batch, steps), got {mask.shape} for {x.shape}.")
        wide = mask.reshape(*mask.shape, *[1] * (x.ndim - 2))
        ctx.save(wide)
        return np.where(wide != 0, x, x.dtype.type(0))

    def backward(self, dy, ctx):
        return dy * ctx.saved[0], None


class MaskedMean(Layer):
    """The mean of the steps whose mask is 1.

    Shapes
    ------
    inputs  x (batch, steps, features), mask (batch, steps)
    output  (batch, features); zero where no step counts
    """

    def forward(self, x, mask, ctx):
        if x.ndim != 3 or mask.shape != x.shape[:2]:
            raise ShapeError(f"{self!r} takes x (batch, steps, features) and a mask, got {x.shape} and {mask.shape}.")
        share = mask / np.maximum(mask.sum(axis=1, keepdims=True), 1)
        ctx.save(share.astype(x.dtype))
        return np.einsum("ntf,nt->nf", x, share.astype(x.dtype))

    def backward(self, dy, ctx):
        return dy[:, None] * ctx.saved[0][:, :, None], None
