"""Copies side by side."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class Tile(Layer):
    """The whole array ``times`` over along axis ``dim`` (not the batch).

    Shapes
    ------
    input   (batch, *)
    output  the same, size along ``dim`` times ``times``
    """

    def __init__(self, dim: int, times: int) -> None:
        super().__init__()
        if dim == 0 or times < 1:
            raise ShapeError(f"Tile: at least one copy along an axis other than the batch, got {times} along {dim}.")
        self.dim, self.times = dim, times

    def forward(self, x, ctx):
        ctx.save(x.shape)
        counts = [1] * x.ndim
        counts[self.dim] = self.times
        return np.tile(x, counts)

    def backward(self, dy, ctx):
        (shape,) = ctx.saved
        axis = self.dim % len(shape)
        return dy.reshape(*shape[:axis], self.times, *shape[axis:]).sum(axis=axis)
