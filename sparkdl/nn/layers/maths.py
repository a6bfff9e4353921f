"""Functions of single values."""

from math import sqrt

import numpy as np

from sparkdl.kernel import elementwise, njit
from sparkdl.nn.kernels.vmath import erf, exp, log
from sparkdl.nn.layers.elementwise import Elementwise

_ZERO, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)


@njit(inline="always")
def _abs(x):
    return abs(x)


@njit(inline="always")
def _abs_slope(x, dy):
    return dy if x > _ZERO else (-dy if x < _ZERO else _ZERO)


class Abs(Elementwise):
    """``y = |x|``."""

    value, slope = elementwise(_abs), elementwise(_abs_slope)


@njit(inline="always")
def _exp(x):
    return exp(x)


@njit(inline="always")
def _exp_slope(y, dy):
    return dy * y


class Exp(Elementwise):
    """``y = exp(x)``."""

    value, slope, by_output = elementwise(_exp), elementwise(_exp_slope), True


@njit(inline="always")
def _log(x):
    return log(x)


@njit(inline="always")
def _log_slope(x, dy):
    return dy / x


class Log(Elementwise):
    """``y = log(x)``, the natural logarithm."""

    value, slope = elementwise(_log), elementwise(_log_slope)


@njit(inline="always")
def _sqrt(x):
    return np.sqrt(x)


@njit(inline="always")
def _sqrt_slope(y, dy):
    return dy / (_TWO * y)


class Sqrt(Elementwise):
    """``y = sqrt(x)``."""

    value, slope, by_output = elementwise(_sqrt), elementwise(_sqrt_slope), True


@njit(inline="always")
def _square(x):
    return x * x


@njit(inline="always")
def _square_slope(x, dy):
    return _TWO * x * dy


class Square(Elementwise):
    """``y = x * x``."""

    value, slope = elementwise(_square), elementwise(_square_slope)


@njit(inline="always")
def _negative(x):
    return -x


@njit(inline="always")
def _negative_slope(x, dy):
    return -dy


class Negative(Elementwise):
    """``y = -x``."""

    value, slope = elementwise(_negative), elementwise(_negative_slope)


@njit(inline="always")
def _reciprocal(x):
    return _ONE / x


@njit(inline="always")
def _reciprocal_slope(y, dy):
    return -dy * y * y


class Reciprocal(Elementwise):
    """``y = 1 / x``."""

    value, slope, by_output = elementwise(_reciprocal), elementwise(_reciprocal_slope), True


@njit(inline="always")
def _erf(x, density):
    return erf(x)


@njit(inline="always")
def _erf_slope(x, dy, density):
    return dy * density * exp(-x * x)


class Erf(Elementwise):
    """``y = 2 / sqrt(pi) * integral of exp(-t * t) from 0 to x``."""

    value, slope, numbers, density = elementwise(_erf), elementwise(_erf_slope), ("density",), 2 / sqrt(np.pi)
