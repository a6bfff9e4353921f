"""Sums over source pixels for each pixel of a grid: what convolutions and their gradients of ``x`` are made of.

    run(out, x, w, bias, taps, groups)     out[n, p] = bias + sum over taps t of x[n, p stride + t] w[t]

``out`` and ``x`` are NHWC of any strides, the channels of ``out`` next to each other; ``w`` is (taps, in / groups, out).
Work is cut into units of some images, or of a band of rows of one image, whose padded input is copied into scratch
that stays in the second-level cache (not at all where there is no padding), and goes through the micro-kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from sparkdl.kernel import njit, num_threads, numba
from sparkdl.nn.kernels import bf16
from sparkdl.nn.kernels.block import BIAS, STORED, ZERO, block, panel
from sparkdl.nn.kernels.depthwise_lanes import depthwise
from sparkdl.nn.kernels.memory import clear_bytes, copy_bytes

prange = numba().prange
Pair = tuple[int, int]

SCRATCH = 256 << 10  # bytes of padded input per unit: well inside the second-level cache
_PANEL_BYTES = 128 << 10  # weights that stay in cache while the pixels of a unit run past them
_PIXELS = 192  # a unit has at least so many, where images are that small


class Taps(NamedTuple):
    """A sum over source pixels (row stride + dr, column stride + dc) for each pixel (row, column) of a grid."""

    rows: tuple[int, ...]  # dr of each tap, dc of each tap, in order of summation
    columns: tuple[int, ...]
    stride: Pair
    grid: Pair
    source: Pair  # height and width of the source


def taps_of(kernel: Pair, stride: Pair, before: Pair, dilation: Pair, grid: Pair, source: Pair) -> Taps:
    """The taps of a convolution whose source has ``before`` rows and columns of padding in front."""
    (kh, kw), (top, left) = kernel, before
    return Taps(
        tuple(i * dilation[0] - top for i in range(kh) for _ in range(kw)),
        tuple(j * dilation[1] - left for _ in range(kh) for j in range(kw)),
        (stride[0], stride[1]), grid, source,
    )  # fmt: skip


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
    splits: int = 1  # items of work per unit, each some of the panels: where there are fewer units than threads


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
        fitting = max(1, (SCRATCH // row_bytes - span_rows) // sh + 1)
        bands = -(-gh // fitting)
        if batch * bands % threads and batch * bands < 8 * threads:  # so that all threads get as much
            bands = min(gh, -(-bands // threads) * threads)
    rows = -(-gh // bands)
    bands = -(-gh // rows)
    padded_rows = (rows - 1) * sh + span_rows
    columns = panel(out // groups, itemsize)
    panels = -(-(out // groups) // columns)
    splits = threads if groups == 1 and batch * bands < threads <= panels else 1
    if splits == 1 and batch * bands < threads:
        rows = -(-gh // min(gh, -(-threads // batch)))
        bands = -(-gh // rows)
        padded_rows = (rows - 1) * sh + span_rows
    if bands == 1 and gh * gw < _PIXELS:
        images = max(1, min(_PIXELS // (gh * gw), 4 * SCRATCH // (padded_rows * row_bytes), -(-batch // threads)))
    pitch = (padded_rows * padded_columns * channels, padded_columns * channels, channels) if copy else strides[:3]
    image, row, column = pitch
    roff = _grid(images, rows, gw, image, row * sh, column * sw)
    coff = _grid(images, rows, gw, target[0], target[1], target[2])
    offsets = [((r - top) * row, (c - left) * column) for r, c in zip(taps.rows, taps.columns, strict=True)]
    depth = channels // groups
    single = groups == channels and out == groups  # goes tap by tap
    run = _run_length(offsets, channels) if groups == 1 and not single else 1
    toff = np.array([r + c for r, c in offsets[::run]], np.int64)
    depth *= run
    panel_bytes = columns * itemsize
    tap_step = max(1, min(len(toff), _PANEL_BYTES // (depth * panel_bytes)))
    depth_step = depth if depth * panel_bytes <= 2 * _PANEL_BYTES else 256
    units = -(-batch // images) * bands
    unit = Unit(
        images, bands, rows, gh, gw, sh, top, left, padded_rows, padded_columns, int(copy), len(toff), depth, groups,
        columns, tap_step, depth_step, max(1, min(threads, units * splits)), splits,
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
def _sum_taps(out, x, w, bias, has_bias, packed, other, relu, unit, roff, toff, coff):
    """``out`` (batch, rows, columns, out) = sum over taps of ``x`` (NHWC); ``w`` (taps depth, out) or in panels.

    Plus ``other``, shaped as ``out``, unless it is of size 0; then its maximum with 0, if ``relu``.
    """
    batch, height, width, channels = x.shape
    size = x.itemsize
    each = out.shape[3] // unit.groups
    units = (batch + unit.images - 1) // unit.images * unit.bands
    total = unit.taps * unit.depth
    panels = (each + unit.width - 1) // unit.width
    for part in prange(unit.parts):
        room = unit.images * unit.padded_rows * unit.padded_columns * channels if unit.copy else 0
        scratch = np.empty(room, x.dtype)
        for item in range(part * units * unit.splits // unit.parts, (part + 1) * units * unit.splits // unit.parts):
            u, split = item // unit.splits, item % unit.splits
            first, stop = split * panels // unit.splits * unit.width, (split + 1) * panels // unit.splits * unit.width
            n = u // unit.bands * unit.images
            row = u % unit.bands * unit.rows
            images = min(unit.images, batch - n)
            pixels = images * min(unit.rows, unit.grid_rows - row) * unit.grid_columns
            if unit.copy:
                for i in range(images):
                    copy_padded(scratch, i * unit.padded_rows, x, n + i, row * unit.stride, unit)
                a = scratch.ctypes.data
            else:
                a = (
                    x.ctypes.data + n * x.strides[0] + (row * unit.stride + unit.first_row) * x.strides[1]
                    + unit.first_column * x.strides[2]
                )
            c = out.ctypes.data + n * out.strides[0] + row * out.strides[1]
            if unit.groups == channels and each == 1:
                depthwise(
                    out, a, roff.ctypes.data, toff.ctypes.data, unit.taps, w.ctypes.data, c, coff.ctypes.data, pixels,
                    channels, bias.ctypes.data, int(has_bias),
                )  # fmt: skip
                if relu or other.size:
                    _finish(out, other, relu, n, images, row, min(unit.rows, unit.grid_rows - row), 0, channels)
                continue
            for g in range(unit.groups):
                for j in range(first, min(each, stop), unit.width):
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
            if relu or other.size:
                if unit.groups > 1:
                    first, stop = 0, out.shape[3]
                _finish(out, other, relu, n, images, row, min(unit.rows, unit.grid_rows - row), first, stop)


@njit
def _finish(out, other, relu, n, images, row, rows, first, stop):
    """``out + other``, or its maximum with 0, for some images, rows and channels, while they are in a cache."""
    zero = out.dtype.type(0)
    for i in range(n, n + images):
        for r in range(row, row + rows):
            for c in range(out.shape[2]):
                pixel = out[i, r, c][first:stop]
                if other.size:
                    more = other[i, r, c][first:stop]
                    for k in range(pixel.size):
                        pixel[k] += more[k]
                if relu:
                    for k in range(pixel.size):
                        pixel[k] = zero if pixel[k] < zero else pixel[k]


@njit
def copy_padded(scratch, to, x, n, row, unit):
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


def elements(x: np.ndarray) -> tuple[int, ...]:
    return tuple(s // x.itemsize for s in x.strides)


def halved(channels: int, groups: int, dtype: np.dtype) -> bool:
    """Whether pixels and weights go in as words of two neighbouring channels in bfloat16."""
    return groups == 1 and channels % 2 == 0 and bf16.wanted(dtype)


def packed(w: np.ndarray, groups: int) -> np.ndarray | None:
    """``w`` (taps, in / groups, out) in panels as ``prepare`` takes it, if that helps."""
    return _panels(bf16.rows(w) if halved(w.shape[-2], groups, w.dtype) else w, groups)


def _panels(w: np.ndarray, groups: int) -> np.ndarray | None:
    columns = w.shape[-1]
    width = panel(columns // groups, w.itemsize)
    if groups > 1 or columns <= width or columns % width:
        return None
    return np.ascontiguousarray(w.reshape(-1, columns // width, width).transpose(1, 0, 2))


def prepare(
    out: np.ndarray, x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, taps: Taps, groups: int,
    relu: bool = False, panels: np.ndarray | None = None,
) -> Callable[..., None]:  # fmt: skip
    """``run`` for all ``out`` and ``x`` of these shapes and strides; ``panels`` is what ``packed`` made of ``w``.

    It may be called with a third array, dense and shaped as ``out``, which is added.
    """
    half = halved(x.shape[3], groups, x.dtype)
    like = bf16.columns(x[:0]) if half else x
    unit, roff, toff, coff = _plan(
        taps, len(x), like.shape[3], out.shape[3], groups, elements(like), elements(out), x.itemsize, num_threads()
    )
    if panels is None:
        w = bf16.rows(w) if half else w
        panels = _panels(w, groups)
    flat = (w if panels is None else panels).reshape(-1)
    more = np.empty(0, out.dtype) if bias is None else bias
    has_bias, packed, nothing = bias is not None, panels is not None, np.empty((0, 0, 0, 0), out.dtype)

    def go(out: np.ndarray, x: np.ndarray, other: np.ndarray = nothing) -> None:
        x = bf16.columns(x) if half else x
        _sum_taps(out, x, flat, more, has_bias, packed, other, relu, unit, roff, toff, coff)

    return go


def run(out: np.ndarray, x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, taps: Taps, groups: int) -> None:
    """``out``, ``x`` in NHWC; ``w`` (taps, in / groups, out)."""
    if not taps.rows:
        out[...] = 0
        return
    prepare(out, x, w, bias, taps, groups)(out, x)


def pads_of(padding: Any) -> tuple[Pair, Pair]:
    """What stands before and after, along both axes."""
    (a, b) = padding
    return ((a, a) if np.isscalar(a) else tuple(a)), ((b, b) if np.isscalar(b) else tuple(b))


def nhwc(x: np.ndarray) -> np.ndarray:
    """A view with channels last."""
    return x.transpose(0, 2, 3, 1)


def is_dense(x: np.ndarray) -> bool:
    """Whether the rows of an NHWC image lie in one piece."""
    return x.strides[3] == x.itemsize and x.strides[2] == x.shape[3] * x.itemsize


def dense(x: np.ndarray) -> np.ndarray:
    """``x``, copied unless it is dense."""
    return x if is_dense(x) else np.ascontiguousarray(x)
