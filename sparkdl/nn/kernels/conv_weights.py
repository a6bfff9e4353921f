"""The gradient of a convolution's weights: sums over output pixels, leaf by leaf and then up the tree.

    backward_weights(dw, x, dy, bounds, stride, padding, dilation, groups)

Shapes and options as in ``conv``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from sparkdl import memory
from sparkdl.kernel import njit, num_threads, numba
from sparkdl.nn.kernels import bf16, conv_small, winograd
from sparkdl.nn.kernels.block import STORED, ZERO, block, panel, steps
from sparkdl.nn.kernels.conv_taps import SCRATCH, Pair, Unit, copy_padded, dense, elements, nhwc, pads_of
from sparkdl.nn.kernels.depthwise_lanes import depthwise_grad
from sparkdl.nn.kernels.leaves import add, product, tree_sum

prange = numba().prange


class Sums(NamedTuple):
    """How the gradient of the weights is cut: ``height`` rows and ``width`` columns of it at a time."""

    height: int
    width: int
    groups: int
    rows: int  # of the gradient: taps in / groups
    depth: int  # in / groups
    step: int  # source elements between neighbouring output pixels
    pixels: int  # output pixels per row
    lines: int  # rows of output pixels per image
    parts: int


@njit(parallel=True)
def _sum_pixels(dw, x, dy, bounds, sums, roff, toff, coff):
    """``dw`` (rows, out): per leaf the sum over image rows (``toff``) and their pixels of ``x[roff] dy``, then the tree.

    A block of ``dw`` sees all leaves before the next one starts, so that partial sums never leave the caches.
    """
    size = x.itemsize
    out = dw.shape[1]
    each = out // sums.groups
    down = (sums.rows + sums.height - 1) // sums.height
    across = (each + sums.width - 1) // sums.width
    blocks = sums.groups * down * across
    leaves = len(bounds) - 1
    levels = 2
    while 1 << (levels - 1) < leaves:
        levels += 1
    for part in prange(sums.parts):
        slots = np.empty((levels, sums.height * sums.width), x.dtype)
        for i in range(part * blocks // sums.parts, (part + 1) * blocks // sums.parts):
            g, r, j = i // (down * across), i // across % down * sums.height, i % across * sums.width
            column = g * each + j
            height, width = min(sums.height, sums.rows - r), min(sums.width, each - j)
            top = 0
            for leaf in range(leaves):
                line = bounds[leaf] * sums.lines
                block(
                    x, x.ctypes.data + size * g * sums.depth, roff.ctypes.data + 8 * r, sums.step,
                    toff.ctypes.data + 8 * line, bounds[leaf + 1] * sums.lines - line, sums.pixels,
                    dy.ctypes.data + size * (line * sums.pixels * out + column), out, sums.pixels * out,
                    slots[top].ctypes.data, coff.ctypes.data, height, width, ZERO, 0,
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
                for c in range(width):
                    dw[r + k, column + c] = slots[0, k * sums.width + c]


@njit(parallel=True)
def _sum_leaves(parts, x, dy, bounds, sums, step, roff, toff, coff):
    """``parts`` (leaves, rows, out), for small gradients of large images: all of ``dw`` by some image rows at a time."""
    size, out = x.itemsize, parts.shape[2]
    for leaf in prange(len(bounds) - 1):
        first, stop = bounds[leaf] * sums.lines, bounds[leaf + 1] * sums.lines
        if first == stop:
            parts[leaf] = 0
        for line in range(first, stop, step):
            for r in range(0, sums.rows, sums.height):
                block(
                    x, x.ctypes.data, roff.ctypes.data + 8 * r, sums.step, toff.ctypes.data + 8 * line,
                    min(step, stop - line), sums.pixels, dy.ctypes.data + size * line * sums.pixels * out, out,
                    sums.pixels * out, parts[leaf].ctypes.data + size * r * out, coff.ctypes.data,
                    min(sums.height, sums.rows - r), out, STORED if line > first else ZERO, 0,
                )  # fmt: skip


@lru_cache(maxsize=1024)
def _sums(
    images: int, kernel: Pair, depth: int, out: int, groups: int, stride: Pair, dilation: Pair, grid: Pair,
    pitch: tuple[int, int, int], itemsize: int, threads: int,
) -> tuple[Sums, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    image, row, column = pitch
    rows = kernel[0] * kernel[1] * depth
    offsets = (
        np.arange(kernel[0])[:, None, None] * dilation[0] * row
        + np.arange(kernel[1])[:, None] * dilation[1] * column
        + np.arange(depth)
    )
    toff = np.arange(images)[:, None] * image + np.arange(grid[0]) * stride[0] * row
    width = panel(out // groups, itemsize)
    height = 96 if rows >= 96 * threads else max(24, -(-rows // threads))
    blocks = groups * -(-rows // height) * -(-(out // groups) // width)
    sums = Sums(
        height, width, groups, rows, depth, stride[1] * column, grid[1], grid[0], max(1, min(threads, blocks))
    )
    flat = [np.ascontiguousarray(a.reshape(-1), np.int64) for a in (offsets, toff, np.arange(height) * width)]
    return sums, *flat  # type: ignore[return-value]


@njit(parallel=True)
def _sum_depthwise(parts, x, dy, bounds, unit, roff, toff, coff):
    """``parts`` (leaves, taps, channels): a row of output pixels at a time, so that all its taps find it in cache."""
    size, channels = x.itemsize, x.shape[3]
    lines = dy.shape[1]
    for leaf in prange(len(bounds) - 1):
        padded = np.empty(unit.padded_rows * unit.padded_columns * channels, x.dtype)
        row = np.empty(parts[leaf].size, x.dtype)
        total = parts[leaf].reshape(-1)
        total[:] = 0
        for n in range(bounds[leaf], bounds[leaf + 1]):
            copy_padded(padded, 0, x, n, 0, unit)
            for r in range(lines):
                depthwise_grad(
                    x, padded.ctypes.data + r * roff[-1] * size, roff.ctypes.data, toff.ctypes.data, len(toff),
                    dy.ctypes.data + (n * lines + r) * dy.shape[2] * channels * size, coff.ctypes.data, row.ctypes.data,
                    dy.shape[2], channels,
                )  # fmt: skip
                add(total, row)


def _depthwise_weights(dw: Any, x: Any, dy: Any, bounds: Any, unit: Unit, stride: Pair, dilation: Pair) -> None:
    kh, kw, _, channels = dw.shape
    row, column = unit.padded_columns * channels, channels
    columns = dy.shape[2]
    roff = np.append(steps(columns, stride[1] * column), stride[0] * row)  # the last entry leads to the next row
    toff = np.add.outer(steps(kh, dilation[0] * row), steps(kw, dilation[1] * column)).reshape(-1)
    parts = np.empty((len(bounds) - 1, kh * kw, channels), dw.dtype)
    _sum_depthwise(parts, x, dy, bounds, unit, roff, toff, steps(columns, channels))
    tree_sum(dw, parts)


_WIDE = 32  # channels from which on a tap of a small map is a product of its own


def _small_maps(dw: Any, x: Any, dy: Any, bounds: Any, before: Pair) -> None:
    """Tap by tap: the product of the pixels that meet it, over all images, and nothing of the padding around them."""
    kh, kw, channels, out = dw.shape
    for i in range(kh):
        to_rows, rows = _meeting(i - before[0], dy.shape[1], x.shape[1])
        for j in range(kw):
            to_columns, columns = _meeting(j - before[1], dy.shape[2], x.shape[2])
            source, slope = _together(x[:, rows, columns]), _together(dy[:, to_rows, to_columns])
            with bf16.using(bf16.FLOAT32):  # as these maps' values are computed
                product(dw[i, j], source, slope, bounds * (len(source) // len(x)))


def _meeting(shift: int, grid: int, size: int) -> tuple[slice, slice]:
    """Output pixels along one axis whose source, ``shift`` further on, lies in the image, and those sources."""
    first, stop = max(0, -shift), max(0, -shift, min(grid, size - shift))
    return slice(first, stop), slice(first + shift, stop + shift)


def _together(pixels: np.ndarray) -> np.ndarray:
    """(images, rows, columns, channels) as a matrix of pixels, copied where they do not follow each other."""
    if not pixels.flags.c_contiguous:
        copied = memory.empty(pixels.shape, pixels.dtype)
        copied[...] = pixels
        pixels = copied
    return pixels.reshape(-1, pixels.shape[-1])


@njit(parallel=True)
def _padded(to, x, unit):
    """``to`` (batch, padded rows, padded columns, channels) = ``x`` (NHWC) with its zero border."""
    flat = to.reshape(-1)
    for n in prange(len(x)):
        copy_padded(flat, n * unit.padded_rows, x, n, 0, unit)


def backward_weights(
    dw: Any, x: Any, dy: Any, bounds: Any, stride: Pair, padding: Any, dilation: Pair, groups: int
) -> None:
    """The gradient of ``w`` over the leaves of images that ``bounds`` (int64 offsets) cuts, added up along the tree."""
    images = slice(int(bounds[0]), int(bounds[-1]))
    bounds = bounds - bounds[0]
    x, dy = nhwc(x[images]), np.ascontiguousarray(nhwc(dy[images]))
    if not dy.size or not dw.size:
        dw[...] = 0
        return
    (top, bottom), (left, right) = pads_of(padding)
    kh, kw, depth, out = dw.shape
    images, height, width, channels = x.shape
    grid = dy.shape[1:3]
    if winograd.suits(x.dtype, (kh, kw), stride, dilation, groups, channels, out, grid):
        winograd.backward_weights(dw, dense(x), dy, bounds, (top, left))
        return
    if conv_small.suits((kh, kw), stride, dilation, groups, (height, width), grid) and min(channels, out) >= _WIDE:
        _small_maps(dw, x, dy, bounds, (top, left))
        return
    if (kh, kw) == (1, 1) and groups == 1 and not (top or left) and bf16.wanted(x.dtype):
        picked = x[:, : grid[0] * stride[0] : stride[0], : grid[1] * stride[1] : stride[1]]
        product(dw[0, 0], _together(picked), _together(dy), bounds * (grid[0] * grid[1]))
        return
    reach_rows = (grid[0] - 1) * stride[0] + (kh - 1) * dilation[0] + 1
    reach_columns = (grid[1] - 1) * stride[1] + (kw - 1) * dilation[1] + 1
    apart = x.strides[3] != x.itemsize and channels > 1
    unit = Unit(1, 1, 1, 1, 1, 1, -top, -left, reach_rows, reach_columns, 1, 1, 1, 1, 1, 1, 1, 1)
    if groups == channels == out:
        _depthwise_weights(dw, x, dy, bounds, unit, stride, dilation)
        return
    if top or left or reach_rows > height or reach_columns > width or apart:
        to = memory.empty((images, reach_rows, reach_columns, channels), x.dtype)
        _padded(to, x, unit)
        x = to
    sums, roff, toff, coff = _sums(
        images, (kh, kw), depth, out, groups, tuple(stride), tuple(dilation), grid, elements(x)[:3], x.itemsize,
        num_threads(),
    )  # fmt: skip
    line = x.itemsize * grid[1] * (stride[1] * channels + out)  # bytes that a row of output pixels reads
    if groups == 1 and dw.nbytes <= 3 * SCRATCH and line * sums.lines * images > 4 * SCRATCH * (len(bounds) - 1):
        parts = memory.empty((len(bounds) - 1, sums.rows, out), dw.dtype)
        step = max(1, SCRATCH // line)
        _sum_leaves(parts, x, dy, bounds, sums, step, roff, toff, steps(sums.height, out))
        tree_sum(dw, parts)
        return
    _sum_pixels(dw.reshape(-1, out), x, dy, bounds, sums, roff, toff, coff)
