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


class StepMask(Layer):
    """1 where a step of ``x`` counts, else 0, from lengths or a mask.

    Shapes
    ------
    inputs  x (batch, steps, *), lengths (batch,) or a mask (batch, steps), 0 where a step does not count
    output  (batch, steps). No gradient.
    """

    def forward(self, x, mask, ctx):
        if x.ndim < 2:
            raise ShapeError(f"{self!r} takes (batch, steps, *), got {x.shape}.")
        return step_mask(self, x.shape[:2], [mask]).astype(ctx.dtype)

    def backward(self, dy, ctx):
        return None, None


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


def step_mask(layer, shape, masks):
    """Which steps of ``shape`` (batch, steps) count, as bytes: a mask or lengths; of size 0 where none is given."""
    if len(masks) > 1 or any(m.shape not in (shape[:1], shape) for m in masks):
        raise ShapeError(f"{layer!r} takes one mask {shape} or lengths {shape[:1]}, got {[m.shape for m in masks]}.")
    if not masks:
        return np.zeros((0, 0), np.uint8)
    (mask,) = masks
    if mask.ndim == 1:
        if not ((mask >= 0) & (mask <= shape[1])).all():
            raise ShapeError(f"{layer!r}: lengths lie in 0 .. {shape[1]}, got {mask.min():g} to {mask.max():g}.")
        mask = np.arange(shape[1]) < mask[:, None]
    return (mask != 0).astype(np.uint8)
