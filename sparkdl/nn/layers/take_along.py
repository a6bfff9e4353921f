"""Entries at places that another array names."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.moving import axis_of
from sparkdl.nn.module import Layer


class TakeAlong(Layer):
    """``y[.., i, ..] = x[.., places[.., i, ..], ..]`` along axis ``dim``; places may be negative, from the end.

    Shapes
    ------
    inputs  x (batch, *) and places, whole numbers, of the same sizes but along ``dim``
    output  as the places
    """

    integers = True

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x, places, ctx):
        axis = axis_of(self, x, self.dim)
        others = [i for i in range(x.ndim) if i != axis]
        if places.ndim != x.ndim or any(places.shape[i] != x.shape[i] for i in others):
            rule = f"places of the input's shape but along axis {axis}"
            raise ShapeError(f"{self!r} takes {rule}, got {x.shape} and {places.shape}.")
        chosen = places.astype(np.int64)
        n = x.shape[axis]
        if chosen.size and not (-n <= chosen.min() and chosen.max() < n):
            raise ShapeError(f"{self!r}: places run from {-n} to {n - 1}, got {chosen.min()} to {chosen.max()}.")
        chosen = np.where(chosen < 0, chosen + n, chosen)
        ctx.save(x.shape, chosen, axis)
        return np.take_along_axis(x, chosen, axis)

    def backward(self, dy, ctx):
        shape, chosen, axis = ctx.saved
        dx = np.zeros(shape, dy.dtype)
        at = list(np.indices(chosen.shape, sparse=True))
        at[axis] = chosen
        np.add.at(dx, tuple(at), dy)
        return dx, None
