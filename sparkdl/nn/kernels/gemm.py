"""Matrix products whose every element is one sum in order: a row's bits do not depend on how many rows there are.

    matmul(c, a, b)          c = a b
    affine(c, a, b, bias)    c = a b + bias     (bias (columns,) or None)

``a`` (rows, inner) has any strides, so ``x.T`` costs nothing; ``b`` (inner, columns) and ``c`` (rows, columns) are
copied where their columns do not lie next to each other in memory. float32 and float64.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.kernel import njit, num_threads, numba
from sparkdl.nn.kernels.block import BIAS, STORED, ZERO, block, panel, steps, transpose

prange = numba().prange

_ROWS = 192  # rows of a that stay in the second-level cache
_DEPTH = 256  # rows of b at a time: a panel of them stays there too

_steps = lru_cache(maxsize=256)(steps)


@njit(parallel=True)
def _product(c, a, b, bias, has_bias, width, parts, roff, toff, coff):
    rows, inner = a.shape
    columns = b.shape[1]
    size = a.itemsize
    down, across = (rows + _ROWS - 1) // _ROWS, (columns + width - 1) // width
    for part in prange(parts):
        for i in range(part * down * across // parts, (part + 1) * down * across // parts):
            r, j = i // across * _ROWS, i % across * width
            for k in range(0, max(inner, 1), _DEPTH):
                mode = STORED if k else (BIAS if has_bias else ZERO)
                block(
                    a, a.ctypes.data + r * a.strides[0] + k * a.strides[1], roff.ctypes.data, a.strides[1] // size,
                    toff.ctypes.data, 1, min(_DEPTH, inner - k), b.ctypes.data + k * b.strides[0] + j * size,
                    b.strides[0] // size, 0, c.ctypes.data + r * c.strides[0] + j * size, coff.ctypes.data,
                    min(_ROWS, rows - r), min(width, columns - j), mode, bias.ctypes.data + j * size,
                )  # fmt: skip


@njit(parallel=True)
def _transpose(to, x, parts):
    """``to`` = transposed ``x``, both with rows that lie in one piece."""
    rows, columns = x.shape
    size = x.itemsize
    for part in prange(parts):
        first, stop = part * columns // parts, (part + 1) * columns // parts
        transpose(
            x, to.ctypes.data + first * to.strides[0], to.strides[0] // size, x.ctypes.data + first * size,
            x.strides[0] // size, rows, stop - first,
        )  # fmt: skip


def matmul(c: Any, a: Any, b: Any) -> None:
    """``c = a b``."""
    affine(c, a, b, None)


def affine(c: Any, a: Any, b: Any, bias: Any) -> None:
    """``c = a b + bias``."""
    (rows, inner), (depth, columns) = a.shape, b.shape
    if inner != depth or c.shape != (rows, columns):
        raise ShapeError(f"matmul: shapes {a.shape} and {b.shape} do not give {c.shape}.")
    if not c.size:
        return
    size, threads = c.itemsize, num_threads()
    b = _with_rows(b, threads)
    out = c if c.strides[1] == size or columns == 1 else np.empty(c.shape, c.dtype)
    width = panel(columns, size)
    items = -(-rows // _ROWS) * -(-columns // width)
    _product(
        out, a, b, b.reshape(-1)[:0] if bias is None else bias, bias is not None, width, max(1, min(threads, items)),
        _steps(min(rows, _ROWS), a.strides[0] // size), _steps(1), _steps(min(rows, _ROWS), out.strides[0] // size),
    )  # fmt: skip
    if out is not c:
        c[...] = out


def _with_rows(b: np.ndarray, threads: int) -> np.ndarray:
    """``b`` with its columns next to each other."""
    if b.strides[1] == b.itemsize or b.shape[1] == 1 and b.strides[0] == b.itemsize:
        return b
    if b.strides[0] != b.itemsize:
        return np.ascontiguousarray(b)
    to = np.empty((len(b), b.shape[1] + 16), b.dtype)[:, : b.shape[1]]  # rows apart by no power of two
    _transpose(to, b.T, max(1, min(threads, b.shape[0] // 64)))
    return to
