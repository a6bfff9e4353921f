"""Chosen entries along an axis."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.moving import axis_of
from sparkdl.nn.module import Layer


class Take(Layer):
    """The entries ``places`` (whole numbers, negative ones from the end) along axis ``dim``, in that order.

    Shapes
    ------
    input   (batch, *)
    output  the same, with ``len(places)`` along ``dim``
    """

    integers = True

    def __init__(self, places: tuple[int, ...], dim: int = 1) -> None:
        super().__init__()
        self.places, self.dim = tuple(int(p) for p in places), dim

    def forward(self, x, ctx):
        axis = axis_of(self, x, self.dim)
        n = x.shape[axis]
        if any(not -n <= p < n for p in self.places):
            raise ShapeError(f"{self!r}: places run from {-n} to {n - 1} along axis {axis} of {x.shape}.")
        ctx.save(x.shape, axis)
        return x.take(np.asarray(self.places, np.int64), axis)

    def backward(self, dy, ctx):
        shape, axis = ctx.saved
        dx = np.zeros(shape, dy.dtype)
        places = np.asarray(self.places, np.int64) % max(shape[axis], 1)
        np.add.at(np.moveaxis(dx, axis, 0), places, np.moveaxis(dy, axis, 0))
        return dx
