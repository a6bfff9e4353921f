"""Softmax and its logarithm over the rows of a matrix; float32 and float64, rows independent of each other.

All exponentials are taken in one loop over many rows, so that they are vector code also where rows are short. A row
without entries stays empty; a row of minus infinity gives NaN, as dividing nought by nought does.
"""

import numpy as np

from sparkdl.kernel import njit
from sparkdl.nn.kernels import vmath

_ROWS = 256  # rows whose exponentials are held at a time


@njit
def _shift(to, x):
    """``to = x - the row's largest entry``."""
    for r in range(len(x)):
        top = x[r, 0]
        for c in range(1, x.shape[1]):
            top = max(top, x[r, c])
        for c in range(x.shape[1]):
            to[r, c] = x[r, c] - top


@njit
def _exponential(flat):
    for i in range(flat.size):
        flat[i] = vmath.exp(flat[i])


@njit
def softmax(y, x):
    """``y[r, c] = exp(x[r, c]) / sum_j exp(x[r, j])``; both C contiguous."""
    if x.shape[1]:
        for a in range(0, len(x), _ROWS):
            part = y[a : a + _ROWS]
            _shift(part, x[a : a + _ROWS])
            _exponential(part.reshape(part.size))
            for r in range(len(part)):
                total = y.dtype.type(0)
                for c in range(x.shape[1]):
                    total += part[r, c]
                for c in range(x.shape[1]):
                    part[r, c] = part[r, c] / total


@njit
def softmax_back(dx, y, dy):
    """``dx = y * (dy - sum_j y[j] dy[j])``."""
    for r in range(len(y)):
        total = y.dtype.type(0)
        for c in range(y.shape[1]):
            total += y[r, c] * dy[r, c]
        for c in range(y.shape[1]):
            dx[r, c] = y[r, c] * (dy[r, c] - total)


@njit
def log_softmax(y, x):
    """``y[r, c] = x[r, c] - log(sum_j exp(x[r, j]))``; both C contiguous."""
    if x.shape[1]:
        held = np.empty((min(len(x), _ROWS), x.shape[1]), x.dtype)
        for a in range(0, len(x), _ROWS):
            part = y[a : a + _ROWS]
            e = held[: len(part)]
            _shift(part, x[a : a + _ROWS])
            e[:] = part
            _exponential(e.reshape(e.size))
            for r in range(len(part)):
                total = y.dtype.type(0)
                for c in range(x.shape[1]):
                    total += e[r, c]
                log = vmath.log(total)
                for c in range(x.shape[1]):
                    part[r, c] -= log


@njit
def log_softmax_back(dx, y, dy):
    """``dx = dy - exp(y) * sum_j dy[j]``; all C contiguous."""
    for i in range(y.size):
        dx.reshape(dx.size)[i] = vmath.exp(y.reshape(y.size)[i])
    for r in range(len(y)):
        total = y.dtype.type(0)
        for c in range(y.shape[1]):
            total += dy[r, c]
        for c in range(y.shape[1]):
            dx[r, c] = dy[r, c] - dx[r, c] * total
