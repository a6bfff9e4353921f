"""Convolutions of any kernel size, stride, padding, dilation and number of groups, and their gradients.

    forward(y, x, w, bias, stride, padding, dilation, groups)            y = x * w + bias
    backward_data(dx, dy, w, stride, padding, dilation, groups)          gradient of x
    backward_weights(dw, x, dy, bounds, stride, padding, dilation, groups)   gradient of w, along the tree over leaves
    backward_bias(db, dy, bounds)                                        gradient of the bias, along the tree

``x`` (batch, in, height, width) and ``y`` (batch, out, height', width') are NCHW in shape, of any strides, fastest when
the channels lie next to each other in memory; ``w`` is HWIO: (kernel height, kernel width, in / groups, out), C
contiguous; ``bias`` (out,) or None. ``stride``, ``padding`` and ``dilation`` are pairs; ``padding`` may also be two
pairs ``((top, bottom), (left, right))``. float32 and float64. Outputs come first and are overwritten.
``bounds`` (int64) are the offsets of the leaves in the batch. One-dimensional convolutions are those of height 1; a
transposed convolution's forward is ``backward_data``.

Every element is one sum in the order (kernel row, kernel column, channel) or, for weights, (image, row, column): its
bits depend neither on the batch around it nor on threads.

Work is cut into units of some images, or of a band of rows of one image, whose padded input is copied into scratch
that stays in the second-level cache (not at all where there is no padding), and goes through the micro-kernel.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from sparkdl import memory
from sparkdl.kernel import njit, num_threads, numba
from sparkdl.nn.kernels import winograd
from sparkdl.nn.kernels.block import BIAS, STORED, ZERO, block, panel, steps, transpose
from sparkdl.nn.kernels.depthwise_lanes import depthwise, depthwise_grad
from sparkdl.nn.kernels.leaves import add, column_sums, tree_sum
from sparkdl.nn.kernels.memory import clear_bytes, copy_bytes

prange = numba().prange
Pair = tuple[int, int]

_SCRATCH = 256 << 10  # bytes of padded input per unit: well inside the second-level cache
_PANEL_BYTES = 128 << 10  # weights that stay in cache while the pixels of a unit run past them
_PIXELS = 192  # a unit has at least so many, where images are that small


class Taps(NamedTuple):
    """A sum over source pixels (row stride + dr, column stride + dc) for each pixel (row, column) of a grid."""

    rows: tuple[int, ...]  # dr of each tap, dc of each tap, in order of summation
    columns: tuple[int, ...]
    stride: Pair
    grid: Pair
    source: Pair  # height and width of the source


class Unit(NamedTuple):
    """How the work is cut, and where things lie in a unit (elements); plain integers: one compilation serves all."""

    images: int  # images per unit
    bands: int  # units per image
    rows: int  # grid rows per band
    grid_rows: int
    grid_columns: int
    stride: int  # source rows per grid row
    first_row: int  # source row and column under the first tap of the first pixel
    first_column: int
    padded_rows: int  # of a band in scratch
    padded_columns: int
    copy: int  # whether the source has to be copied into scratch
    taps: int
    depth: int  # consecutive source elements per tap
    groups: int
    width: int  # columns per panel
    tap_step: int  # taps at a time
    depth_step: int
    parts: int


def _padding(padding: Any) -> tuple[Pair, Pair]:
    (a, b) = padding
    return ((a, a) if np.isscalar(a) else tuple(a)), ((b, b) if np.isscalar(b) else tuple(b))


@lru_cache(maxsize=1024)
def _plan(
    taps: Taps, batch: int, channels: int, out: int, groups: int, strides: tuple, target: tuple, itemsize: int,
    threads: int,
) -> tuple[Unit, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """How to run ``taps`` over a source of ``strides`` into a target of strides ``target`` (NHWC, elements)."""
    (sh, sw), (gh, gw), (height, width) = taps.stride, taps.grid, taps.source
    top, left = min(taps.rows), min(taps.columns)
    span_rows, span_columns = max(taps.rows) - top + 1, max(taps.columns) - left + 1
    padded_columns = (gw - 1) * sw + span_columns
    inside = top >= 0 and left >= 0 and (gh - 1) * sh + span_rows + top <= height and padded_columns + left <= width
    copy = not (inside and (strides[3] == 1 or channels == 1))
    bands, images = 1, 1
    row_bytes = padded_columns * channels * itemsize
    if copy:
        fitting = max(1, (_SCRATCH // row_bytes - span_rows) // sh + 1)
        bands = -(-gh // fitting)
    rows = -(-gh // bands)
    bands = -(-gh // rows)
    padded_rows = (rows - 1) * sh + span_rows
    if bands == 1 and gh * gw < _PIXELS:
        images = max(1, min(_PIXELS // (gh * gw), 4 * _SCRATCH // (padded_rows * row_bytes), -(-batch // threads)))
    pitch = (padded_rows * padded_columns * channels, padded_columns * channels, channels) if copy else strides[:3]
    image, row, column = pitch
    roff = _grid(images, rows, gw, image, row * sh, column * sw)
    coff = _grid(images, rows, gw, target[0], target[1], target[2])
    offsets = [((r - top) * row, (c - left) * column) for r, c in zip(taps.rows, taps.columns, strict=True)]
    depth = channels // groups
    run = _run_length(offsets, channels) if groups == 1 else 1
    toff = np.array([r + c for r, c in offsets[::run]], np.int64)
    depth *= run
    columns = panel(out // groups, itemsize)
    panel_bytes = columns * itemsize
    tap_step = max(1, min(len(toff), _PANEL_BYTES // (depth * panel_bytes)))
    depth_step = depth if depth * panel_bytes <= 2 * _PANEL_BYTES else 256
    units = -(-batch // images) * bands
    unit = Unit(
        images, bands, rows, gh, gw, sh, top, left, padded_rows, padded_columns, int(copy), len(toff), depth, groups,
        columns, tap_step, depth_step, max(1, min(threads, units)),
    )  # fmt: skip
    return unit, roff, toff, coff


def _grid(images: int, rows: int, columns: int, image: int, row: int, column: int) -> np.ndarray:
    """Offsets of all pixels of a unit."""
    offsets = (
        np.arange(images)[:, None, None] * image + np.arange(rows)[:, None] * row + np.arange(columns) * column
    )
    return np.ascontiguousarray(offsets.reshape(-1), np.int64)


def _run_length(offsets: list[Pair], channels: int) -> int:
    """How many taps lie one behind the other in memory, all along the list."""
    run = 1
    while run < len(offsets) and offsets[run] == (offsets[0][0], offsets[0][1] + run * channels):
        run += 1
    for start in range(0, len(offsets), run):
        part = offsets[start : start + run]
        if len(part) < run or any(o != (part[0][0], part[0][1] + i * channels) for i, o in enumerate(part)):
            return 1
    return run


@njit(parallel=True)
def _sum_taps(out, x, w, bias, has_bias, packed, unit, roff, toff, coff):
    """``out`` (batch, rows, columns, out) = sum over taps of ``x`` (NHWC); ``w`` (taps depth, out) or in panels."""
    batch, height, width, channels = x.shape
    size = x.itemsize
    each = out.shape[3] // unit.groups
    units = (batch + unit.images - 1) // unit.images * unit.bands
    total = unit.taps * unit.depth
    for part in prange(unit.parts):
        room = unit.images * unit.padded_rows * unit.padded_columns * channels if unit.copy else 0
        scratch = np.empty(room, x.dtype)
        for u in range(part * units // unit.parts, (part + 1) * units // unit.parts):
            n = u // unit.bands * unit.images
            row = u % unit.bands * unit.rows
            images = min(unit.images, batch - n)
            pixels = images * min(unit.rows, unit.grid_rows - row) * unit.grid_columns
            if unit.copy:
                for i in range(images):
                    _copy_padded(scratch, i * unit.padded_rows, x, n + i, row * unit.stride, unit)
                a = scratch.ctypes.data
            else:
                a = (
                    x.ctypes.data + n * x.strides[0] + (row * unit.stride + unit.first_row) * x.strides[1]
                    + unit.first_column * x.strides[2]
                )
            c = out.ctypes.data + n * out.strides[0] + row * out.strides[1]
            if unit.groups == channels and each == 1:
                depthwise(
                    x, a, roff.ctypes.data, toff.ctypes.data, unit.taps, w.ctypes.data, c, coff.ctypes.data, pixels,
                    channels, bias.ctypes.data, int(has_bias),
                )  # fmt: skip
                continue
            for g in range(unit.groups):
                for j in range(0, each, unit.width):
                    columns = min(unit.width, each - j)
                    pitch = unit.width if packed else out.shape[3]
                    b = w.ctypes.data + size * (j * total if packed else g * each + j)
                    for t in range(0, max(unit.taps, 1), unit.tap_step):
                        for k in range(0, max(unit.depth, 1), unit.depth_step):
                            mode = STORED if t + k else (BIAS if has_bias else ZERO)
                            block(
                                x, a + size * (g * unit.depth + k), roff.ctypes.data, 1, toff.ctypes.data + 8 * t,
                                min(unit.tap_step, unit.taps - t), min(unit.depth_step, unit.depth - k),
                                b + size * (t * unit.depth + k) * pitch, pitch, unit.depth * pitch,
                                c + size * (g * each + j), coff.ctypes.data, pixels, columns, mode,
                                bias.ctypes.data + size * (g * each + j),
                            )  # fmt: skip


@njit
def _copy_padded(scratch, to, x, n, row, unit):
    """Rows ``row ..`` of image ``n`` into rows ``to ..`` of scratch, zero where the source ends."""
    height, width, channels = x.shape[1:]
    size = x.itemsize
    pixel = channels * size
    left = max(0, -unit.first_column)
    stop = min(unit.padded_columns, width - unit.first_column)  # first padded column behind the source
    dense = x.strides[2] == pixel and (x.strides[3] == size or channels == 1)
    for r in range(unit.padded_rows):
        source = row + r + unit.first_row
        at = scratch.ctypes.data + (to + r) * unit.padded_columns * pixel
        if source < 0 or source >= height or stop <= left:
            clear_bytes(at, unit.padded_columns * pixel)
            continue
        clear_bytes(at, left * pixel)
        clear_bytes(at + stop * pixel, (unit.padded_columns - stop) * pixel)
        if dense:
            start = x.ctypes.data + n * x.strides[0] + source * x.strides[1] + (left + unit.first_column) * x.strides[2]
            copy_bytes(at + left * pixel, start, (stop - left) * pixel)
        else:
            p = ((to + r) * unit.padded_columns + left) * channels
            for column in range(left + unit.first_column, stop + unit.first_column):
                for c in range(channels):
                    scratch[p] = x[n, source, column, c]
                    p += 1


def _elements(x: np.ndarray) -> tuple[int, ...]:
    return tuple(s // x.itemsize for s in x.strides)


def _run(out: np.ndarray, x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, taps: Taps, groups: int) -> None:
    """``out``, ``x`` in NHWC; ``w`` (taps, in / groups, out)."""
    batch, channels, columns = len(x), x.shape[3], out.shape[3]
    if not taps.rows:
        out[...] = 0
        return
    unit, roff, toff, coff = _plan(
        taps, batch, channels, columns, groups, _elements(x), _elements(out), x.itemsize, num_threads()
    )
    packed = groups == 1 and columns > unit.width and columns % unit.width == 0
    if packed:
        w = np.ascontiguousarray(w.reshape(-1, columns // unit.width, unit.width).transpose(1, 0, 2))
    has_bias = bias is not None
    _sum_taps(out, x, w.reshape(-1), w.reshape(-1) if bias is None else bias, has_bias, packed, unit, roff, toff, coff)


def _nhwc(x: np.ndarray) -> np.ndarray:
    return x.transpose(0, 2, 3, 1)


def _is_dense(x: np.ndarray) -> bool:
    """Whether the rows of an NHWC image lie in one piece."""
    return x.strides[3] == x.itemsize and x.strides[2] == x.shape[3] * x.itemsize


def _dense(x: np.ndarray) -> np.ndarray:
    return x if _is_dense(x) else np.ascontiguousarray(x)


def forward(y: Any, x: Any, w: Any, bias: Any, stride: Pair, padding: Any, dilation: Pair, groups: int) -> None:
    """``y = x * w + bias``."""
    if not y.size:
        return
    (top, _), (left, _) = _padding(padding)
    kh, kw = w.shape[:2]
    if winograd.suits(x.dtype, (kh, kw), stride, dilation, groups, x.shape[1], y.shape[1], y.shape[2:]):
        out = _nhwc(y)
        target = out if _is_dense(out) else np.empty(out.shape, out.dtype)
        winograd.forward(target, _dense(_nhwc(x)), w, bias, (top, left))
        if target is not out:
            out[...] = target
        return
    if _is_small((kh, kw), stride, dilation, groups, x.shape[2:], y.shape[2:]):
        out = _nhwc(y)
        target = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
        x = np.ascontiguousarray(_nhwc(x))
        _run_small(target, x, w.reshape(kh * kw, *w.shape[2:]), (kh, kw), bias, (top, left))
        if target is not out:
            out[...] = target
        return
    taps = Taps(
        tuple(i * dilation[0] - top for i in range(kh) for _ in range(kw)),
        tuple(j * dilation[1] - left for _ in range(kh) for j in range(kw)),
        tuple(stride), y.shape[2:], x.shape[2:],
    )  # fmt: skip
    out = _nhwc(y)
    direct = out.strides[3] == out.itemsize or out.shape[3] == 1
    target = out if direct else np.empty(out.shape, out.dtype)
    _run(target, _nhwc(x), w, bias, taps, groups)
    if not direct:
        out[...] = target


def backward_data(dx: Any, dy: Any, w: Any, stride: Pair, padding: Any, dilation: Pair, groups: int) -> None:
    """The gradient of ``x``: per phase of the stride a convolution of ``dy`` with the taps that meet this phase."""
    if not dx.size:
        return
    out = _nhwc(dx)
    direct = out.strides[3] == out.itemsize or out.shape[3] == 1
    target = out if direct else np.empty(out.shape, out.dtype)
    if not dy.size:
        out[...] = 0
        return
    (top, _), (left, _) = _padding(padding)
    if winograd.suits(dx.dtype, w.shape[:2], stride, dilation, groups, dx.shape[1], dy.shape[1], dx.shape[2:]) and (
        max(top, left) <= 2
    ):
        winograd.backward_data(target, _dense(_nhwc(dy)), w, (top, left))
        if not direct:
            out[...] = target
        return
    kh, kw = w.shape[:2]
    if _is_small((kh, kw), stride, dilation, groups, dy.shape[2:], dx.shape[2:]):
        target = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
        turned = _turned(w, list(range(kh * kw))[::-1], 1)
        _run_small(target, np.ascontiguousarray(_nhwc(dy)), turned, (kh, kw), None, (kh - 1 - top, kw - 1 - left))
        if target is not out:
            out[...] = target
        return
    for a, rows in _phases(out.shape[1], w.shape[0], stride[0], top, dilation[0]):
        for b, columns in _phases(out.shape[2], w.shape[1], stride[1], left, dilation[1]):
            part = target[:, a :: stride[0], b :: stride[1]]
            taps = Taps(
                tuple(r for r, _ in rows for _ in columns), tuple(c for _ in rows for c, _ in columns),
                (1, 1), part.shape[1:3], dy.shape[2:],
            )  # fmt: skip
            turned = w
            if taps.rows:
                turned = _turned(w, [i * w.shape[1] + j for _, i in rows for _, j in columns], groups)
            _run(part, _nhwc(dy), turned, None, taps, groups)
    if not direct:
        out[...] = target


# -- maps of few pixels, where much of a padded window is padding: pixel by pixel, over all images ------------------


def _is_small(kernel: Pair, stride: Pair, dilation: Pair, groups: int, source: Pair, grid: Pair) -> bool:
    return (
        groups == 1 and tuple(stride) == tuple(dilation) == (1, 1) and grid[0] * grid[1] <= 9
        and kernel[0] > 1 and source[0] < 2 * kernel[0] and source[1] < 2 * kernel[1]
    )  # fmt: skip


@lru_cache(maxsize=256)
def _windows(kernel: Pair, before: Pair, source: Pair, grid: Pair) -> np.ndarray:
    """Per output pixel: first source pixel, first kernel row and column, and how many of both meet the source."""
    rows = []
    for r in range(grid[0]):
        for c in range(grid[1]):
            spans = []
            for at, k, n in ((r - before[0], kernel[0], source[0]), (c - before[1], kernel[1], source[1])):
                first = max(0, -at)
                spans.append((at + first, first, max(0, min(k, n - at) - first)))
            (h, i, down), (w, j, across) = spans
            rows.append((h * source[1] + w, i, j, down if across else 0, across))
    return np.array(rows, np.int64)


@njit(parallel=True)
def _small(out, x, w, bias, has_bias, kernel_width, windows, width, parts, xoff, toff, coff):
    """``out`` and ``x`` (batch, pixels, channels), ``w`` (all taps, in, out)."""
    size = x.itemsize
    channels, columns = x.shape[2], out.shape[2]
    panels = (columns + width - 1) // width
    items = panels * len(windows)
    depth_step = 256
    for part in prange(parts):
        for i in range(part * items // parts, (part + 1) * items // parts):
            j, p = i // len(windows) * width, i % len(windows)
            pixel, row, column, down, across = windows[p]
            depth = across * channels
            start = BIAS if has_bias else ZERO
            for k in range(0, max(depth, 1), depth_step):
                tap = (row * kernel_width + column) * channels + k
                block(
                    x, x.ctypes.data + size * (pixel * channels + k), xoff.ctypes.data, 1, toff.ctypes.data, down,
                    min(depth_step, depth - k), w.ctypes.data + size * (tap * columns + j), columns,
                    kernel_width * channels * columns, out.ctypes.data + size * (p * columns + j), coff.ctypes.data,
                    len(x), min(width, columns - j), STORED if k else start, bias.ctypes.data + size * j,
                )  # fmt: skip


def _run_small(
    out: np.ndarray, x: np.ndarray, w: np.ndarray, kernel: Pair, bias: np.ndarray | None, before: Pair
) -> None:
    """``out`` and ``x`` NHWC and dense, ``w`` (taps, in, out)."""
    windows = _windows(kernel, before, x.shape[1:3], out.shape[1:3])
    width = panel(out.shape[3], x.itemsize)
    items = len(windows) * -(-out.shape[3] // width)
    flat_x, flat_out = x.reshape(len(x), -1, x.shape[3]), out.reshape(len(out), -1, out.shape[3])
    has_bias = bias is not None
    _small(
        flat_out, flat_x, w, bias if has_bias else w.reshape(-1), has_bias, kernel[1], windows, width,
        max(1, min(num_threads(), items)), steps(len(x), flat_x[0].size), steps(kernel[0], x.shape[2] * x.shape[3]),
        steps(len(x), flat_out[0].size),
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _phases(size: int, kernel: int, stride: int, before: int, dilation: int) -> list[tuple[int, list[Pair]]]:
    """For each first pixel of a phase: (offset in dy, kernel index) of the taps that reach it, in order of offset."""
    phases = []
    for first in range(min(stride, size)):
        taps = [
            ((first + before - i * dilation) // stride, i)
            for i in range(kernel)
            if (first + before - i * dilation) % stride == 0
        ]
        phases.append((first, sorted(taps)))
    return phases


@njit(parallel=True)
def _turn(to, w, order, groups, parts):
    """``to`` (taps, out / groups, in): taps ``order`` of ``w`` (all taps, in / groups, out), each group transposed."""
    size = w.itemsize
    depth, out = w.shape[1], w.shape[2]
    each, channels = out // groups, depth * groups
    for part in prange(parts):
        for t in range(part * len(order) // parts, (part + 1) * len(order) // parts):
            for g in range(groups):
                transpose(
                    w, to.ctypes.data + size * (t * each * channels + g * depth), channels,
                    w.ctypes.data + size * (order[t] * depth * out + g * each), out, depth, each,
                )  # fmt: skip


def _turned(w: np.ndarray, order: list[int], groups: int) -> np.ndarray:
    """The taps ``order`` of ``w``, with in and out exchanged within each group: (taps, out / groups, in)."""
    kh, kw, depth, out = w.shape
    to = memory.empty((len(order), out // groups, depth * groups), w.dtype)
    _turn(to, w.reshape(kh * kw, depth, out), np.array(order), groups, max(1, min(num_threads(), len(order))))
    return to


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
                dw[r + k, column : column + width] = slots[0, k * sums.width : k * sums.width + width]


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
            _copy_padded(padded, 0, x, n, 0, unit)
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


@njit(parallel=True)
def _padded(to, x, unit):
    """``to`` (batch, padded rows, padded columns, channels) = ``x`` (NHWC) with its zero border."""
    flat = to.reshape(-1)
    for n in prange(len(x)):
        _copy_padded(flat, n * unit.padded_rows, x, n, 0, unit)


def backward_weights(
    dw: Any, x: Any, dy: Any, bounds: Any, stride: Pair, padding: Any, dilation: Pair, groups: int
) -> None:
    """The gradient of ``w`` over the leaves of images that ``bounds`` (int64 offsets) cuts, added up along the tree."""
    images = slice(int(bounds[0]), int(bounds[-1]))
    bounds = bounds - bounds[0]
    x, dy = _nhwc(x[images]), np.ascontiguousarray(_nhwc(dy[images]))
    if not dy.size or not dw.size:
        dw[...] = 0
        return
    (top, bottom), (left, right) = _padding(padding)
    kh, kw, depth, out = dw.shape
    images, height, width, channels = x.shape
    grid = dy.shape[1:3]
    if winograd.suits(x.dtype, (kh, kw), stride, dilation, groups, channels, out, grid):
        winograd.backward_weights(dw, _dense(x), dy, bounds, (top, left))
        return
    reach_rows = (grid[0] - 1) * stride[0] + (kh - 1) * dilation[0] + 1
    reach_columns = (grid[1] - 1) * stride[1] + (kw - 1) * dilation[1] + 1
    dense = x.strides[3] == x.itemsize or channels == 1
    unit = Unit(1, 1, 1, 1, 1, 1, -top, -left, reach_rows, reach_columns, 1, 1, 1, 1, 1, 1, 1, 1)
    if groups == channels == out:
        _depthwise_weights(dw, x, dy, bounds, unit, stride, dilation)
        return
    if top or left or reach_rows > height or reach_columns > width or not dense:
        to = memory.empty((images, reach_rows, reach_columns, channels), x.dtype)
        _padded(to, x, unit)
        x = to
    sums, roff, toff, coff = _sums(
        images, (kh, kw), depth, out, groups, tuple(stride), tuple(dilation), grid, _elements(x)[:3], x.itemsize,
        num_threads(),
    )  # fmt: skip
    line = x.itemsize * grid[1] * (stride[1] * channels + out)  # bytes that a row of output pixels reads
    if groups == 1 and dw.nbytes <= 3 * _SCRATCH and line * sums.lines * images > 4 * _SCRATCH * (len(bounds) - 1):
        parts = memory.empty((len(bounds) - 1, sums.rows, out), dw.dtype)
        step = max(1, _SCRATCH // line)
        _sum_leaves(parts, x, dy, bounds, sums, step, roff, toff, steps(sums.height, out))
        tree_sum(dw, parts)
        return
    _sum_pixels(dw.reshape(-1, out), x, dy, bounds, sums, roff, toff, coff)


def backward_bias(db: Any, dy: Any, bounds: Any) -> None:
    """The gradient of the bias over the leaves of images that ``bounds`` cuts, added up along the tree."""
    dy = np.ascontiguousarray(_nhwc(dy))
    column_sums(db, dy.reshape(-1, dy.shape[3]), bounds * (dy.shape[1] * dy.shape[2]))
