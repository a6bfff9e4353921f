"""Sums over pieces of a vector, in float64 and in an order that depends on the piece's length alone."""

from __future__ import annotations

import numpy as np

from sparkdl.kernel import njit


@njit
def square_sums(out, x, starts, stops):
    """``out[i] = sum x[starts[i]:stops[i]]^2``."""
    for i in range(out.size):
        a = b = c = d = np.float64(0)  # four sums at a time: one alone waits for each addition
        last = starts[i] + (stops[i] - starts[i]) // 4 * 4
        for j in range(starts[i], last, 4):
            a += np.float64(x[j]) * np.float64(x[j])
            b += np.float64(x[j + 1]) * np.float64(x[j + 1])
            c += np.float64(x[j + 2]) * np.float64(x[j + 2])
            d += np.float64(x[j + 3]) * np.float64(x[j + 3])
        for j in range(last, stops[i]):
            a += np.float64(x[j]) * np.float64(x[j])
        out[i] = (a + b) + (c + d)


@njit
def absolute_sums(out, x, starts, stops):
    """``out[i] = sum |x[starts[i]:stops[i]]|``."""
    for i in range(out.size):
        a = b = c = d = np.float64(0)
        last = starts[i] + (stops[i] - starts[i]) // 4 * 4
        for j in range(starts[i], last, 4):
            a += abs(np.float64(x[j]))
            b += abs(np.float64(x[j + 1]))
            c += abs(np.float64(x[j + 2]))
            d += abs(np.float64(x[j + 3]))
        for j in range(last, stops[i]):
            a += abs(np.float64(x[j]))
        out[i] = (a + b) + (c + d)
