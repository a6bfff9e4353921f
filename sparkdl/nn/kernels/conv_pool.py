"""Convolution, 2x2 maximum and activation, image by image: what lies between stays in the nearest cache.

    forward(y, index, x, w, bias, shape, tables)      y = act(max2x2(x * w + bias)), index: which of the four
    backward(dw, db, dx, y, index, dy, x, w, shape, tables, bounds)

Arrays are NHWC, C contiguous; ``dw`` (leaves, rows, out), ``db`` (leaves, out) per run of images ``bounds``. The
gradient of ``x`` is made by one product per pixel with all of ``w``, whose result is added up where the windows lie.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from sparkdl.kernel import njit, num_threads, numba
from sparkdl.nn.kernels.activations import activate, slope
from sparkdl.nn.kernels.block import BIAS, STORED, ZERO, block, steps
from sparkdl.nn.kernels.lanes import add_runs, pool_row, unpool_row
from sparkdl.nn.kernels.memory import clear_bytes, copy_bytes

prange = numba().prange
_PRODUCTS = 1 << 15  # elements: products of the input's gradient at a time


class Shape(NamedTuple):
    height: int
    width: int
    channels: int
    top: int
    left: int
    padded_height: int
    padded_width: int
    kernel_height: int
    kernel_width: int
    stride: int
    out_height: int  # before pooling
    out_width: int
    out: int
    act: int
    band: int  # rows of pixels whose products are held at a time


class Tables(NamedTuple):
    """Offsets for the micro-kernel: of pixels, kernel rows, output pixels; of the gradients' rows, pixel rows, rows."""

    pixels: np.ndarray
    taps: np.ndarray
    outputs: np.ndarray
    window: np.ndarray
    rows: np.ndarray
    weights: np.ndarray
    products: np.ndarray
    zero: np.ndarray


@lru_cache(maxsize=256)
def plan(
    size: tuple[int, int, int], kernel: tuple[int, int], stride: int, padding: tuple, out: int, act: int
) -> tuple[Shape, Tables]:
    """For images of ``size`` (height, width, channels); ``padding`` is two pairs."""
    (height, width, channels), (kh, kw), ((top, bottom), (left, right)) = size, kernel, padding
    ph, pw = height + top + bottom, width + left + right
    oh, ow = (ph - kh) // stride + 1, (pw - kw) // stride + 1
    pitch, window = pw * channels, kh * kw * channels
    band = max(1, min(oh, _PRODUCTS // (ow * window)))
    shape = Shape(height, width, channels, top, left, ph, pw, kh, kw, stride, oh, ow, out, act, band)
    pixels = np.add.outer(steps(oh, stride * pitch), steps(ow, stride * channels)).reshape(-1)
    inner = np.add.outer(steps(kh, pitch), steps(kw * channels)).reshape(-1)
    return shape, Tables(
        pixels, steps(kh, pitch), steps(oh * ow, out), inner, steps(oh, stride * pitch), steps(window, out),
        steps(band * ow, window), steps(1),
    )  # fmt: skip


@njit
def _image(x, n, padded, s):
    """Address of image ``n``, with its border in ``padded`` if it has one."""
    size = x.itemsize
    at = x.ctypes.data + n * x.strides[0]
    if s.padded_height == s.height and s.padded_width == s.width:
        return at
    row = s.width * s.channels * size
    for h in range(s.height):  # the border was cleared once
        to = padded.ctypes.data + size * ((h + s.top) * s.padded_width + s.left) * s.channels
        copy_bytes(to, at + h * row, row)
    return padded.ctypes.data


@njit(parallel=True)
def _forward(y, index, x, w, bias, has_bias, s, t, parts):
    size = x.itemsize
    depth = s.kernel_width * s.channels
    rows, columns = y.shape[1], y.shape[2]
    for part in prange(parts):
        padded = np.zeros(s.padded_height * s.padded_width * s.channels, x.dtype)
        made = np.empty(s.out_height * s.out_width * s.out, x.dtype)
        pitch = s.out_width * s.out
        for n in range(part * len(x) // parts, (part + 1) * len(x) // parts):
            block(
                x, _image(x, n, padded, s), t.pixels.ctypes.data, 1, t.taps.ctypes.data, s.kernel_height, depth,
                w.ctypes.data, s.out, depth * s.out, made.ctypes.data, t.outputs.ctypes.data,
                s.out_height * s.out_width, s.out, BIAS if has_bias else ZERO, bias.ctypes.data,
            )  # fmt: skip
            for r in range(rows):
                pool_row(
                    x, made.ctypes.data + 2 * r * pitch * size, pitch, s.out,
                    y.ctypes.data + n * y.strides[0] + r * y.strides[1],
                    index.ctypes.data + n * index.strides[0] + r * index.strides[1], columns, s.out,
                )  # fmt: skip
            activate(y[n].reshape(-1), s.act)


@njit(parallel=True)
def _backward(dw, db, dx, with_dx, y, index, dy, x, turned, s, t, bounds):
    size = x.itemsize
    window, pitch = s.kernel_height * s.kernel_width * s.channels, s.out_width * s.out
    rows, columns = y.shape[1], y.shape[2]
    row = s.kernel_width * s.channels
    for leaf in prange(len(bounds) - 1):
        padded = np.zeros(s.padded_height * s.padded_width * s.channels, x.dtype)
        dpadded = np.empty(s.padded_height * s.padded_width * s.channels, x.dtype)
        g = np.empty(rows * columns * s.out, x.dtype)
        dz = np.zeros(s.out_height * s.out_width * s.out, x.dtype)
        products = np.empty(s.band * s.out_width * window, x.dtype)
        dw[leaf] = 0
        db[leaf] = 0
        for n in range(bounds[leaf], bounds[leaf + 1]):
            slope(g, y[n].reshape(-1), dy[n].reshape(-1), s.act)
            for r in range(rows):
                unpool_row(
                    x, g.ctypes.data + r * columns * s.out * size,
                    index.ctypes.data + n * index.strides[0] + r * index.strides[1],
                    dz.ctypes.data + 2 * r * pitch * size, pitch, s.out, db.ctypes.data + leaf * s.out * size,
                    columns, s.out,
                )  # fmt: skip
            block(
                x, _image(x, n, padded, s), t.window.ctypes.data, s.stride * s.channels, t.rows.ctypes.data,
                s.out_height, s.out_width, dz.ctypes.data, s.out, pitch, dw.ctypes.data + leaf * window * s.out * size,
                t.weights.ctypes.data, window, s.out, STORED, 0,
            )  # fmt: skip
            if not with_dx:
                continue
            clear_bytes(dpadded.ctypes.data, dpadded.size * size)
            for first in range(0, s.out_height, s.band):
                band = min(s.band, s.out_height - first)
                block(
                    x, dz.ctypes.data + first * pitch * size, t.outputs.ctypes.data, 1, t.zero.ctypes.data, 1, s.out,
                    turned.ctypes.data, window, 0, products.ctypes.data, t.products.ctypes.data, band * s.out_width,
                    window, ZERO, 0,
                )  # fmt: skip
                for p in range(band * s.out_width):
                    h, c = first + p // s.out_width, p % s.out_width
                    corner = (h * s.padded_width + c) * s.stride * s.channels
                    add_runs(
                        x, dpadded.ctypes.data + corner * size, s.padded_width * s.channels,
                        products.ctypes.data + p * window * size, s.kernel_height, row,
                    )  # fmt: skip
            whole = s.width * s.channels * size
            for h in range(s.height):
                source = ((h + s.top) * s.padded_width + s.left) * s.channels
                copy_bytes(dx.ctypes.data + n * dx.strides[0] + h * whole, dpadded.ctypes.data + source * size, whole)


def forward(y: Any, index: Any, x: Any, w: Any, bias: Any, shape: Shape, tables: Tables) -> None:
    """``y`` and ``index`` (int8) from ``x`` and ``w`` (HWIO)."""
    flat = w.reshape(-1)
    parts = max(1, min(num_threads(), len(x)))
    _forward(y, index, x, flat, flat if bias is None else bias, bias is not None, shape, tables, parts)


def backward(
    dw: Any, db: Any, dx: Any, y: Any, index: Any, dy: Any, x: Any, w: Any, shape: Shape, tables: Tables, bounds: Any
) -> None:
    """Gradients of the weights and the bias per leaf, and of ``x`` unless ``dx`` is None."""
    turned = np.ascontiguousarray(w.reshape(-1, w.shape[3]).T)
    _backward(
        dw, db, y[:0] if dx is None else dx, dx is not None, y, index, dy, x, turned, shape, tables, bounds
    )  # fmt: skip
