"""Sums over rows: run by run (leaf by leaf), then up the fixed tree of ``sparkdl.tree``, inside compiled code.

    tree_sum(out, parts)                 out (m,) = sum of the rows of parts (leaves, m), which is used up
    column_sums(out, x, bounds)          out (n,) = sum of the rows of x (rows, n), leaf by leaf
    product(out, x, dy, bounds)          out (m, n) = x^T dy over the rows, leaf by leaf; x (rows, m), dy (rows, n)

``bounds`` (int64) are the offsets of the leaves in the rows. Sums of neighbours 1, 2, 4, ... apart are the tree that
splits at the largest power of two.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.kernel import njit, num_threads, numba
from sparkdl.nn.kernels.block import ZERO, block, panel, steps
from sparkdl.nn.kernels.memory import copy_bytes

prange = numba().prange
_CHUNK = 2048
_HEIGHT = 48  # rows of a partial product: those of all levels of the tree stay in the second-level cache


@njit
def _climb(parts, first, stop):
    """Columns ``first`` to ``stop`` of row 0 become the sum of all rows."""
    n, step = len(parts), 1
    while step < n:
        for i in range(0, n - step, 2 * step):
            a, b = parts[i, first:stop], parts[i + step, first:stop]
            for k in range(a.size):
                a[k] += b[k]
        step *= 2


@njit
def _tree_sum(out, parts):
    for first in range(0, out.size, _CHUNK):
        stop = min(out.size, first + _CHUNK)
        _climb(parts, first, stop)
        out[first:stop] = parts[0, first:stop]


@njit(parallel=True)
def _column_sums(out, x, bounds, chunks):
    """Some columns per thread, all rows of them."""
    for chunk in prange(chunks):
        first, stop = chunk * x.shape[1] // chunks, (chunk + 1) * x.shape[1] // chunks
        parts = np.zeros((len(bounds) - 1, stop - first), x.dtype)
        for leaf in range(len(parts)):
            total = parts[leaf]
            for r in range(bounds[leaf], bounds[leaf + 1]):
                row = x[r, first:stop]
                for c in range(total.size):
                    total[c] += row[c]
        _tree_sum(out[first:stop], parts)


@njit(parallel=True)
def _product(out, x, dy, bounds, copied, width, parts, roff, coff, zero):
    """Items of work are blocks of ``out``, those below each other in a panel one after the other."""
    size = x.itemsize
    rows, columns = out.shape
    leaves = len(bounds) - 1
    down, across = (rows + _HEIGHT - 1) // _HEIGHT, (columns + width - 1) // width
    levels = 2
    while 1 << (levels - 1) < leaves:
        levels += 1
    start, count = bounds[0], bounds[leaves] - bounds[0]
    for part in prange(parts):
        slots = np.empty((levels, _HEIGHT * width), x.dtype)
        packed = np.empty(count * width if copied else 0, x.dtype)
        held = -1
        for i in range(part * down * across // parts, (part + 1) * down * across // parts):
            r, j = i % down * _HEIGHT, i // down * width
            height, wide = min(_HEIGHT, rows - r), min(width, columns - j)
            source, pitch = dy.ctypes.data + start * dy.strides[0] + j * size, dy.strides[0] // size
            if copied:
                if j != held:
                    for k in range(count):
                        copy_bytes(packed.ctypes.data + k * width * size, source + k * dy.strides[0], wide * size)
                    held = j
                source, pitch = packed.ctypes.data, width
            top = 0
            for leaf in range(leaves):
                a, b = bounds[leaf], bounds[leaf + 1]
                block(
                    x, x.ctypes.data + a * x.strides[0] + r * size, roff.ctypes.data, x.strides[0] // size,
                    zero.ctypes.data, 1, b - a, source + (a - start) * pitch * size, pitch, 0,
                    slots[top].ctypes.data, coff.ctypes.data, height, wide, ZERO, 0,
                )  # fmt: skip
                top += 1
                done = leaf + 1
                while done % 2 == 0:  # two whole subtrees of the same size lie on top
                    top -= 1
                    add(slots[top - 1], slots[top])
                    done //= 2
            while top > 1:
                top -= 1
                add(slots[top - 1], slots[top])
            for k in range(height):
                out[r + k, j : j + wide] = slots[0, k * width : k * width + wide]


@njit
def add(a, b):
    """``a += b`` for vectors, inside compiled code."""
    for k in range(a.size):
        a[k] += b[k]


def tree_sum(out: Any, parts: Any) -> None:
    """``out = parts[0] + parts[1] + ...`` along the tree; both C contiguous."""
    _tree_sum(out.reshape(-1), parts.reshape(len(parts), -1))


def column_sums(out: Any, x: Any, bounds: Any) -> None:
    """The sum of the rows of each leaf, added up along the tree."""
    _column_sums(out, x, bounds, max(1, min(num_threads(), x.size >> 14, x.shape[1] // 16)))


def product(out: Any, x: Any, dy: Any, bounds: Any) -> None:
    """``x^T dy`` over the rows of each leaf, added up along the tree; each row of ``x`` and ``dy`` is contiguous."""
    if not out.size:
        return
    width = panel(out.shape[1], out.itemsize)
    down, across = -(-out.shape[0] // _HEIGHT), -(-out.shape[1] // width)
    copied = across > 1 and down > 1
    parts = max(1, min(num_threads(), down * across))
    _product(out, x, dy, bounds, copied, width, parts, steps(_HEIGHT), steps(_HEIGHT, width), steps(1))
