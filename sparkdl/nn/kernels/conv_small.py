"""Convolutions over maps of few pixels, where much of a padded window is padding: pixel by pixel, over all images.

    run(out, x, w, kernel, bias, before)    out and x (batch, height, width, channels), dense; w (taps, in, out)
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sparkdl.kernel import njit, num_threads, numba
from sparkdl.nn.kernels.block import BIAS, STORED, ZERO, block, panel, steps

prange = numba().prange
Pair = tuple[int, int]


def suits(kernel: Pair, stride: Pair, dilation: Pair, groups: int, source: Pair, grid: Pair) -> bool:
    """Whether this is a case for ``run``."""
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


def run(
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
