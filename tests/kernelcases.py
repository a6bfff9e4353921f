"""Scalar functions and loops for tests/test_kernel.py: kernels must stand at the top of a module."""

import numpy as np

from sparkdl.kernel import elementwise, njit


@njit(inline="always")
def _axpy(x, y, a):
    return a * x + y


@njit(inline="always")
def _negated(x):
    return -x


axpy, negated = elementwise(_axpy), elementwise(_negated)


@njit
def summed(x):
    total = np.float64(0)
    for i in range(x.size):
        total += x[i]
    return total
