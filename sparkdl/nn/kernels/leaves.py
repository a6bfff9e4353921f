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

from sparkdl import memory
from sparkdl.kernel import njit, num_threads, numba
from sparkdl.nn.kernels import bf16
from sparkdl.nn.kernels.block import STORED, ZERO, block, panel, steps
from sparkdl.nn.kernels.memory import copy_bytes, copy_rows
from sparkdl.nn.kernels.tree_tile import load, stack_size, tree_block

prange = numba().prange
_CHUNK = 2048
_HEIGHT = 48  # rows of a block of a product
_DEPTH = 512  # rows at a time, where there are many
_PANEL = 1 << 20  # bytes of a panel that stays in the second-level cache
_FAR = 4096  # bytes: rows so far apart lie on a page each, and fall into the same sets of the caches


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
        for k in range(first, stop):  # Numba takes seconds to compile an assignment of slices
            out[k] = parts[0, k]


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
def _in_blocks(to, x, parts):
    """``to`` (blocks, rows, height): columns of ``x`` whose rows lie far apart, some of them close together."""
    blocks, rows, height = to.shape
    size = x.itemsize
    for part in prange(parts):
        for k in range(part * rows // parts, (part + 1) * rows // parts):
            for i in range(blocks):
                wide = min(height, x.shape[1] - i * height)
                copy_bytes(
                    to.ctypes.data + (i * rows + k) * height * size, x.ctypes.data + k * x.strides[0] + i * height * size,
                    wide * size,
                )  # fmt: skip


@njit(parallel=True)
def _product(out, x, block_step, row_step, dy, bounds, copied, width, parts, roff, coff, which, room):
    """Items of work are blocks of ``out``, those below each other in a panel one after the other.

    ``x`` holds the columns of a block ``block_step`` elements behind those of the one before.
    """
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
            toff[leaf] = (bounds[leaf] - start) * row_step
            boff[leaf] = (bounds[leaf] - start) * pitch
            lens[leaf] = bounds[leaf + 1] - bounds[leaf]
        held = -1
        for i in range(part * down * across // parts, (part + 1) * down * across // parts):
            r, j = i % down * _HEIGHT, i // down * width
            height, wide = min(_HEIGHT, rows - r), min(width, columns - j)
            source = dy.ctypes.data + start * dy.strides[0] + j * size
            if copied:
                if j != held:
                    copy_rows(packed.ctypes.data, width * size, source, dy.strides[0], count, wide * size)
                    held = j
                source = packed.ctypes.data
            tree_block(
                x, x.ctypes.data + r // _HEIGHT * block_step * size, roff.ctypes.data, row_step, toff.ctypes.data,
                boff.ctypes.data, lens.ctypes.data, which.ctypes.data, leaves, source, pitch,
                out.ctypes.data + r * out.strides[0] + j * size, coff.ctypes.data, height, wide, stack.ctypes.data,
            )  # fmt: skip


@njit(parallel=True)
def _long_product(out, x, dy, bounds, width, parts, roff, coff, zero):
    """For so many rows that a panel of ``dy`` does not stay in a cache: some rows at a time, sums on slots in memory."""
    size = x.itemsize
    rows, columns = out.shape
    leaves = len(bounds) - 1
    down, across = (rows + _HEIGHT - 1) // _HEIGHT, (columns + width - 1) // width
    levels = 2
    while 1 << (levels - 1) < leaves:
        levels += 1
    for part in prange(parts):
        slots = np.empty((levels, _HEIGHT * width), out.dtype)
        for i in range(part * down * across // parts, (part + 1) * down * across // parts):
            r, j = i // across * _HEIGHT, i % across * width
            height, wide = min(_HEIGHT, rows - r), min(width, columns - j)
            top = 0
            for leaf in range(leaves):
                first, stop = bounds[leaf], bounds[leaf + 1]
                for k in range(first, max(stop, first + 1), _DEPTH):
                    block(
                        x, x.ctypes.data + k * x.strides[0] + r * size, roff.ctypes.data, x.strides[0] // size,
                        zero.ctypes.data, 1, min(_DEPTH, stop - k), dy.ctypes.data + k * dy.strides[0] + j * size,
                        dy.strides[0] // size, 0, slots[top].ctypes.data, coff.ctypes.data, height, wide,
                        STORED if k > first else ZERO, 0,
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
                for c in range(wide):
                    out[r + k, j + c] = slots[0, k * width + c]


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
    if bf16.wanted(x.dtype):
        x, dy, bounds = bf16.stacked(x, dy, bounds)
    width = panel(out.shape[1], out.itemsize)
    down, across = -(-out.shape[0] // _HEIGHT), -(-out.shape[1] // width)
    parts = max(1, min(num_threads(), down * across))
    leaves, block_step, row_step = len(bounds) - 1, _HEIGHT, x.strides[0] // x.itemsize
    if (bounds[-1] - bounds[0]) * width * out.itemsize > _PANEL:
        roff, coff = steps(_HEIGHT), steps(_HEIGHT, width)
        _long_product(out, x, dy, bounds, width, parts, roff, coff, steps(1))
        return
    load("f32" if out.itemsize == 4 else "f64")
    copied = across > 1 and down > 1
    x = x[bounds[0] : bounds[-1]]
    if x.strides[0] >= _FAR and across > 1:
        blocks = memory.empty((down, len(x), _HEIGHT), x.dtype)
        _in_blocks(blocks, x, max(1, min(num_threads(), len(x) // 16)))
        x, block_step, row_step = blocks.reshape(-1, _HEIGHT), len(x) * _HEIGHT, _HEIGHT
    _product(
        out, x, block_step, row_step, dy, bounds, copied, width, parts, steps(_HEIGHT), steps(_HEIGHT, out.strides[0] // out.itemsize),
        steps(leaves + 1), stack_size(leaves, out.itemsize),
    )  # fmt: skip
