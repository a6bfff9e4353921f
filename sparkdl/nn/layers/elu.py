"""Activations that bend towards a constant below zero."""

from math import expm1

import numpy as np

from sparkdl.kernel import elementwise, njit
from sparkdl.nn.kernels.vmath import exp
from sparkdl.nn.layers.elementwise import Elementwise

_ZERO = np.float32(0)


@njit(inline="always")
def _elu(x, alpha, scale, width):
    return scale * x if x > _ZERO else scale * alpha * expm1(x / width)


@njit(inline="always")
def _elu_slope(x, dy, alpha, scale, width):
    return scale * dy if x > _ZERO else scale * alpha / width * exp(x / width) * dy


class ELU(Elementwise):
    """``y = x`` for x > 0, else ``alpha * (exp(x) - 1)``.  Source: Clevert et al. (2015), equation 15."""

    value, slope, numbers = elementwise(_elu), elementwise(_elu_slope), ("alpha", "scale", "width")
    scale = width = 1.0

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha


class CELU(ELU):
    """``y = max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))``.  Source: Barron (2017)."""

    numbers = ("alpha", "scale", "alpha")

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(alpha)
        if not alpha > 0:
            raise ValueError(f"CELU: alpha must be > 0, got {alpha!r}.")


class SELU(ELU):
    """``y = scale * (x for x > 0, else alpha * (exp(x) - 1))``, which keeps mean 0 and variance 1.

    Source: Klambauer et al. (2017), equation 2.
    """

    scale = 1.0507009873554804934193349852946

    def __init__(self) -> None:
        super().__init__(1.6732632423543772848170429916717)
