"""Activations made of straight pieces."""

import numpy as np

from sparkdl.kernel import elementwise, njit
from sparkdl.nn.layers.elementwise import Elementwise

_ZERO, _ONE = np.float32(0), np.float32(1)


@njit(inline="always")
def _relu(x):
    return _ZERO if x < _ZERO else x  # NaN stays NaN


@njit(inline="always")
def _relu_slope(y, dy):
    return dy if y > _ZERO else _ZERO


class ReLU(Elementwise):
    """``y = max(x, 0)``."""

    value, slope, by_output = elementwise(_relu), elementwise(_relu_slope), True


@njit(inline="always")
def _clamp(x, low, high):
    return low if x < low else (high if x > high else x)


@njit(inline="always")
def _clamp_slope(x, dy, low, high):
    return dy if low < x < high else _ZERO


class Hardtanh(Elementwise):
    """``y = x`` between ``min_val`` and ``max_val``, which it does not leave."""

    value, slope, numbers = elementwise(_clamp), elementwise(_clamp_slope), ("min_val", "max_val")

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        super().__init__()
        if not min_val < max_val:
            raise ValueError(f"{type(self).__name__}: min_val must be < max_val, got {min_val!r} and {max_val!r}.")
        self.min_val, self.max_val = min_val, max_val


class Clamp(Hardtanh):
    """``y = min(max(x, min_val), max_val)``; both bounds must be given.  Source: Torch7's nn.Clamp."""

    def __init__(self, min_val: float, max_val: float) -> None:
        super().__init__(min_val, max_val)


class ReLU6(Hardtanh):
    """``y = min(max(x, 0), 6)``.  Source: Krizhevsky (2010), Convolutional deep belief networks on CIFAR-10."""

    def __init__(self) -> None:
        super().__init__(0.0, 6.0)


@njit(inline="always")
def _leaky(x, a):
    return x if x > _ZERO else a * x


@njit(inline="always")
def _leaky_slope(x, dy, a):
    return dy if x > _ZERO else a * dy


class LeakyReLU(Elementwise):
    """``y = x`` for x > 0, else ``negative_slope * x``."""

    value, slope, numbers = elementwise(_leaky), elementwise(_leaky_slope), ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope


@njit(inline="always")
def _threshold(x, t, v):
    return v if x <= t else x


@njit(inline="always")
def _threshold_slope(x, dy, t, v):
    return dy if x > t else _ZERO


class Threshold(Elementwise):
    """``y = x`` for x > threshold, else ``fill``."""

    value, slope, numbers = elementwise(_threshold), elementwise(_threshold_slope), ("threshold", "fill")

    def __init__(self, threshold: float, fill: float) -> None:
        super().__init__()
        self.threshold, self.fill = threshold, fill


@njit(inline="always")
def _above(x, t):
    return _ONE if x > t else _ZERO


@njit(inline="always")
def _flat(x, dy, t):
    return _ZERO


class BinaryThreshold(Elementwise):
    """``y = 1`` for x > threshold, else 0; its gradient is zero.  Source: BigDL's BinaryThreshold."""

    value, slope, numbers = elementwise(_above), elementwise(_flat), ("threshold",)

    def __init__(self, threshold: float = 1e-6) -> None:
        super().__init__()
        self.threshold = threshold
