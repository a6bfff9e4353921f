"""Smooth activations around the logistic function and tanh."""

from math import log1p, sqrt

import numpy as np

from sparkdl.kernel import elementwise, njit
from sparkdl.nn.kernels.vmath import erf, exp, sigmoid, tanh
from sparkdl.nn.layers.elementwise import Elementwise

_ZERO, _HALF, _ONE, _TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)


@njit(inline="always")
def _sigmoid(x):
    return sigmoid(x)


@njit(inline="always")
def _sigmoid_slope(y, dy):
    return dy * y * (_ONE - y)


class Sigmoid(Elementwise):
    """``y = 1 / (1 + exp(-x))``."""

    value, slope, by_output = elementwise(_sigmoid), elementwise(_sigmoid_slope), True


@njit(inline="always")
def _logsigmoid(x):
    return min(x, _ZERO) - log1p(exp(-abs(x)))


@njit(inline="always")
def _logsigmoid_slope(x, dy):
    return dy * _sigmoid(-x)


class LogSigmoid(Elementwise):
    """``y = -log(1 + exp(-x))``."""

    value, slope = elementwise(_logsigmoid), elementwise(_logsigmoid_slope)


@njit(inline="always")
def _silu(x):
    return x * _sigmoid(x)


@njit(inline="always")
def _silu_slope(x, dy):
    s = _sigmoid(x)
    return dy * s * (_ONE + x * (_ONE - s))


class SiLU(Elementwise):
    """``y = x / (1 + exp(-x))``, also called swish.  Source: Elfwing et al. (2017), equation 3."""

    value, slope = elementwise(_silu), elementwise(_silu_slope)


@njit(inline="always")
def _softplus(x, beta, threshold):
    z = x * beta
    return x if z > threshold else (max(z, _ZERO) + log1p(exp(-abs(z)))) / beta


@njit(inline="always")
def _softplus_slope(x, dy, beta, threshold):
    z = x * beta
    return dy if z > threshold else dy * _sigmoid(z)


class Softplus(Elementwise):
    """``y = log(1 + exp(beta * x)) / beta``; ``x`` itself where ``beta * x > threshold``."""

    value, slope, numbers = elementwise(_softplus), elementwise(_softplus_slope), ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        if not beta > 0:
            raise ValueError(f"Softplus: beta must be > 0, got {beta!r}.")
        self.beta, self.threshold = beta, threshold


@njit(inline="always")
def _mish(x):
    return x * tanh(max(x, _ZERO) + log1p(exp(-abs(x))))


@njit(inline="always")
def _mish_slope(x, dy):
    t = tanh(max(x, _ZERO) + log1p(exp(-abs(x))))
    return dy * (t + x * (_ONE - t * t) * _sigmoid(x))


class Mish(Elementwise):
    """``y = x * tanh(log(1 + exp(x)))``.  Source: Misra (2019), section 3."""

    value, slope = elementwise(_mish), elementwise(_mish_slope)


@njit(inline="always")
def _gelu(x, root_half):
    return _HALF * x * (_ONE + erf(x * root_half))


@njit(inline="always")
def _gelu_slope(x, dy, root_half, density):
    return dy * (_HALF * (_ONE + erf(x * root_half)) + x * density * exp(-_HALF * x * x))


@njit(inline="always")
def _gelu_tanh(x, a, b):
    return _HALF * x * (_ONE + tanh(a * (x + b * x * x * x)))


@njit(inline="always")
def _gelu_tanh_slope(x, dy, a, b):
    t = tanh(a * (x + b * x * x * x))
    return dy * _HALF * (_ONE + t + x * (_ONE - t * t) * a * (_ONE + (_ONE + _TWO) * b * x * x))


class GELU(Elementwise):
    """``y = x * P(normal < x)``; with ``approximate="tanh"`` by ``tanh(sqrt(2/pi) * (x + 0.044715 * x**3))``.

    Source: Hendrycks & Gimpel (2016), section 2.
    """

    _exact = elementwise(_gelu), elementwise(_gelu_slope)
    _tanh = elementwise(_gelu_tanh), elementwise(_gelu_tanh_slope)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise ValueError(f"GELU: approximate is 'none' or 'tanh', got {approximate!r}.")
        self.approximate = approximate

    def value(self, y, x):
        if self.approximate == "tanh":
            self._tanh[0](y, x, sqrt(2 / np.pi), 0.044715)
        else:
            self._exact[0](y, x, sqrt(0.5))

    def slope(self, dx, x, dy):
        if self.approximate == "tanh":
            self._tanh[1](dx, x, dy, sqrt(2 / np.pi), 0.044715)
        else:
            self._exact[1](dx, x, dy, sqrt(0.5), 1 / sqrt(2 * np.pi))
