"""Random weights whose spread follows from how many inputs and outputs a unit has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.init.plain import normal, trunc_normal, uniform

_GAINS = {
    "linear": 1.0, "identity": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0, "conv_transpose3d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75,
}  # fmt: skip
_TRUNCATED = 0.87962566103423978  # standard deviation of N(0, 1) cut at -2 and 2


def variance_scaling(
    shape: Sequence[int],
    rng: Any = None,
    *,
    scale: float = 1.0,
    mode: str = "fan_in",
    distribution: str = "truncated_normal",
    dtype: Any = np.float32,
) -> np.ndarray:
    """Mean 0, variance ``scale / fan``; ``mode`` is fan_in, fan_out or fan_avg (their mean).

    ``distribution``: uniform, normal, or truncated_normal, which is cut at two standard deviations and keeps the
    variance. With Keras's arguments this gives each of Keras's initialisers.
    """
    if not scale > 0:
        raise ValueError(f"variance_scaling: scale must be > 0, got {scale!r}.")
    std = math.sqrt(scale / _fan(shape, mode))
    if distribution == "uniform":
        return uniform(shape, rng, low=-math.sqrt(3) * std, high=math.sqrt(3) * std, dtype=dtype)
    if distribution == "normal":
        return normal(shape, rng, std=std, dtype=dtype)
    if distribution == "truncated_normal":
        std /= _TRUNCATED
        return trunc_normal(shape, rng, std=std, a=-2 * std, b=2 * std, dtype=dtype)
    raise ValueError(
        f"variance_scaling: distribution must be uniform, normal or truncated_normal, got {distribution!r}."
    )


def xavier_uniform(shape: Sequence[int], rng: Any = None, *, gain: float = 1.0, dtype: Any = np.float32) -> np.ndarray:
    """U(-a, a), ``a = gain sqrt(6 / (fan_in + fan_out))``.  Source: Glorot & Bengio (2010), equation 16."""
    return variance_scaling(shape, rng, scale=gain**2, mode="fan_avg", distribution="uniform", dtype=dtype)


def xavier_normal(shape: Sequence[int], rng: Any = None, *, gain: float = 1.0, dtype: Any = np.float32) -> np.ndarray:
    """N(0, gain^2 2 / (fan_in + fan_out)).  Source: Glorot & Bengio (2010), equation 12."""
    return variance_scaling(shape, rng, scale=gain**2, mode="fan_avg", distribution="normal", dtype=dtype)


def kaiming_uniform(
    shape: Sequence[int],
    rng: Any = None,
    *,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    dtype: Any = np.float32,
) -> np.ndarray:
    """U(-b, b), ``b = gain sqrt(3 / fan)``; ``a`` is a leaky ReLU's slope.  Source: He et al. (2015), section 2.2."""
    scale = calculate_gain(nonlinearity, a) ** 2
    return variance_scaling(shape, rng, scale=scale, mode=mode, distribution="uniform", dtype=dtype)


def kaiming_normal(
    shape: Sequence[int],
    rng: Any = None,
    *,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    dtype: Any = np.float32,
) -> np.ndarray:
    """N(0, gain^2 / fan); ``a`` is a leaky ReLU's slope.  Source: He et al. (2015), section 2.2."""
    scale = calculate_gain(nonlinearity, a) ** 2
    return variance_scaling(shape, rng, scale=scale, mode=mode, distribution="normal", dtype=dtype)


def lecun_uniform(shape: Sequence[int], rng: Any = None, *, dtype: Any = np.float32) -> np.ndarray:
    """U(-a, a), ``a = sqrt(3 / fan_in)``.  Source: LeCun et al. (1998), section 4.6."""
    return variance_scaling(shape, rng, distribution="uniform", dtype=dtype)


def lecun_normal(shape: Sequence[int], rng: Any = None, *, dtype: Any = np.float32) -> np.ndarray:
    """N(0, 1 / fan_in).  Source: LeCun et al. (1998), section 4.6; Klambauer et al. (2017) for SELU."""
    return variance_scaling(shape, rng, distribution="normal", dtype=dtype)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By what factor weights before ``nonlinearity`` should be larger than before none; PyTorch's table."""
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"nonlinearity must be leaky_relu or one of {', '.join(_GAINS)}; got {nonlinearity!r}.")
    return _GAINS[nonlinearity]


def _fan(shape: Sequence[int], mode: str) -> float:
    if len(shape) < 2:
        raise ShapeError(
            f"fans need a shape (out, in, *kernel), got {tuple(shape)}; use normal or uniform for vectors."
        )
    kernel = math.prod(shape[2:])
    fans = {"fan_in": shape[1] * kernel, "fan_out": shape[0] * kernel, "fan_avg": (shape[0] + shape[1]) * kernel / 2}
    if mode not in fans:
        raise ValueError(f"mode must be fan_in, fan_out or fan_avg, got {mode!r}.")
    return max(fans[mode], 1)
