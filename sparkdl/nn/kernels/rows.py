"""Rows of a matrix brought to mean 0 and variance 1, and the gradient of that.

    normalise(y, scale, x, eps)             y = (x - mean) * scale, scale = 1 / sqrt(var + eps), one per row
    normalise_gradient(dx, g, y, scale)     dx = scale * (g - mean(g) - y * mean(g * y))

All arrays C contiguous. Sums inside a row may be taken in several strands, in an order set by its length alone.
"""

from __future__ import annotations

import numpy as np

from sparkdl.kernel import njit, numba

prange = numba().prange


@njit(fastmath=("contract", "reassoc", "nsz"))
def _sum(x):
    total = x.dtype.type(0)
    for i in range(x.size):
        total += x[i]
    return total


@njit(fastmath=("contract", "reassoc", "nsz"))
def _dot(x, y):
    total = x.dtype.type(0)
    for i in range(x.size):
        total += x[i] * y[i]
    return total


@njit(parallel=True)
def normalise(y, scale, x, eps):
    one = x.dtype.type(1)
    for r in prange(len(x)):
        n = x.dtype.type(x.shape[1])
        row, to = x[r], y[r]
        mean = _sum(row) / n
        for i in range(row.size):
            to[i] = row[i] - mean
        factor = one / np.sqrt(_dot(to, to) / n + eps)
        for i in range(row.size):
            to[i] *= factor
        scale[r] = factor


@njit(parallel=True)
def normalise_gradient(dx, g, y, scale):
    for r in prange(len(g)):
        n = g.dtype.type(g.shape[1])
        slope, normal, to, factor = g[r], y[r], dx[r], scale[r]
        mean, along = _sum(slope) / n, _dot(slope, normal) / n
        for i in range(slope.size):
            to[i] = factor * (slope[i] - mean - normal[i] * along)
