"""Weights without chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparkdl.errors import ShapeError


def zeros(shape: Sequence[int], rng: Any = None, *, dtype: Any = np.float32) -> np.ndarray:
    """All 0."""
    return np.zeros(shape, dtype)


def ones(shape: Sequence[int], rng: Any = None, *, dtype: Any = np.float32) -> np.ndarray:
    """All 1."""
    return np.ones(shape, dtype)


def constant(shape: Sequence[int], rng: Any = None, *, value: float, dtype: Any = np.float32) -> np.ndarray:
    """All ``value``."""
    return np.full(shape, value, dtype)


def eye(shape: Sequence[int], rng: Any = None, *, dtype: Any = np.float32) -> np.ndarray:
    """The identity: a linear layer passes on as much of its input as it has outputs."""
    if len(shape) != 2:
        raise ShapeError(f"eye: shape must be (rows, columns), got {tuple(shape)}.")
    return np.eye(*shape, dtype=dtype)


def dirac(shape: Sequence[int], rng: Any = None, *, groups: int = 1, dtype: Any = np.float32) -> np.ndarray:
    """The identity of convolutions, (out, in, *kernel): output i of each of the ``groups`` is its input i."""
    if len(shape) < 3 or shape[0] % groups:
        raise ShapeError(f"dirac: shape must be (out, in, *kernel), out a multiple of {groups}, got {tuple(shape)}.")
    w = np.zeros(shape, dtype)
    centre, each = tuple(k // 2 for k in shape[2:]), shape[0] // groups
    for g in range(groups):
        for i in range(min(each, shape[1])):
            w[(g * each + i, i, *centre)] = 1
    return w
