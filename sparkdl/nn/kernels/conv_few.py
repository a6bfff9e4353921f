"""Convolutions of few small pictures, where reading the weights is most of the work: tap by tap.

Each tap goes through the pixels that it meets and through nothing of the padding around them; threads share the output
channels, so every weight is read once. Sums are in the order of ``conv_taps``, hence of the same bits.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sparkdl.kernel import njit, num_threads, numba
from sparkdl.nn.kernels import bf16
from sparkdl.nn.kernels.block import STORED, block, steps
from sparkdl.nn.kernels.conv_taps import Taps, elements, halved

prange = numba().prange
_PIXELS = 64  # of all pictures together
_DEPTH = 128  # channels at a time: their weights stay in the nearest caches for all pixels


def suits(taps: Taps, batch: int, groups: int) -> bool:
    """Whether this is a case for ``prepare``: few pixels, and some taps meet padding."""
    pixels = taps.grid[0] * taps.grid[1]
    return groups == 1 and batch * pixels <= _PIXELS and _met(taps) < len(taps.rows) * pixels


def _met(taps: Taps) -> int:
    return sum(len(source) for source, _ in _pairs(taps))


def _pairs(taps: Taps) -> list[tuple[np.ndarray, np.ndarray]]:
    """Per tap, the source and output pixels (row, column) that it connects."""
    grid = np.stack(np.meshgrid(*map(np.arange, taps.grid), indexing="ij"), axis=-1).reshape(-1, 2)
    found = []
    for tap in zip(taps.rows, taps.columns, strict=True):
        source = grid * taps.stride + tap
        inside = ((source >= 0) & (source < taps.source)).all(axis=1)
        found.append((source[inside], grid[inside]))
    return found


@njit(parallel=True)
def _tap_by_tap(out, x, w, bias, has_bias, relu, depth, parts, first, roff, coff, every, zero):
    """``w`` (panels, taps depth, width); tap t goes from ``roff`` to ``coff`` at ``first[t]`` to ``first[t + 1]``."""
    panels, width, size = w.shape[0], w.shape[2], x.itemsize
    flat, nothing = out.reshape(-1), out.dtype.type(0)
    for part in prange(parts):
        for p in range(part * panels // parts, (part + 1) * panels // parts):
            j = p * width
            for at in every:
                for c in range(width):
                    flat[at + j + c] = bias[j + c] if has_bias else nothing
            for t in range(len(first) - 1):
                for k in range(0, depth, _DEPTH):
                    block(
                        x, x.ctypes.data + k * size, roff.ctypes.data + 8 * first[t], 1, zero.ctypes.data, 1,
                        min(_DEPTH, depth - k), w[p].ctypes.data + (t * depth + k) * width * size, width, 0,
                        out.ctypes.data + j * size, coff.ctypes.data + 8 * first[t], first[t + 1] - first[t], width,
                        STORED, 0,
                    )  # fmt: skip
            if relu:
                for at in every:
                    for c in range(width):
                        value = flat[at + j + c]
                        flat[at + j + c] = nothing if value < nothing else value


def prepare(
    out: np.ndarray, x: np.ndarray, bias: np.ndarray | None, taps: Taps, relu: bool, panels: np.ndarray
) -> Callable[[np.ndarray, np.ndarray], None]:
    """As ``conv_taps.prepare`` with the same ``panels``; ``out`` is dense."""
    half = halved(x.shape[3], 1, x.dtype)
    like = bf16.columns(x[:0]) if half else x
    batch = np.arange(len(x))[:, None]
    (image, row, column, _), target = elements(like), elements(out)
    pairs = _pairs(taps)
    roff = [(batch * image + source @ (row, column)).reshape(-1) for source, _ in pairs]
    coff = [(batch * target[0] + pixels @ target[1:3]).reshape(-1) for _, pixels in pairs]
    first = np.cumsum([0, *map(len, roff)])
    every = steps(out.size // out.shape[3], out.shape[3])
    tables = first, *(np.concatenate(each).astype(np.int64) for each in (roff, coff)), every
    more, depth = np.empty(0, out.dtype) if bias is None else bias, like.shape[3]
    parts, zero = max(1, min(num_threads(), len(panels))), steps(1)

    def go(out: np.ndarray, x: np.ndarray) -> None:
        x = bf16.columns(x) if half else x
        _tap_by_tap(out, x, panels, more, bias is not None, relu, depth, parts, *tables, zero)

    return go
