"""Values in order of size, and where they stood."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.moving import axis_of
from sparkdl.nn.module import Layer


class _Order(Layer):
    """What needs no more than an axis."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim


class Sort(_Order):
    """Values along axis ``dim``, smallest first; a gradient goes back to where its value stood.

    Shapes
    ------
    input, output  (batch, *)
    """

    def forward(self, x, ctx):
        axis = axis_of(self, x, self.dim)
        places = np.argsort(x, axis, kind="stable")
        ctx.save(places, axis)
        return np.take_along_axis(x, places, axis)

    def backward(self, dy, ctx):
        places, axis = ctx.saved
        dx = np.empty_like(dy)
        np.put_along_axis(dx, places, dy, axis)
        return dx


class ArgSort(_Order):
    """Places (as floats) of the values along axis ``dim``, smallest value first, equal ones as they stand. No gradient.

    Shapes
    ------
    input, output  (batch, *)
    """

    def forward(self, x, ctx):
        return np.argsort(x, axis_of(self, x, self.dim), kind="stable").astype(ctx.dtype)

    def backward(self, dy, ctx):
        return None


class TopK(Layer):
    """The ``k`` largest values along the last axis and their places (as floats), largest first, the first of equal ones
    first. Places have no gradient.

    Shapes
    ------
    input    (batch, *, n)
    outputs  (batch, *, k) twice: values, places
    """

    outputs = 2

    def __init__(self, k: int = 1) -> None:
        super().__init__()
        if k < 1:
            raise ShapeError(f"TopK: k is at least 1, got {k}.")
        self.k = k

    def forward(self, x, ctx):
        if x.ndim < 2 or x.shape[-1] < self.k:
            raise ShapeError(f"{self!r} takes (batch, *, n) with n >= {self.k}, got {x.shape}.")
        # a stable sort of the reversed row puts the last of equal values first; reversed again, the first
        back = np.argsort(x[..., ::-1], -1, kind="stable")[..., ::-1][..., : self.k]
        places = x.shape[-1] - 1 - back
        ctx.save(x.shape, places)
        return np.take_along_axis(x, places, -1), places.astype(ctx.dtype)

    def backward(self, dy, dplaces, ctx):
        shape, places = ctx.saved
        dx = np.zeros(shape, dy.dtype)
        np.put_along_axis(dx, places, dy, -1)
        return dx
