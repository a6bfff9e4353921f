"""Random numbers that depend on seed, layer, step and the sample's global position, never on worker or thread."""

from __future__ import annotations

from math import ceil, prod

import numpy as np

from sparkdl.kernel import njit, numba

prange = numba().prange
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mixed(z: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele et al. 2014): every bit of the result depends on every bit of ``z``."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _words(ctx, stream: int) -> np.ndarray:
    """A random uint64 for each sample; each ``stream`` gives other ones."""
    word = np.zeros(1, np.uint64)
    for part in (ctx.seed, ctx.key, ctx.step, stream):
        word = _mixed(word + _GOLDEN + np.array([part & 0xFFFFFFFFFFFFFFFF], np.uint64))
    return _mixed(word + _GOLDEN * (ctx.rows.astype(np.uint64) + np.uint64(1)))


def bits(ctx, shape: tuple[int, ...], stream: int = 0) -> np.ndarray:
    """Random uint64 ``shape``; axis 0 is the batch."""
    places = _GOLDEN * np.arange(1, prod(shape[1:]) + 1, dtype=np.uint64)
    return _mixed(_words(ctx, stream)[:, None] + places).reshape(shape)


def kept(ctx, x: np.ndarray, p: float, scale: float) -> np.ndarray:
    """``scale`` where ``uniform(ctx, x.shape)`` is at least ``p``, else 0, of the shape and dtype of ``x``."""
    out = ctx.empty(x.shape, x.dtype)
    if x.ndim == 4:  # channels-last in memory, while places are counted in the order of the shape
        view = out.transpose(0, 2, 3, 1).reshape(len(x), x.shape[2] * x.shape[3], x.shape[1])
    else:
        view = out.reshape(len(x), 1, prod(x.shape[1:]))
    _fill_kept(view, _words(ctx, 0), np.uint64(ceil(p * 2**24)), x.dtype.type(scale))
    return out


@njit(parallel=True)
def _fill_kept(out, words, least, scale):
    zero = out.dtype.type(0)
    for n in prange(out.shape[0]):
        for p in range(out.shape[1]):
            for c in range(out.shape[2]):
                z = words[n] + np.uint64(c * out.shape[1] + p + 1) * np.uint64(0x9E3779B97F4A7C15)
                z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                z = z ^ (z >> np.uint64(31))
                out[n, p, c] = scale if (z >> np.uint64(40)) >= least else zero


def uniform(ctx, shape: tuple[int, ...], stream: int = 0) -> np.ndarray:
    """Uniform numbers in [0, 1), float64, of 24 random bits."""
    return (bits(ctx, shape, stream) >> np.uint64(40)) * 2.0**-24


def normal(ctx, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers, float64 (Box & Muller 1958)."""
    radius = np.sqrt(-2 * np.log(1 - uniform(ctx, shape, 1)))
    return radius * np.cos(2 * np.pi * uniform(ctx, shape, 2))
