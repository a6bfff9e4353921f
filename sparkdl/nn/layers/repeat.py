"""Each value several times over, and axes turned round."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class Repeat(Layer):
    """Each slice along axis ``dim`` ``times`` over, one after another.

    Shapes
    ------
    input   (batch, *)
    output  the same, size along ``dim`` times ``times``
    """

    def __init__(self, dim: int, times: int) -> None:
        super().__init__()
        if dim == 0 or times < 1:
            raise ShapeError(f"Repeat: at least once along an axis other than the batch, got {times} along {dim}.")
        self.dim, self.times = dim, times

    def forward(self, x, ctx):
        ctx.save(x.shape)
        return np.repeat(x, self.times, axis=self.dim)

    def backward(self, dy, ctx):
        (shape,) = ctx.saved
        axis = self.dim % len(shape)
        return dy.reshape(*shape[: axis + 1], self.times, *shape[axis + 1 :]).sum(axis=axis + 1)


class Reverse(Layer):
    """The slices along axis ``dim`` from last to first."""

    def __init__(self, dim: int = 1) -> None:
        super().__init__()
        if dim == 0:
            raise ShapeError("Reverse: axis 0 is the batch; dim must not be 0.")
        self.dim = dim

    def forward(self, x, ctx):
        return np.flip(x, self.dim)

    def backward(self, dy, ctx):
        return np.flip(dy, self.dim)
