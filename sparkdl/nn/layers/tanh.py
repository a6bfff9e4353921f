"""tanh and what looks like it."""

import numpy as np

from sparkdl.kernel import elementwise, njit
from sparkdl.nn.kernels.vmath import tanh
from sparkdl.nn.layers.elementwise import Elementwise

_ONE = np.float32(1)


@njit(inline="always")
def _tanh(x):
    return tanh(x)


@njit(inline="always")
def _tanh_slope(y, dy):
    return dy * (_ONE - y * y)


class Tanh(Elementwise):
    """``y = tanh(x)``."""

    value, slope, by_output = elementwise(_tanh), elementwise(_tanh_slope), True


@njit(inline="always")
def _tanhshrink(x):
    return x - tanh(x)


@njit(inline="always")
def _tanhshrink_slope(x, dy):
    t = tanh(x)
    return dy * t * t


class Tanhshrink(Elementwise):
    """``y = x - tanh(x)``."""

    value, slope = elementwise(_tanhshrink), elementwise(_tanhshrink_slope)


@njit(inline="always")
def _softsign(x):
    return x / (_ONE + abs(x))


@njit(inline="always")
def _softsign_slope(x, dy):
    d = _ONE + abs(x)
    return dy / (d * d)


class Softsign(Elementwise):
    """``y = x / (1 + |x|)``.  Source: Glorot & Bengio (2010), section 2."""

    value, slope = elementwise(_softsign), elementwise(_softsign_slope)
