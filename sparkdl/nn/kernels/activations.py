"""The activations that may follow in a fused loop, by number: monotone, and with a slope that the output tells."""

from __future__ import annotations

from sparkdl.kernel import njit
from sparkdl.nn.kernels.vmath import tanh

NONE, RELU, TANH = range(3)
BY_NAME = {"ReLU": RELU, "Tanh": TANH}


@njit
def activate(y, kind):
    """In place, on a vector."""
    zero = y.dtype.type(0)
    if kind == RELU:
        for i in range(y.size):
            y[i] = y[i] if y[i] > zero or y[i] != y[i] else zero
    elif kind == TANH:
        for i in range(y.size):
            y[i] = tanh(y[i])


@njit
def slope(g, y, dy, kind):
    """``g = dy * activation'``, from the activation's output ``y``; all vectors."""
    zero, one = y.dtype.type(0), y.dtype.type(1)
    if kind == RELU:
        for i in range(y.size):
            g[i] = dy[i] if y[i] > zero else zero
    elif kind == TANH:
        for i in range(y.size):
            g[i] = dy[i] * (one - y[i] * y[i])
    else:
        for i in range(y.size):
            g[i] = dy[i]
