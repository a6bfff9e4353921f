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

Which way a shape goes is decided here: Winograd's for 3x3 and many channels (``winograd``), pixel by pixel for maps of
few pixels (``conv_small``), else sums over taps (``conv_taps``); or as it was fastest when timed (``choice``).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from sparkdl import memory
from sparkdl.kernel import njit, num_threads, numba
from sparkdl.nn.kernels import conv_small, conv_taps, winograd
from sparkdl.nn.kernels.block import transpose
from sparkdl.nn.kernels.choice import pick
from sparkdl.nn.kernels.conv_taps import Pair, Taps, dense, is_dense, nhwc, pads_of, taps_of
from sparkdl.nn.kernels.conv_weights import backward_weights
from sparkdl.nn.kernels.leaves import column_sums

__all__ = ["backward_bias", "backward_data", "backward_weights", "forward", "way", "ways"]

prange = numba().prange


def ways(
    what: str, dtype: Any, kernel: Pair, stride: Pair, dilation: Pair, groups: int, channels: int, out: int,
    source: Pair, grid: Pair,
) -> tuple[str, ...]:  # fmt: skip
    """The ways that a convolution, or ``what`` else, from maps of size ``source`` to ``grid`` can go, the best first."""
    found = []
    if winograd.suits(dtype, kernel, stride, dilation, groups, channels, out, grid):
        found.append("winograd")
    if what != "backward_weights" and conv_small.suits(kernel, stride, dilation, groups, source, grid):
        found.append("small maps")
    return (*found, "direct")


def way(what: str, dtype: Any, *options: Any, run: Any = None) -> str:
    """The way that is taken; ``options`` as in ``ways``. ``run`` does the work, should ways be timed."""
    return pick((what, np.dtype(dtype).name, *options), ways(what, dtype, *options), run)


def _pair(x: Any) -> Pair:
    return int(x[0]), int(x[1])


def forward(y: Any, x: Any, w: Any, bias: Any, stride: Pair, padding: Any, dilation: Pair, groups: int) -> None:
    """``y = x * w + bias``."""
    if not y.size:
        return

    def run(way: str) -> None:
        _forward(way, y, x, w, bias, stride, padding, dilation, groups)

    options = w.shape[:2], _pair(stride), _pair(dilation), groups, x.shape[1], y.shape[1], x.shape[2:], y.shape[2:]
    run(way("forward", x.dtype, *options, run=run))


def _forward(
    way: str, y: Any, x: Any, w: Any, bias: Any, stride: Pair, padding: Any, dilation: Pair, groups: int
) -> None:
    (top, _), (left, _) = pads_of(padding)
    kernel, out = w.shape[:2], nhwc(y)
    direct = out.flags.c_contiguous if way == "small maps" else is_dense(out)
    if way == "direct":
        direct = out.strides[3] == out.itemsize or out.shape[3] == 1
    target = out if direct else np.empty(out.shape, out.dtype)
    if way == "winograd":
        winograd.forward(target, dense(nhwc(x)), w, bias, (top, left))
    elif way == "small maps":
        flat = w.reshape(kernel[0] * kernel[1], *w.shape[2:])
        conv_small.run(target, np.ascontiguousarray(nhwc(x)), flat, kernel, bias, (top, left))
    else:
        taps = taps_of(kernel, stride, (top, left), dilation, y.shape[2:], x.shape[2:])
        conv_taps.run(target, nhwc(x), w, bias, taps, groups)
    if not direct:
        out[...] = target


def backward_data(dx: Any, dy: Any, w: Any, stride: Pair, padding: Any, dilation: Pair, groups: int) -> None:
    """The gradient of ``x``: per phase of the stride a convolution of ``dy`` with the taps that meet this phase."""
    if not dx.size:
        return
    if not dy.size:
        dx[...] = 0
        return
    before = tuple(each[0] for each in pads_of(padding))

    def run(way: str) -> None:
        _backward_data(way, dx, dy, w, stride, before, dilation, groups)

    options = w.shape[:2], _pair(stride), _pair(dilation), groups, dx.shape[1], dy.shape[1], dy.shape[2:], dx.shape[2:]
    if max(before) > 2:  # beyond what the turned convolution of Winograd's can start with
        run("small maps" if "small maps" in ways("backward_data", dx.dtype, *options) else "direct")
    else:
        run(way("backward_data", dx.dtype, *options, run=run))


def _backward_data(
    way: str, dx: Any, dy: Any, w: Any, stride: Pair, before: tuple[int, ...], dilation: Pair, groups: int
) -> None:
    out, (kh, kw), (top, left) = nhwc(dx), w.shape[:2], before
    direct = out.flags.c_contiguous if way == "small maps" else out.strides[3] == out.itemsize or out.shape[3] == 1
    target = out if direct else np.empty(out.shape, out.dtype)
    if way == "winograd":
        winograd.backward_data(target, dense(nhwc(dy)), w, (top, left))
    elif way == "small maps":
        turned = _turned(w, list(range(kh * kw))[::-1], 1)
        conv_small.run(target, np.ascontiguousarray(nhwc(dy)), turned, (kh, kw), None, (kh - 1 - top, kw - 1 - left))
    else:
        _by_phases(target, nhwc(dy), w, stride, (top, left), dilation, groups)
    if not direct:
        out[...] = target


def _by_phases(out: Any, dy: Any, w: Any, stride: Pair, before: Pair, dilation: Pair, groups: int) -> None:
    kh, kw = w.shape[:2]
    for a, rows in _phases(out.shape[1], kh, stride[0], before[0], dilation[0]):
        for b, columns in _phases(out.shape[2], kw, stride[1], before[1], dilation[1]):
            part = out[:, a :: stride[0], b :: stride[1]]
            taps = Taps(
                tuple(r for r, _ in rows for _ in columns), tuple(c for _ in rows for c, _ in columns),
                (1, 1), part.shape[1:3], dy.shape[1:3],
            )  # fmt: skip
            turned = _turned(w, [i * kw + j for _, i in rows for _, j in columns], groups) if taps.rows else w
            conv_taps.run(part, dy, turned, None, taps, groups)


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


def backward_bias(db: Any, dy: Any, bounds: Any) -> None:
    """The gradient of the bias over the leaves of images that ``bounds`` cuts, added up along the tree."""
    dy = np.ascontiguousarray(nhwc(dy))
    column_sums(db, dy.reshape(-1, dy.shape[3]), bounds * (dy.shape[1] * dy.shape[2]))
