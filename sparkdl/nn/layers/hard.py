"""Straight pieces in place of smooth activations."""

import numpy as np

from sparkdl.kernel import elementwise, njit
from sparkdl.nn.layers.elementwise import Elementwise

_ZERO, _ONE, _THREE, _SIX = np.float32(0), np.float32(1), np.float32(3), np.float32(6)


@njit(inline="always")
def _hardsigmoid(x, a, b):
    return min(max(a * x + b, _ZERO), _ONE)


@njit(inline="always")
def _hardsigmoid_slope(x, dy, a, b):
    return a * dy if _ZERO < a * x + b < _ONE else _ZERO


class Hardsigmoid(Elementwise):
    """``y = min(max(slope * x + offset, 0), 1)``; PyTorch's 1/6 and 1/2 by default, Keras's are 0.2 and 0.5."""

    value, slope, numbers = elementwise(_hardsigmoid), elementwise(_hardsigmoid_slope), ("steepness", "offset")

    def __init__(self, steepness: float = 1 / 6, offset: float = 0.5) -> None:
        super().__init__()
        self.steepness, self.offset = steepness, offset


@njit(inline="always")
def _hardswish(x, sixth):
    return x * min(max(x + _THREE, _ZERO), _SIX) * sixth


@njit(inline="always")
def _hardswish_slope(x, dy, sixth):
    if x <= -_THREE:
        return _ZERO * dy
    return dy if x >= _THREE else dy * ((x + x + _THREE) * sixth)


class Hardswish(Elementwise):
    """``y = x * min(max(x + 3, 0), 6) / 6``.  Source: Howard et al. (2019), MobileNetV3, section 5.2."""

    value, slope, numbers, sixth = elementwise(_hardswish), elementwise(_hardswish_slope), ("sixth",), 1 / 6


@njit(inline="always")
def _hardshrink(x, a):
    return _ZERO if -a <= x <= a else x


@njit(inline="always")
def _softshrink(x, a):
    return x - a if x > a else (x + a if x < -a else _ZERO)


@njit(inline="always")
def _shrink_slope(x, dy, a):
    return _ZERO if -a <= x <= a else dy


class Hardshrink(Elementwise):
    """``y = x`` outside ``-lambd .. lambd``, 0 inside."""

    value, slope, numbers = elementwise(_hardshrink), elementwise(_shrink_slope), ("lambd",)

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        if not lambd >= 0:
            raise ValueError(f"{type(self).__name__}: lambd must be >= 0, got {lambd!r}.")
        self.lambd = lambd


class Softshrink(Hardshrink):
    """``y = x - lambd`` for x > lambd, ``x + lambd`` for x < -lambd, else 0."""

    value = elementwise(_softshrink)
