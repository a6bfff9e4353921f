"""Values several times over along an axis, and axes turned round."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.moving import axis_of
from sparkdl.nn.module import Layer


class _Copies(Layer):
    integers = True

    def __init__(self, dim: int, times: int) -> None:
        super().__init__()
        if dim == 0 or times < 1:
            name = type(self).__name__
            raise ShapeError(f"{name}: at least once along an axis other than the batch, got {times} along {dim}.")
        self.dim, self.times = dim, times


class Repeat(_Copies):
    """Each slice along axis ``dim`` (not the batch) ``times`` over, one after another.

    Shapes
    ------
    input   (batch, *)
    output  the same, size along ``dim`` times ``times``
    """

    def forward(self, x, ctx):
        axis = axis_of(self, x, self.dim)
        ctx.save(x.shape, axis)
        return np.repeat(x, self.times, axis)

    def backward(self, dy, ctx):
        shape, axis = ctx.saved
        return dy.reshape(*shape[: axis + 1], self.times, *shape[axis + 1 :]).sum(axis=axis + 1)


class Tile(_Copies):
    """The whole array ``times`` over along axis ``dim`` (not the batch).

    Shapes
    ------
    input   (batch, *)
    output  the same, size along ``dim`` times ``times``
    """

    def forward(self, x, ctx):
        axis = axis_of(self, x, self.dim)
        ctx.save(x.shape, axis)
        return np.concatenate([x] * self.times, axis)

    def backward(self, dy, ctx):
        shape, axis = ctx.saved
        return dy.reshape(*shape[:axis], self.times, *shape[axis:]).sum(axis=axis)


class Reverse(Layer):
    """The slices along axis ``dim`` (not the batch) from last to first."""

    integers = True

    def __init__(self, dim: int = 1) -> None:
        super().__init__()
        if dim == 0:
            raise ShapeError("Reverse: axis 0 is the batch; dim must not be 0.")
        self.dim = dim

    def forward(self, x, ctx):
        return np.flip(x, axis_of(self, x, self.dim))

    def backward(self, dy, ctx):
        return np.flip(dy, self.dim)
