"""Several axes into one."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class Flatten(Layer):
    """Axes ``start_dim`` to ``end_dim`` become one, in row-major order of the *shape* (channels before places).

    Shapes
    ------
    input   (batch, *)
    output  (batch, product of the rest) by default
    """

    integers = True

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        if start_dim == 0:
            raise ShapeError("Flatten: axis 0 is the batch; start_dim must not be 0.")
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x, ctx):
        first, last = (axis + x.ndim if axis < 0 else axis for axis in (self.start_dim, self.end_dim))
        if not 0 < first <= last < x.ndim:
            raise ShapeError(f"{self!r}: cannot join axes {first} to {last} of an array of shape {x.shape}.")
        ctx.save(x.shape)
        size = int(np.prod(x.shape[first : last + 1]))
        return np.ascontiguousarray(x).reshape(*x.shape[:first], size, *x.shape[last + 1 :])

    def backward(self, dy, ctx):
        (shape,) = ctx.saved
        return np.ascontiguousarray(dy).reshape(shape)
