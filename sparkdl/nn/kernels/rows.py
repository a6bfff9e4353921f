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
def total(x):
    """The sum of a vector."""
    sum_ = x.dtype.type(0)
    for i in range(x.size):
        sum_ += x[i]
    return sum_


@njit(fastmath=("contract", "reassoc", "nsz"))
def dot(x, y):
    """The sum of products of two vectors."""
    sum_ = x.dtype.type(0)
    for i in range(x.size):
        sum_ += x[i] * y[i]
    return sum_


@njit(parallel=True)
def normalise(y, scale, x, eps):
    one = x.dtype.type(1)
    for r in prange(len(x)):
        n = x.dtype.type(x.shape[1])
        row, to = x[r], y[r]
        mean = total(row) / n
        for i in range(row.size):
            to[i] = row[i] - mean
        factor = one / np.sqrt(dot(to, to) / n + eps)
        for i in range(row.size):
            to[i] *= factor
        scale[r] = factor


@njit(parallel=True)
def normalise_gradient(dx, g, y, scale):
    for r in prange(len(g)):
        n = g.dtype.type(g.shape[1])
        slope, normal, to, factor = g[r], y[r], dx[r], scale[r]
        mean, along = total(slope) / n, dot(slope, normal) / n
        for i in range(slope.size):
            to[i] = factor * (slope[i] - mean - normal[i] * along)
