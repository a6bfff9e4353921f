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
from sparkdl.nn.kernels.block import panel, steps
from sparkdl.nn.kernels.memory import copy_bytes
from sparkdl.nn.kernels.tree_tile import stack_size, tree_block

prange = numba().prange
_CHUNK = 2048
_HEIGHT = 48  # rows of a block of a product


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
def _product(out, x, dy, bounds, copied, width, parts, roff, coff, which, room):
    """Items of work are blocks of ``out``, those below each other in a panel one after the other."""
    size = x.itemsize
    rows, columns = out.shape
    leaves = len(bounds) - 1
    down, across = (rows + _HEIGHT - 1) // _HEIGHT, (columns + width - 1) // width
    start, count = bounds[0], bounds[leaves] - bounds[0]
    for part in prange(parts):
        stack, packed = np.empty(room, x.dtype), np.empty(count * width if copied else 0, x.dtype)
        pitch = width if copied else dy.strides[0] // size
        toff, boff, lens = np.empty(leaves, np.int64), np.empty(leaves, np.int64), np.empty(leaves, np.int64)
        for leaf in range(leaves):
            toff[leaf] = bounds[leaf] * (x.strides[0] // size)
            boff[leaf] = (bounds[leaf] - start) * pitch
            lens[leaf] = bounds[leaf + 1] - bounds[leaf]
        held = -1
        for i in range(part * down * across // parts, (part + 1) * down * across // parts):
            r, j = i % down * _HEIGHT, i // down * width
            height, wide = min(_HEIGHT, rows - r), min(width, columns - j)
            source = dy.ctypes.data + start * dy.strides[0] + j * size
            if copied:
                if j != held:
                    for k in range(count):
                        copy_bytes(packed.ctypes.data + k * width * size, source + k * dy.strides[0], wide * size)
                    held = j
                source = packed.ctypes.data
            tree_block(
                x, x.ctypes.data + r * size, roff.ctypes.data, x.strides[0] // size, toff.ctypes.data, boff.ctypes.data,
                lens.ctypes.data, which.ctypes.data, leaves, source, pitch,
                out.ctypes.data + r * out.strides[0] + j * size, coff.ctypes.data, height, wide, stack.ctypes.data,
            )  # fmt: skip


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
    leaves = len(bounds) - 1
    _product(
        out, x, dy, bounds, copied, width, parts, steps(_HEIGHT), steps(_HEIGHT, out.strides[0] // out.itemsize),
        steps(leaves + 1), stack_size(leaves, out.itemsize),
    )  # fmt: skip
