"""Regions of a feature map as maps of one size."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.kernel import njit, numba
from sparkdl.nn.layers.windows import last, sizes
from sparkdl.nn.module import Layer

prange = numba().prange


class _Roi(Layer):
    """What the two ways to pool regions share."""

    output_size: Any
    spatial_scale: float
    data_format: str

    def _checked(self, x, regions):
        """Channels-last features and contiguous regions."""
        channels_last = self.data_format == "NHWC"
        if x.ndim != 4 or regions.ndim != 3 or regions.shape[2] != 4 or len(regions) != len(x):
            wanted = "(batch, height, width, channels)" if channels_last else "(batch, channels, height, width)"
            raise ShapeError(
                f"{self!r} takes {wanted} and regions (batch, n, 4), got {x.shape} and {regions.shape}."
            )
        return np.ascontiguousarray(x if channels_last else last(x)), np.ascontiguousarray(regions, x.dtype)

    def _out(self, y):
        return y if self.data_format == "NHWC" else np.moveaxis(y, -1, 2)

    def _in(self, dy):
        return np.ascontiguousarray(dy if self.data_format == "NHWC" else np.moveaxis(dy, 2, -1))

    def _dx(self, dv):
        return dv if self.data_format == "NHWC" else np.moveaxis(dv, -1, 1)

    def _size(self):
        return sizes(type(self).__name__, "output_size", self.output_size, 2)


class RoiPool(_Roi):
    """The largest value of each cell of a grid over each region.

    The corners are rounded to places of the map and belong to the region. Cells start at ``floor`` and end at ``ceil``;
    an empty one gives 0. A region with x2 < x1 gives zeros.

    Shapes
    ------
    inputs  x (batch, channels, height, width); regions (batch, n, 4): x1, y1, x2, y2, which times ``spatial_scale`` are
            places of x
    output  (batch, n, channels, *output_size); with ``data_format="NHWC"`` channels stand last in both

    Source: Girshick (2015), section 2.1.
    """

    def __init__(self, output_size, spatial_scale: float = 1.0, data_format: str = "NCHW") -> None:
        super().__init__()
        self.output_size, self.spatial_scale, self.data_format = output_size, spatial_scale, data_format
        self._size()

    def forward(self, x, regions, ctx):
        v, regions = self._checked(x, regions)
        y, best = largest(v, regions, self._size(), self.spatial_scale)
        ctx.save(best, v.shape)
        return self._out(y)

    def backward(self, dy, ctx):
        best, shape = ctx.saved
        dv = np.zeros(shape, dy.dtype)
        _to_largest(dv, self._in(dy), best)
        return self._dx(dv), None


class RoiAlign(_Roi):
    """The mean of points on a regular grid in each cell of a grid over each region, interpolated between four places.

    ``sampling_ratio`` points per axis and cell; 0: as many as the cell has places, rounded up. ``aligned`` moves
    regions by half a place, so that a place is the middle of its square, and lets them be smaller than one place. A
    region with x2 < x1 gives zeros.

    Shapes
    ------
    inputs  x (batch, channels, height, width); regions (batch, n, 4): x1, y1, x2, y2, which times ``spatial_scale`` are
            places of x
    output  (batch, n, channels, *output_size); with ``data_format="NHWC"`` channels stand last in both

    Source: He et al. (2017), section 3.
    """

    def __init__(
        self, output_size, spatial_scale: float = 1.0, sampling_ratio: int = 0, aligned: bool = False,
        data_format: str = "NCHW",
    ) -> None:  # fmt: skip
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale
        self.sampling_ratio, self.aligned, self.data_format = sampling_ratio, aligned, data_format
        self._size()

    def forward(self, x, regions, ctx):
        v, regions = self._checked(x, regions)
        y = interpolated(v, regions, self._size(), self.spatial_scale, self.sampling_ratio, self.aligned)
        ctx.save(regions, v.shape)
        return self._out(y)

    def backward(self, dy, ctx):
        regions, shape = ctx.saved
        dv, dy = np.zeros(shape, dy.dtype), self._in(dy)
        _interpolate(dy, dv, regions, dy.dtype.type(self.spatial_scale), self.sampling_ratio, self.aligned, True)
        return self._dx(dv), None


def largest(v, regions, size, scale):
    """The largest values of channels-last maps in each cell, and their places (-1: none)."""
    y = np.zeros((*regions.shape[:2], *size, v.shape[3]), v.dtype)
    best = np.full(y.shape, -1, np.int64)
    _largest(y, best, v, regions, v.dtype.type(scale))
    return y, best


def interpolated(v, regions, size, scale, sampling_ratio, aligned):
    """The means of points between places of channels-last maps in each cell."""
    y = np.zeros((*regions.shape[:2], *size, v.shape[3]), v.dtype)
    _interpolate(y, v, regions, v.dtype.type(scale), sampling_ratio, aligned, False)
    return y


@njit
def _round(v):
    """To the nearest whole number, halves away from 0."""
    return int(np.floor(v + 0.5)) if v >= 0 else int(np.ceil(v - 0.5))


@njit(parallel=True)
def _largest(y, best, x, regions, scale):
    for n in prange(len(x)):
        height, width = x.shape[1], x.shape[2]
        rows, columns = y.shape[2], y.shape[3]
        for r in range(regions.shape[1]):
            region = regions[n, r]
            if region[2] < region[0]:
                continue
            left, top = _round(region[0] * scale), _round(region[1] * scale)
            wide = max(_round(region[2] * scale) - left + 1, 1)
            high = max(_round(region[3] * scale) - top + 1, 1)
            for i in range(rows):
                y0 = min(max(top + i * high // rows, 0), height)
                y1 = min(max(top - (-(i + 1) * high // rows), 0), height)
                for j in range(columns):
                    x0 = min(max(left + j * wide // columns, 0), width)
                    x1 = min(max(left - (-(j + 1) * wide // columns), 0), width)
                    for a in range(y0, y1):
                        for b in range(x0, x1):
                            for c in range(x.shape[3]):
                                if best[n, r, i, j, c] < 0 or x[n, a, b, c] > y[n, r, i, j, c]:
                                    y[n, r, i, j, c] = x[n, a, b, c]
                                    best[n, r, i, j, c] = a * width + b


@njit(parallel=True)
def _to_largest(dx, dy, best):
    for n in prange(len(dx)):
        width = dx.shape[2]
        for r in range(dy.shape[1]):
            for i in range(dy.shape[2]):
                for j in range(dy.shape[3]):
                    for c in range(dy.shape[4]):
                        place = best[n, r, i, j, c]
                        if place >= 0:
                            dx[n, place // width, place % width, c] += dy[n, r, i, j, c]


@njit(parallel=True)
def _interpolate(y, x, regions, scale, ratio, aligned, back):
    """``y`` from ``x``; or, ``back``, adds the gradient ``y`` of the outputs to ``x``, that of the features."""
    for n in prange(len(x)):
        rows, columns = y.shape[2], y.shape[3]
        half, least = (y.dtype.type(0.5), y.dtype.type(0)) if aligned else (y.dtype.type(0), y.dtype.type(1))
        for r in range(regions.shape[1]):
            region = regions[n, r]
            if region[2] < region[0]:
                continue
            left, top = region[0] * scale - half, region[1] * scale - half
            wide = max(region[2] * scale - half - left, least) / y.dtype.type(columns)
            high = max(region[3] * scale - half - top, least) / y.dtype.type(rows)
            down = ratio if ratio > 0 else max(int(np.ceil(high)), 1)
            across = ratio if ratio > 0 else max(int(np.ceil(wide)), 1)
            share = y.dtype.type(1) / y.dtype.type(down * across)
            for i in range(rows):
                for j in range(columns):
                    for a in range(down):
                        at_y = top + high * (y.dtype.type(i) + y.dtype.type(a + 0.5) / y.dtype.type(down))
                        for b in range(across):
                            at_x = left + wide * (y.dtype.type(j) + y.dtype.type(b + 0.5) / y.dtype.type(across))
                            _point(y[n, r, i, j], x[n], at_y, at_x, share, back)


@njit
def _point(y, x, at_y, at_x, share, back):
    """Adds ``share`` of the value at a point between places to ``y``; or spreads ``y`` over the places."""
    height, width = x.shape[0], x.shape[1]
    one, zero = y.dtype.type(1), y.dtype.type(0)
    if at_y < -one or at_y > height or at_x < -one or at_x > width:
        return
    at_y, at_x = max(at_y, zero), max(at_x, zero)
    y0, x0 = min(int(at_y), height - 1), min(int(at_x), width - 1)
    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
    fy, fx = at_y - y.dtype.type(y0), at_x - y.dtype.type(x0)
    if y0 == height - 1:
        fy = zero
    if x0 == width - 1:
        fx = zero
    w00, w01 = (one - fy) * (one - fx) * share, (one - fy) * fx * share
    w10, w11 = fy * (one - fx) * share, fy * fx * share
    for c in range(len(y)):
        if back:
            x[y0, x0, c] += w00 * y[c]
            x[y0, x1, c] += w01 * y[c]
            x[y1, x0, c] += w10 * y[c]
            x[y1, x1, c] += w11 * y[c]
        else:
            y[c] += w00 * x[y0, x0, c] + w01 * x[y0, x1, c] + w10 * x[y1, x0, c] + w11 * x[y1, x1, c]
