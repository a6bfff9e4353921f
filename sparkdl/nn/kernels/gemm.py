"""Matrix products whose every element is summed in one order: a row's bits do not depend on how many rows there are.

    matmul(c, a, b)          c = a b
    affine(c, a, b, bias)    c = a b + bias     (bias (columns,) or None)

``a`` (rows, inner) has any strides, so ``x.T`` costs nothing; ``b`` (inner, columns) and ``c`` (rows, columns) are
copied where their columns do not lie next to each other in memory. float32 and float64. Sums go over pieces of
``_SUMMED`` products, and these are added up: rounding errors are a fraction of those of one long sum.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from sparkdl import memory
from sparkdl.errors import ShapeError
from sparkdl.kernel import njit, num_threads, numba
from sparkdl.nn.kernels import bf16
from sparkdl.nn.kernels.block import ADDED, BIAS, ZERO, block, panel, steps, transpose
from sparkdl.nn.kernels.memory import copy_rows

prange = numba().prange

_ROWS = 512  # rows of a at a time, at most: with _DEPTH columns of them they stay in the second-level cache
_DEPTH = 512  # rows of b at a time: a panel of them stays in the second-level cache
_SUMMED = 256  # products that are summed before they are added to what was summed before
_FEW = 256  # rows of a: for more than these it pays to copy a panel of b together
_SHARED = 64  # rows of a that a thread should have at least
AS_IS, COPIED, TURNED = range(3)  # how a panel of b gets to the tiles

_steps = lru_cache(maxsize=256)(steps)


@njit(parallel=True)
def _product(c_at, a_at, b_at, bias, has_bias, shape, summed, width, how, groups, parts, roff, toff, coff):
    """Items of work are panels of ``width`` columns for each of ``groups`` of rows, panels next to each other.

    ``c_at``, ``a_at``, ``b_at``: address and strides of both axes in bytes; so one compilation serves all layouts.
    """
    (rows, inner, columns), size, like = shape, bias.itemsize, bias
    (c, c_row, _), (a, a_row, a_step), (b, b_row, b_step) = c_at, a_at, b_at
    across = (columns + width - 1) // width
    for part in prange(parts):
        item, stop = part * groups * across // parts, (part + 1) * groups * across // parts
        packed = np.empty(_DEPTH * width if how != AS_IS else 0, like.dtype)
        while item < stop:
            group, first = item // across, item % across
            last = min(across, first + stop - item)
            item += last - first
            r = group * rows // groups
            high = (group + 1) * rows // groups - r
            for k in range(0, max(inner, 1), _DEPTH):
                deep = min(_DEPTH, inner - k)
                for j in range(first * width, min(columns, last * width), width):
                    wide = min(width, columns - j)
                    source, pitch = b + k * b_row + j * b_step, b_row // size
                    if how == COPIED:
                        copy_rows(packed.ctypes.data, width * size, source, b_row, deep, wide * size)
                    elif how == TURNED:
                        transpose(like, packed.ctypes.data, width, source, b_step // size, wide, deep)
                    if how != AS_IS:
                        source, pitch = packed.ctypes.data, width
                    for i in range(0, max(deep, 1), summed):
                        mode = ADDED if k + i else (BIAS if has_bias else ZERO)
                        block(
                            like, a + r * a_row + (k + i) * a_step, roff.ctypes.data, a_step // size, toff.ctypes.data,
                            1, min(summed, deep - i), source + i * pitch * size, pitch, 0, c + r * c_row + j * size,
                            coff.ctypes.data, high, wide, mode, bias.ctypes.data + j * size,
                        )  # fmt: skip


@njit(parallel=True)
def _turn(c, source, parts):
    """``c = source.T``."""
    rows, columns = c.shape
    for part in prange(parts):
        first, stop = part * rows // parts, (part + 1) * rows // parts
        transpose(
            c, c.ctypes.data + first * c.strides[0], c.strides[0] // c.itemsize,
            source.ctypes.data + first * source.itemsize, rows, columns, stop - first,
        )  # fmt: skip


def _place(x: np.ndarray) -> tuple[int, int, int]:
    return x.ctypes.data, x.strides[0], x.strides[1]


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
    if bf16.wanted(a.dtype):
        a, b = bf16.factors(a, b)
    _affine(c, a, b, bias)


def _affine(c: Any, a: Any, b: Any, bias: Any) -> None:
    """``a`` and ``b`` may be words of two neighbours along ``inner`` each (``bf16``)."""
    (rows, inner), columns = a.shape, b.shape[1]
    size, threads = c.itemsize, num_threads()
    if bias is None and b.strides[0] == size and 3 * rows * (inner + columns) < inner * columns and c.strides[1] == size:
        turned = memory.empty((columns, rows), c.dtype)  # a few rows are turned sooner than a large ``b``
        _affine(turned, b.T, a.T, None)
        _turn(c, turned, max(1, min(threads, rows // 16)))
        return
    width = panel(columns, size)
    across = -(-columns // width)
    how = COPIED if rows > _FEW and across > 1 else AS_IS
    if b.strides[1] != size and columns > 1:
        how = TURNED
        if b.strides[0] != size:
            b, how = np.ascontiguousarray(b), AS_IS
    out = c if c.strides[1] == size or columns == 1 else np.empty(c.shape, c.dtype)
    groups = -(-rows // _ROWS)
    if across % threads and rows >= _SHARED * threads:  # so that all threads get as much
        groups = -(-groups // threads) * threads
    high, summed = -(-rows // groups), _SUMMED // 2 if a.dtype == bf16.WORD else _SUMMED  # a word holds two
    _product(
        _place(out), _place(a), _place(b), np.empty(0, a.dtype) if bias is None else bias.view(a.dtype),
        bias is not None,
        (rows, inner, columns), summed, width, how, groups, max(1, min(threads, groups * across)),
        _steps(high, a.strides[0] // size), _steps(1), _steps(high, out.strides[0] // size),
    )  # fmt: skip
    if out is not c:
        c[...] = out
