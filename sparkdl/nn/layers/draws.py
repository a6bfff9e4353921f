"""Random numbers that depend on seed, layer, step and the sample's global position, never on worker or thread."""

from __future__ import annotations

from math import prod

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mixed(z: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele et al. 2014): every bit of the result depends on every bit of ``z``."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def bits(ctx, shape: tuple[int, ...], stream: int = 0) -> np.ndarray:
    """Random uint64 ``shape``; axis 0 is the batch. Each ``stream`` gives other numbers."""
    word = np.zeros(1, np.uint64)
    for part in (ctx.seed, ctx.key, ctx.step, stream):
        word = _mixed(word + _GOLDEN + np.array([part & 0xFFFFFFFFFFFFFFFF], np.uint64))
    rows = _mixed(word + _GOLDEN * (ctx.rows.astype(np.uint64) + np.uint64(1)))
    places = _GOLDEN * np.arange(1, prod(shape[1:]) + 1, dtype=np.uint64)
    return _mixed(rows[:, None] + places).reshape(shape)


def uniform(ctx, shape: tuple[int, ...], stream: int = 0) -> np.ndarray:
    """Uniform numbers in [0, 1), float64, of 24 random bits."""
    return (bits(ctx, shape, stream) >> np.uint64(40)) * 2.0**-24


def normal(ctx, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers, float64 (Box & Muller 1958)."""
    radius = np.sqrt(-2 * np.log(1 - uniform(ctx, shape, 1)))
    return radius * np.cos(2 * np.pi * uniform(ctx, shape, 2))
