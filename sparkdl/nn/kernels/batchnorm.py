"""Batch normalisation of channels-last arrays with the ReLU, and the 2x2 maximum, that may follow.

    moments(sums, x, bounds)                    per leaf: sums and sums of squares (leaves, 2, channels), float64
    apply(y, x, p, relu)                                  y = relu(scale x + shift)
    gradient_sums(sums, x, dy, p, relu, bounds)           per leaf: of g = dy relu' and of g xhat
    gradient(dx, x, dy, p, relu)                          dx = k (g - a - b xhat)
    pool_apply, pool_gradient_sums, pool_gradient   with the maximum: y, dy and index are a quarter as large

``x`` is (batch, height, width, channels), C contiguous; ``p`` (7, channels) holds scale, shift, mean, 1/deviation, k,
a and b. ``bounds`` are the offsets of the leaves in the batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.kernel import njit, num_threads, numba
from sparkdl.nn.kernels import norm_lanes

prange = numba().prange
_CHUNK = 64  # pixels whose values stay in the first-level cache while each vector of channels runs over them

_sums, _apply, _grad_sums, _grad = norm_lanes.sums, norm_lanes.apply, norm_lanes.grad_sums, norm_lanes.grad
_pool, _pool_grad_sums, _pool_grad = norm_lanes.pool, norm_lanes.pool_grad_sums, norm_lanes.pool_grad


@njit(parallel=True)
def _moments(sums, x, bounds):
    size, channels = x.itemsize, x.shape[3]
    image = x.shape[1] * x.shape[2]
    for leaf in prange(len(bounds) - 1):
        sums[leaf] = 0
        stop = bounds[leaf + 1] * image
        for p in range(bounds[leaf] * image, stop, _CHUNK):
            _sums(x, x.ctypes.data + p * channels * size, sums[leaf].ctypes.data, min(_CHUNK, stop - p), channels)


@njit(parallel=True)
def _scaled(y, x, p, relu, parts):
    size, channels = x.itemsize, x.shape[3]
    total = x.shape[0] * x.shape[1] * x.shape[2]
    for part in prange(parts):
        first, stop = part * total // parts, (part + 1) * total // parts
        at = first * channels * size
        _apply(x, x.ctypes.data + at, y.ctypes.data + at, p.ctypes.data, relu, stop - first, channels)


@njit(parallel=True)
def _gradient_sums(sums, x, dy, p, relu, bounds):
    size, channels = x.itemsize, x.shape[3]
    image = x.shape[1] * x.shape[2]
    for leaf in prange(len(bounds) - 1):
        sums[leaf] = 0
        stop = bounds[leaf + 1] * image
        for i in range(bounds[leaf] * image, stop, _CHUNK):
            at = i * channels * size
            _grad_sums(
                x, x.ctypes.data + at, dy.ctypes.data + at, p.ctypes.data, relu, sums[leaf].ctypes.data,
                min(_CHUNK, stop - i), channels,
            )  # fmt: skip


@njit(parallel=True)
def _gradient(dx, x, dy, p, relu, parts):
    size, channels = x.itemsize, x.shape[3]
    total = x.shape[0] * x.shape[1] * x.shape[2]
    for part in prange(parts):
        first, stop = part * total // parts, (part + 1) * total // parts
        at = first * channels * size
        _grad(
            x, x.ctypes.data + at, dy.ctypes.data + at, dx.ctypes.data + at, p.ctypes.data, relu, stop - first, channels
        )


@njit(parallel=True)
def _pooled(y, index, x, p, relu, parts):
    size, (batch, height, width, channels) = x.itemsize, x.shape
    rows = height // 2
    for part in prange(parts):
        for i in range(part * batch * rows // parts, (part + 1) * batch * rows // parts):
            n, r = i // rows, i % rows
            _pool(
                x, x.ctypes.data + (n * height + 2 * r) * width * channels * size, width * channels, channels,
                y.ctypes.data + i * y.shape[2] * channels * size, index.ctypes.data + i * y.shape[2] * channels,
                p.ctypes.data, relu, y.shape[2], channels,
            )  # fmt: skip


@njit(parallel=True)
def _pooled_gradient_sums(sums, x, dy, index, p, bounds):
    size, (_, height, width, channels) = x.itemsize, x.shape
    rows, columns = dy.shape[1], dy.shape[2]
    for leaf in prange(len(bounds) - 1):
        sums[leaf] = 0
        for i in range(bounds[leaf] * rows, bounds[leaf + 1] * rows):
            n, r = i // rows, i % rows
            _pool_grad_sums(
                x, x.ctypes.data + (n * height + 2 * r) * width * channels * size, width * channels, channels,
                dy.ctypes.data + i * columns * channels * size, index.ctypes.data + i * columns * channels,
                p.ctypes.data, sums[leaf].ctypes.data, columns, channels,
            )  # fmt: skip


@njit(parallel=True)
def _pooled_gradient(dx, x, dy, index, p, parts):
    size, (batch, height, width, channels) = x.itemsize, x.shape
    rows, columns = dy.shape[1], dy.shape[2]
    for part in prange(parts):
        for i in range(part * batch * rows // parts, (part + 1) * batch * rows // parts):
            n, r = i // rows, i % rows
            at = (n * height + 2 * r) * width * channels * size
            _pool_grad(
                x, x.ctypes.data + at, width * channels, channels, dy.ctypes.data + i * columns * channels * size,
                index.ctypes.data + i * columns * channels, dx.ctypes.data + at, p.ctypes.data, columns, channels,
            )  # fmt: skip


def _parts(rows: int) -> int:
    return max(1, min(num_threads(), rows))


def moments(sums: Any, x: Any, bounds: Any) -> None:
    _moments(sums, x, bounds)


def apply(y: Any, x: Any, p: Any, relu: bool) -> None:
    _scaled(y, x, p, int(relu), _parts(len(x)))


def gradient_sums(sums: Any, x: Any, dy: Any, p: Any, relu: bool, bounds: Any) -> None:
    _gradient_sums(sums, x, dy, p, int(relu), bounds)


def gradient(dx: Any, x: Any, dy: Any, p: Any, relu: bool) -> None:
    _gradient(dx, x, dy, p, int(relu), _parts(len(x)))


def pool_apply(y: Any, index: Any, x: Any, p: Any, relu: bool) -> None:
    _pooled(y, index, x, p, int(relu), _parts(len(x)))


def pool_gradient_sums(sums: Any, x: Any, dy: Any, index: Any, p: Any, bounds: Any) -> None:
    _pooled_gradient_sums(sums, x, dy, index, p, bounds)


def pool_gradient(dx: Any, x: Any, dy: Any, index: Any, p: Any) -> None:
    """``dx`` of odd sizes has a last row or column that no maximum reaches: it still follows the statistics."""
    _pooled_gradient(dx, x, dy, index, p, _parts(len(x)))
    height, width = 2 * dy.shape[1], 2 * dy.shape[2]
    for border in ((slice(None), slice(height, None)), (slice(None), slice(0, height), slice(width, None))):
        rest = x[border]
        if rest.size:
            dx[border] = p[4] * (-p[5] - p[6] * ((rest - p[2]) * p[3]))


def parameters(channels: int, dtype: Any) -> np.ndarray:
    """Room for ``p``."""
    return np.zeros((7, channels), dtype)
