"""What the time loops of recurrent layers are made of: products of a few rows with packed weights, and activations.

A time loop runs inside one compiled function, a range of the batch's rows per thread from the first step to the last,
so that threads never wait for each other. Every element is one sum in order, whatever the rows around it.
"""

from __future__ import annotations

import numpy as np

from sparkdl import memory
from sparkdl.kernel import njit
from sparkdl.nn.kernels import vmath
from sparkdl.nn.kernels.block import STORED, block, panel, transpose
from sparkdl.nn.kernels.memory import copy_bytes

# Activations that have their slope as a function of their value. "hard_sigmoid" is that of Keras 1 and 2,
# clip(0.2 x + 0.5, 0, 1); "hardsigmoid" that of PyTorch and Keras 3, clip(x / 6 + 0.5, 0, 1).
ACTIVATIONS = (
    "linear", "tanh", "sigmoid", "relu", "hard_sigmoid", "hardsigmoid", "softsign", "softplus", "elu", "exponential",
)  # fmt: skip
_DEPTH = 256  # rows of a panel of weights at a time: they stay in the second-level cache


def code_of(layer: object, name: str) -> int:
    """The number of an activation; layers keep the name."""
    if name not in ACTIVATIONS:
        raise ValueError(f"{type(layer).__name__}: activations are {', '.join(ACTIVATIONS)}; got {name!r}.")
    return ACTIVATIONS.index(name)


def pack(w: np.ndarray) -> np.ndarray:
    """``w`` (inner, columns) of any strides as panels ``(panels, inner, width)``, the last one filled up with zeros."""
    inner, columns = w.shape
    width = panel(columns, w.itemsize)
    packed = memory.empty((-(-columns // width), inner, width), w.dtype)
    turned = w.strides[0] == w.itemsize != w.strides[1]
    if not turned and w.strides[1] != w.itemsize:
        w = np.ascontiguousarray(w)
    _pack(packed, w, turned)
    return packed


@njit
def _pack(packed, w, turned):
    panels, inner, width = packed.shape
    columns, size = w.shape[1], w.itemsize
    for p in range(panels):
        j = p * width
        wide = min(width, columns - j)
        to, source = packed[p].ctypes.data, w.ctypes.data + j * w.strides[1]
        if turned:
            transpose(w, to, width, source, w.strides[1] // size, wide, inner)
        else:
            for k in range(inner):
                copy_bytes(to + k * width * size, source + k * w.strides[0], wide * size)
        packed[p, :, wide:] = 0


@njit
def product(c, coff, a, roff, w, rows, columns, zero):
    """``c[coff[p] + j] += sum_k a[roff[p] + k] w[k, j]`` for ``rows`` p; ``w`` is packed.

    ``a`` and ``c`` begin at element 0 of what the offsets reach into; ``zero`` is an int64 array that holds a 0.
    """
    size, inner, width = a.itemsize, w.shape[1], w.shape[2]
    for j in range(w.shape[0]):
        for k in range(0, inner, _DEPTH):
            block(
                a, a.ctypes.data + k * size, roff.ctypes.data, 1, zero.ctypes.data, 1, min(_DEPTH, inner - k),
                w.ctypes.data + (j * inner + k) * width * size, width, 0, c.ctypes.data + j * width * size,
                coff.ctypes.data, rows, min(width, columns - j * width), STORED, c.ctypes.data,
            )  # fmt: skip


@njit
def offsets(rows, stride):
    """0, stride, 2 stride, ... as int64."""
    out = np.empty(rows, np.int64)
    for i in range(rows):
        out[i] = i * stride
    return out


@njit
def activate(code, x):
    """``x = f(x)`` in place, for a vector."""
    zero, half, one = x.dtype.type(0), x.dtype.type(0.5), x.dtype.type(1)
    if code == 1:
        for i in range(len(x)):
            x[i] = vmath.tanh(x[i])
    elif code == 2:
        for i in range(len(x)):
            x[i] = vmath.sigmoid(x[i])
    elif code == 3:
        for i in range(len(x)):
            x[i] = max(x[i], zero)
    elif code == 4 or code == 5:
        slope = x.dtype.type(0.2) if code == 4 else one / x.dtype.type(6)
        for i in range(len(x)):
            x[i] = min(max(x[i] * slope + half, zero), one)
    elif code == 6:
        for i in range(len(x)):
            x[i] = x[i] / (one + abs(x[i]))
    elif code == 7:
        for i in range(len(x)):
            x[i] = max(x[i], zero) + vmath.log(one + vmath.exp(-abs(x[i])))
    elif code == 8:
        for i in range(len(x)):
            x[i] = x[i] if x[i] > zero else vmath.exp(x[i]) - one
    elif code == 9:
        for i in range(len(x)):
            x[i] = vmath.exp(x[i])


@njit
def slope(code, dx, y):
    """``dx = dx f'`` in place, for vectors, where ``y = f(x)``."""
    zero, one = y.dtype.type(0), y.dtype.type(1)
    if code == 1:
        for i in range(len(y)):
            dx[i] *= one - y[i] * y[i]
    elif code == 2:
        for i in range(len(y)):
            dx[i] *= y[i] * (one - y[i])
    elif code == 3:
        for i in range(len(y)):
            dx[i] = dx[i] if y[i] > zero else zero
    elif code == 4 or code == 5:
        factor = y.dtype.type(0.2) if code == 4 else one / y.dtype.type(6)
        for i in range(len(y)):
            dx[i] = dx[i] * factor if y[i] > zero and y[i] < one else zero
    elif code == 6:
        for i in range(len(y)):
            dx[i] *= (one - abs(y[i])) * (one - abs(y[i]))
    elif code == 7:
        for i in range(len(y)):
            dx[i] *= one - vmath.exp(-y[i])
    elif code == 8:
        for i in range(len(y)):
            dx[i] *= one if y[i] > zero else y[i] + one
    elif code == 9:
        for i in range(len(y)):
            dx[i] *= y[i]


@njit
def add(x, y):
    """``x += y`` for vectors."""
    for i in range(len(x)):
        x[i] += y[i]
