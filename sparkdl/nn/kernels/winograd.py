"""3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3): a quarter of the multiplications. float32 only.

    forward(y, x, w, bias, padding)            ``padding`` is (top, left)
    backward_data(dx, dy, w, padding)
    backward_weights(dw, x, dy, bounds, padding)   along the tree over leaves

Arrays as in ``conv``, NHWC with their channels next to each other. The image is cut into tiles of 4x4 outputs; 36
products of matrices (tiles x in) (in x out), one per element of the transformed tile, do the work. Rounding errors are
one to two times those of one direct sum: ``winograd_tiles`` has points that amplify them little, and long sums are cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sparkdl import memory
from sparkdl.kernel import isa, njit, num_threads, numba
from sparkdl.nn.kernels.block import ADDED, LANES, PANEL, ZERO, block, steps, transpose
from sparkdl.nn.kernels.leaves import tree_sum
from sparkdl.nn.kernels.memory import clear_bytes, copy_bytes
from sparkdl.nn.kernels.microkernel import ROWS
from sparkdl.nn.kernels.winograd_back import load_back, room, tile_back
from sparkdl.nn.kernels.winograd_tiles import (
    load,
    tile_gradient,
    tile_input,
    tile_output,
    tile_weights,
    tile_weights_back,
)

prange = numba().prange
PANEL4 = PANEL[4]
_SUMMED = 128  # channels at a time: most of the rounding error comes from long sums
_LEAST = 32  # channels: below, the transforms cost more than they save


def suits(
    dtype: Any, kernel: tuple[int, int], stride: Any, dilation: Any, groups: int, channels: int, out: int, grid: Any
) -> bool:
    """Whether this is a case for these functions."""
    lanes = LANES[4]
    return (
        dtype == np.float32
        and tuple(kernel) == (3, 3)
        and tuple(stride) == tuple(dilation) == (1, 1)
        and groups == 1
        and channels % lanes == 0
        and out % lanes == 0
        and min(channels, out) >= _LEAST
        and min(grid) >= 4
    )


class Tiles(NamedTuple):
    down: int
    across: int
    top: int
    left: int
    chunk: int  # tiles at a time
    panel: int  # output channels at a time
    keep: int  # whether the transformed weights of all panels are kept for the next chunk
    parts: int  # of the tiles
    shares: int = 1  # of the panels: parts x shares items of work


def _tiles(grid: tuple[int, int], batch: int, channels: int, out: int, padding: tuple[int, int]) -> Tiles:
    down, across, threads = -(-grid[0] // 4), -(-grid[1] // 4), num_threads()
    total, panels = batch * down * across, -(-out // PANEL4)
    # threads that share the tiles all read all weights: where there are more of these, they share the panels instead
    shares = threads if total < out and panels >= threads else 1
    parts = 1 if shares > 1 else max(1, min(threads, total // 4))
    each = -(-total // parts)
    chunk = min(384, 48 * max(1, max(channels, out) // 64), each)
    keep = each > chunk
    if keep:  # all chunks alike, in whole register tiles
        chunk = -(-each // -(-each // chunk))
        chunk += -chunk % max(ROWS[isa()][PANEL4 // LANES[4]])
    return Tiles(down, across, *padding, chunk, min(PANEL4, out), int(keep), parts, shares)


@njit
def _pad(padded, x, n, tiles, begin, stop):
    """What tiles ``begin`` to ``stop`` of all reach of image ``n``, with zeros around the image."""
    size = x.itemsize
    height, width, channels = x.shape[1:]
    columns, each = 4 * tiles.across + 2, tiles.down * tiles.across
    pixel = channels * size
    inner = min(width, columns - tiles.left)
    first, last = max(0, begin - n * each) // tiles.across, (min(each, stop - n * each) - 1) // tiles.across
    for r in range(4 * first, 4 * last + 6):
        at = padded.ctypes.data + r * columns * pixel
        source = r - tiles.top
        if source < 0 or source >= height:
            clear_bytes(at, columns * pixel)
            continue
        clear_bytes(at, tiles.left * pixel)
        copy_bytes(at + tiles.left * pixel, x.ctypes.data + n * x.strides[0] + source * x.strides[1], inner * pixel)
        clear_bytes(at + (tiles.left + inner) * pixel, (columns - tiles.left - inner) * pixel)


@njit
def _transform_weights(u, w, j, wide):
    """``u`` (36, in, wide) from output channels ``j`` to ``j + wide`` of ``w`` (9, in, out)."""
    channels, out = w.shape[1], w.shape[2]
    tap, step = channels * out, channels * wide + 16
    for c in range(channels):
        tile_weights(
            w, w.ctypes.data + 4 * (c * out + j), 3 * tap, tap, u.ctypes.data + 4 * c * wide, step, wide
        )


@njit(parallel=True)
def _turn(to, w, parts):
    """``to`` (9, out, in): the taps of ``w`` (9, in, out) in reverse order, each transposed."""
    channels, out = w.shape[1], w.shape[2]
    for part in prange(parts):
        first, stop = part * out // parts, (part + 1) * out // parts
        for t in range(9):
            transpose(
                w, to.ctypes.data + 4 * ((8 - t) * out + first) * channels, channels,
                w.ctypes.data + 4 * (t * channels * out + first), out, channels, stop - first,
            )  # fmt: skip


@njit(parallel=True)
def _convolve(y, x, w, known, bias, has_bias, relu, tiles, roff, coff, zero):
    """``known`` are transformed weights (``transformed``), or of size 0.

    Weights that are transformed here live for one panel of output channels at a time: whole, they would fit no cache.
    """
    channels, out = x.shape[3], y.shape[3]
    height, width = y.shape[1], y.shape[2]
    each = tiles.down * tiles.across
    total = len(x) * each
    columns = 4 * tiles.across + 2
    step_v, step_m = tiles.chunk * channels + 16, tiles.chunk * out + 16
    panels = (out + tiles.panel - 1) // tiles.panel
    for item in prange(tiles.parts * tiles.shares):
        part, share = item // tiles.shares, item % tiles.shares
        low, high = share * panels // tiles.shares, (share + 1) * panels // tiles.shares
        left, right = low * tiles.panel, min(out, high * tiles.panel)  # output channels
        padded = np.empty((4 * tiles.down + 2) * columns * channels, np.float32)
        v, m = np.empty(36 * step_v, np.float32), np.empty(36 * step_m, np.float32)
        step_u = channels * tiles.panel + 16
        kept = 0 if known.size else high - low if tiles.keep else 1
        u = np.empty((kept, 36 * step_u), np.float32)
        begin, stop = part * total // tiles.parts, (part + 1) * total // tiles.parts
        held = -1
        for first in range(begin, stop, tiles.chunk):
            count = min(tiles.chunk, stop - first)
            for q in range(count):
                n, r = (first + q) // each, (first + q) % each
                if n != held:
                    _pad(padded, x, n, tiles, begin, stop)
                    held = n
                corner = (r // tiles.across * 4 * columns + r % tiles.across * 4) * channels
                tile_input(
                    x, padded.ctypes.data + 4 * corner, columns * channels, channels,
                    v.ctypes.data + 4 * q * channels, step_v, channels,
                )  # fmt: skip
            for i in range(low, high):
                j = i * tiles.panel
                wide = min(tiles.panel, out - j)
                here = known[i] if known.size else u[(i - low) % kept]
                if not known.size and (first == begin or not tiles.keep):
                    _transform_weights(here, w, j, wide)
                for e in range(36):
                    for k in range(0, channels, _SUMMED):
                        block(
                            x, v.ctypes.data + 4 * (e * step_v + k), roff.ctypes.data, 1, zero.ctypes.data, 1,
                            min(_SUMMED, channels - k),
                            here.ctypes.data + 4 * (e * (channels * wide + 16) + k * wide), wide, 0,
                            m.ctypes.data + 4 * (e * step_m + j), coff.ctypes.data, count, wide,
                            ADDED if k else ZERO, 0,
                        )  # fmt: skip
            for q in range(count):
                n, r = (first + q) // each, (first + q) % each
                h, c = r // tiles.across * 4, r % tiles.across * 4
                tile_output(
                    x, m.ctypes.data + 4 * (q * out + left), step_m,
                    y.ctypes.data + n * y.strides[0] + h * y.strides[1] + c * y.strides[2] + 4 * left,
                    y.strides[1] // 4, y.strides[2] // 4, right - left, height - h, width - c,
                    bias.ctypes.data + 4 * left, int(has_bias),
                )  # fmt: skip
                if relu:
                    for row in range(h, min(h + 4, height)):
                        for column in range(c, min(c + 4, width)):
                            pixel = y[n, row, column]
                            for k in range(left, right):
                                pixel[k] = np.float32(0) if pixel[k] < np.float32(0) else pixel[k]


@njit(parallel=True)
def _transform_panels(u, w, panel):
    for i in prange(len(u)):
        _transform_weights(u[i], w, i * panel, min(panel, w.shape[2] - i * panel))


def transformed(w: Any) -> np.ndarray:
    """The weights (3, 3, in, out) as ``prepare`` takes them in ``known``; four times their memory."""
    load()
    channels, out = w.shape[2:]
    wide = min(PANEL4, out)
    u = np.empty((-(-out // wide), 36 * (channels * wide + 16)), np.float32)
    _transform_panels(u, w.reshape(9, channels, out), wide)
    return u


def prepare(
    y: Any, x: Any, w: Any, bias: Any, padding: tuple[int, int], relu: bool = False, known: Any = None
) -> Callable[[Any, Any], None]:
    """``y = x * w + bias``, or its maximum with 0, for all ``y`` and ``x`` of these shapes; ``w`` (9, in, out)."""
    load()
    channels, out = w.shape[1:]
    tiles = _tiles(y.shape[1:3], len(x), channels, out, padding)
    has_bias, more = bias is not None, w.reshape(-1) if bias is None else bias
    known = np.empty((0, 0), np.float32) if known is None else known
    tables = steps(tiles.chunk, channels), steps(tiles.chunk, out), steps(1)

    def go(y: Any, x: Any) -> None:
        _convolve(y, x, w, known, more, has_bias, relu, tiles, *tables)

    return go


def forward(y: Any, x: Any, w: Any, bias: Any, padding: tuple[int, int]) -> None:
    """``y = x * w + bias``."""
    prepare(y, x, w.reshape(9, *w.shape[2:]), bias, padding)(y, x)


def backward_data(dx: Any, dy: Any, w: Any, padding: tuple[int, int]) -> None:
    channels, out = w.shape[2:]
    turned = memory.empty((9, out, channels))
    _turn(turned, w.reshape(9, channels, out), max(1, min(num_threads(), out // 16)))
    prepare(dx, dy, turned, None, (2 - padding[0], 2 - padding[1]))(dx, dy)


_ALL_AT_ONCE = 3 << 20  # bytes of the transformed gradient that a leaf may hold; larger ones go block by block


@njit
def _gather(v, z, x, dy, padded, held, first, count, whole, step_v, step_z, tiles):
    """Transforms ``count`` tiles of ``x`` and ``dy`` from tile ``first`` on; returns the image left in ``padded``.

    Tiles up to ``whole`` will be asked for.
    """
    channels, out = x.shape[3], dy.shape[3]
    columns = 4 * tiles.across + 2
    each = tiles.down * tiles.across
    for q in range(count):
        n, r = (first + q) // each, (first + q) % each
        if n != held:
            _pad(padded, x, n, tiles, first, whole)
            held = n
        h, c = r // tiles.across * 4, r % tiles.across * 4
        tile_input(
            x, padded.ctypes.data + 4 * (h * columns + c) * channels, columns * channels, channels,
            v.ctypes.data + 4 * q * channels, step_v, channels,
        )  # fmt: skip
        tile_gradient(
            x, dy.ctypes.data + n * dy.strides[0] + h * dy.strides[1] + c * dy.strides[2], dy.strides[1] // 4,
            dy.strides[2] // 4, dy.shape[1] - h, dy.shape[2] - c, z.ctypes.data + 4 * q * out, step_z, out,
        )  # fmt: skip
    return held


@njit(parallel=True)
def _leaf_by_leaf(dw, x, dy, bounds, tiles, roff, coff, zero):
    """``dw`` (leaves, 9, in, out); each leaf holds its whole transformed gradient."""
    channels, out = x.shape[3], dy.shape[3]
    each = tiles.down * tiles.across
    step_v, step_z = tiles.chunk * channels + 16, tiles.chunk * out + 16
    tap = channels * out
    for leaf in prange(len(bounds) - 1):
        padded = np.empty((4 * tiles.down + 2) * (4 * tiles.across + 2) * channels, np.float32)
        v, z = np.empty(36 * step_v, np.float32), np.empty(36 * step_z, np.float32)
        du = np.zeros(36 * tap, np.float32)
        held = -1
        stop = bounds[leaf + 1] * each
        for first in range(bounds[leaf] * each, stop, tiles.chunk):
            count = min(tiles.chunk, stop - first)
            held = _gather(v, z, x, dy, padded, held, first, count, stop, step_v, step_z, tiles)
            for e in range(36):
                block(
                    x, v.ctypes.data + 4 * e * step_v, roff.ctypes.data, channels, zero.ctypes.data, 1, count,
                    z.ctypes.data + 4 * e * step_z, out, 0, du.ctypes.data + 4 * e * tap, coff.ctypes.data,
                    channels, out, ADDED, 0,
                )  # fmt: skip
        for c in range(channels):
            tile_weights_back(
                x, du.ctypes.data + 4 * c * out, tap, dw[leaf].ctypes.data + 4 * c * out, 3 * tap, tap, out
            )


@njit(parallel=True)
def _transform_blocks(v, z, x, dy, tiles):
    """All tiles of ``x`` and ``dy`` as ``winograd_back`` takes them: ``v`` and ``z`` (blocks, tiles, 36, lanes)."""
    channels, lanes = x.shape[3], v.shape[3]
    columns = 4 * tiles.across + 2
    each = tiles.down * tiles.across
    total = len(x) * each
    for part in prange(tiles.parts):
        padded = np.empty((4 * tiles.down + 2) * columns * channels, np.float32)
        first, stop = part * total // tiles.parts, (part + 1) * total // tiles.parts
        held = -1
        for q in range(first, stop):
            n, r = q // each, q % each
            if n != held:
                _pad(padded, x, n, tiles, first, stop)
                held = n
            h, c = r // tiles.across * 4, r % tiles.across * 4
            source = padded.ctypes.data + 4 * (h * columns + c) * channels
            for i in range(len(v)):  # rows and columns change places: what is read together comes to lie together
                tile_input(
                    x, source + 4 * i * lanes, channels, columns * channels, v[i, q].ctypes.data, lanes, lanes
                )  # fmt: skip
            slope = dy.ctypes.data + n * dy.strides[0] + h * dy.strides[1] + c * dy.strides[2]
            for i in range(len(z)):
                tile_gradient(
                    x, slope + 4 * i * lanes, dy.strides[2] // 4, dy.strides[1] // 4, dy.shape[2] - c, dy.shape[1] - h,
                    z[i, q].ctypes.data, lanes, lanes,
                )  # fmt: skip


@njit(parallel=True)
def _sum_blocks(dw, v, z, bounds, parts, room, waiting):
    """``dw`` (9, in, out), a square block of it at a time with all its leaves."""
    down, across, lanes = len(v), len(z), v.shape[3]
    tap, row = dw.shape[1] * dw.shape[2], dw.shape[2]
    for part in prange(parts):
        half, stack = np.empty(room, np.float32), np.empty(waiting, np.float32)
        for i in range(part * down * across // parts, (part + 1) * down * across // parts):
            c, j = i % down, i // down
            tile_back(
                dw, v[c].ctypes.data, z[j].ctypes.data, bounds.ctypes.data, len(bounds) - 1,
                dw.ctypes.data + 4 * (c * lanes * row + j * lanes), tap, row, half.ctypes.data, stack.ctypes.data,
            )  # fmt: skip


def backward_weights(dw: Any, x: Any, dy: Any, bounds: Any, padding: tuple[int, int]) -> None:
    """Sum over the leaves that ``bounds`` cuts out of the images, along the tree."""
    channels, out = dw.shape[2:]
    x, dy, bounds = x[bounds[0] : bounds[-1]], dy[bounds[0] : bounds[-1]], bounds - bounds[0]
    if not len(x):
        dw[...] = 0
        return
    load()
    tiles = _tiles(dy.shape[1:3], len(x), channels, out, padding)
    if 36 * channels * out * 4 <= _ALL_AT_ONCE:
        parts = memory.empty((len(bounds) - 1, 9, channels, out))
        tiles = tiles._replace(chunk=min(tiles.chunk, 48))
        _leaf_by_leaf(parts, x, dy, bounds, tiles, steps(channels), steps(channels, out), steps(1))
        tree_sum(dw, parts)
        return
    load_back()
    lanes, each = LANES[4], tiles.down * tiles.across
    tiles = tiles._replace(parts=max(1, min(num_threads(), len(x) * each // 4)))
    v, z = (memory.empty((n // lanes, len(x) * each, 36, lanes)) for n in (channels, out))
    _transform_blocks(v, z, x, dy, tiles)
    parts = max(1, min(num_threads(), len(v) * len(z)))
    _sum_blocks(dw.reshape(9, channels, out), v, z, bounds * each, parts, *room(len(bounds) - 1))
