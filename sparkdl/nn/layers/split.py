"""One array into several along an axis."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class Split(Layer):
    """The parts of ``x`` along axis ``dim``, of the given sizes, as a tuple; one size may be -1.

    Shapes
    ------
    input    (batch, *)
    outputs  equal to the input's but along ``dim``
    """

    def __init__(self, sizes: tuple[int, ...], dim: int = 1) -> None:
        super().__init__()
        self.sizes, self.dim = tuple(int(n) for n in sizes), dim
        if dim == 0 or not self.sizes or sum(n == -1 for n in self.sizes) > 1 or any(n < -1 for n in self.sizes):
            rule = "sizes >= 0 with at most one -1, along an axis other than the batch"
            raise ShapeError(f"Split: {rule}; got {sizes}, {dim}.")
        self.outputs = len(self.sizes)

    def forward(self, x, ctx):
        axis = self.dim % x.ndim
        rest = x.shape[axis] - sum(n for n in self.sizes if n != -1)
        if axis == 0 or rest < 0 or (rest and -1 not in self.sizes):
            raise ShapeError(f"{self!r} does not fit an array of shape {x.shape}.")
        ends = np.cumsum([rest if n == -1 else n for n in self.sizes])
        ctx.save(axis)
        parts = tuple(np.split(x, ends[:-1], axis=axis))
        return parts if self.outputs > 1 else parts[0]

    def backward(self, *dys, ctx):
        (axis,) = ctx.saved
        return np.concatenate(dys, axis=axis)
