"""Smooth and sparse relatives of ReLU and softmax."""

import numpy as np

from sparkdl.kernel import elementwise, njit
from sparkdl.nn.layers.elementwise import Elementwise
from sparkdl.nn.layers.moving import axis_of
from sparkdl.nn.module import Layer

_HALF, _ONE, _FOUR = np.float32(0.5), np.float32(1), np.float32(4)


@njit(inline="always")
def _squareplus(x, b):
    return _HALF * (x + np.sqrt(x * x + b))


@njit(inline="always")
def _squareplus_slope(x, dy, b):
    return dy * _HALF * (_ONE + x / np.sqrt(x * x + b))


class Squareplus(Elementwise):
    """``y = (x + sqrt(x ** 2 + b)) / 2``.  Source: Barron (2021), equation 1."""

    value, slope, numbers = elementwise(_squareplus), elementwise(_squareplus_slope), ("b",)

    def __init__(self, b: float = 4.0) -> None:
        super().__init__()
        self.b = b


@njit(inline="always")
def _sparse_plus(x):
    return x if x >= _ONE else (x + _ONE) * (x + _ONE) / _FOUR if x > -_ONE else x - x


@njit(inline="always")
def _sparse_plus_slope(x, dy):
    return dy if x >= _ONE else dy * (x + _ONE) * _HALF if x > -_ONE else dy - dy


class SparsePlus(Elementwise):
    """``y = 0`` for x <= -1, ``x`` for x >= 1, ``(x + 1) ** 2 / 4`` between.  Source: Keras's sparse_plus."""

    value, slope = elementwise(_sparse_plus), elementwise(_sparse_plus_slope)


class Sparsemax(Layer):
    """The point of the probability simplex that lies nearest to ``x`` along axis ``dim``; small values become 0.

    ``keras`` computes what Keras 3 does under this name: its threshold adds up all running sums of the support, so
    that its outputs do not sum to 1.

    Shapes
    ------
    input   (batch, *)
    output  the same; sums along ``dim`` are 1, but for ``keras``

    Source: Martins & Astudillo (2016), algorithm 1 and proposition 2.
    """

    def __init__(self, dim: int = 1, keras: bool = False) -> None:
        super().__init__()
        self.dim, self.keras = dim, keras

    def forward(self, x, ctx):
        axis = axis_of(self, x, self.dim)
        places = np.argsort(-x, axis, kind="stable")
        falling = np.take_along_axis(x, places, axis)
        ranks = np.arange(1, x.shape[axis] + 1, dtype=x.dtype)
        ranks = ranks.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])
        sums = np.cumsum(falling, axis)
        inside = 1 + ranks * falling > sums
        support = np.maximum(inside.sum(axis, keepdims=True), 1)
        # how often each value stands in the sum that makes the threshold; Keras's adds up the running sums
        times = np.maximum(support - ranks + 1, 0) if self.keras else inside
        threshold = ((falling * times).sum(axis, keepdims=True) - 1) / support
        y = np.maximum(x - threshold.astype(x.dtype), 0)
        ctx.save(y > 0, places, (times / support).astype(x.dtype), axis)
        return y

    def backward(self, dy, ctx):
        kept, places, slopes, axis = ctx.saved
        dx = np.empty_like(dy)
        np.put_along_axis(dx, places, slopes, axis)
        dx *= -(dy * kept).sum(axis, keepdims=True)
        dx += dy * kept
        return dx
