"""Random weights whose spread is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.rng import generator


def uniform(
    shape: Sequence[int], rng: Any = None, *, low: float = 0.0, high: float = 1.0, dtype: Any = np.float32
) -> np.ndarray:
    """U(low, high)."""
    if not low <= high:
        raise ValueError(f"uniform: low must be <= high, got {low!r} and {high!r}.")
    return (rng or generator()).uniform(low, high, shape).astype(dtype)


def normal(
    shape: Sequence[int], rng: Any = None, *, mean: float = 0.0, std: float = 1.0, dtype: Any = np.float32
) -> np.ndarray:
    """N(mean, std^2)."""
    if not std >= 0:
        raise ValueError(f"normal: std must be >= 0, got {std!r}.")
    return (rng or generator()).normal(mean, std, shape).astype(dtype)


def trunc_normal(
    shape: Sequence[int],
    rng: Any = None,
    *,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    dtype: Any = np.float32,
) -> np.ndarray:
    """N(mean, std^2) given that the value lies in ``a .. b`` (values, not multiples of std)."""
    from scipy.special import ndtr, ndtri

    if not (std > 0 and a < b):
        raise ValueError(f"trunc_normal: needs std > 0 and a < b, got std={std!r}, a={a!r}, b={b!r}.")
    low, high = ndtr((a - mean) / std), ndtr((b - mean) / std)
    values = mean + std * ndtri((rng or generator()).uniform(low, high, shape))
    return np.clip(values, a, b).astype(dtype)


def sparse(
    shape: Sequence[int], rng: Any = None, *, sparsity: float, std: float = 0.01, dtype: Any = np.float32
) -> np.ndarray:
    """N(0, std^2), (out, in), where in each column a share ``sparsity`` of the elements, rounded up, is 0.

    Source: Martens (2010), section 5.
    """
    if len(shape) != 2:
        raise ShapeError(f"sparse: shape must be (out, in), got {tuple(shape)}.")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse: sparsity must be in 0 .. 1, got {sparsity!r}.")
    rng = rng or generator()
    w = rng.normal(0, std, shape)
    for column in w.T:
        column[rng.permutation(shape[0])[: int(np.ceil(sparsity * shape[0]))]] = 0
    return w.astype(dtype)
