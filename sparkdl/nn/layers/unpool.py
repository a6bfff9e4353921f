"""Pooling that remembers places, and its inverse."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.windows import Windows, sizes
from sparkdl.nn.module import Layer


class MaxPoolWithIndices2d(Layer):
    """The largest value of each window, and its place ``row * width + column`` in the picture, as a float.

    Shapes
    ------
    input    (batch, channels, height, width)
    outputs  two arrays (batch, channels, *, *)
    """

    outputs = 2

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode: bool = False) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding, self.ceil_mode = kernel_size, stride, padding, ceil_mode
        kernel = sizes("MaxPoolWithIndices2d", "kernel_size", kernel_size, 2)
        step = kernel if stride is None else sizes("MaxPoolWithIndices2d", "stride", stride, 2)
        pads = sizes("MaxPoolWithIndices2d", "padding", padding, 2, least=0)
        self.windows = Windows(kernel, step, tuple((p, p) for p in pads), (1, 1))

    def forward(self, x, ctx):
        if x.ndim != 4:
            raise ShapeError(f"{self!r} takes (batch, channels, height, width), got {x.shape}.")
        windows = self.windows
        height, width = x.shape[2:]
        out = windows.out(self, x.shape[2:], self.ceil_mode)
        (top, _), (left, _) = windows.pads
        (kernel_h, kernel_w), (step_h, step_w) = windows.kernel, windows.stride
        y = np.full((*x.shape[:2], *out), -np.inf, x.dtype)
        place = np.full(y.shape, -1, np.int64)
        for i in range(kernel_h):
            rows = np.arange(out[0]) * step_h + i - top
            for j in range(kernel_w):
                columns = np.arange(out[1]) * step_w + j - left
                down, across = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
                value = x[:, :, rows[down]][..., columns[across]]
                window = np.ix_(np.arange(len(x)), np.arange(x.shape[1]), np.flatnonzero(down), np.flatnonzero(across))
                better = (value > y[window]) | (place[window] < 0)
                y[window] = np.where(better, value, y[window])
                place[window] = np.where(better, rows[down][:, None] * width + columns[across], place[window])
        ctx.save(place, x.shape)
        return y, place.astype(x.dtype)

    def backward(self, dy, dplace, ctx):
        place, shape = ctx.saved
        return _scatter(np.zeros((*shape[:2], shape[2] * shape[3]), dy.dtype), place, dy).reshape(shape)


class MaxUnpool2d(Layer):
    """Zeros, but for the values of ``x`` at the places that ``MaxPoolWithIndices2d`` gave, in a picture of ``size``.

    Shapes
    ------
    inputs  x and places, (batch, channels, height, width)
    output  (batch, channels, *size)
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = tuple(int(n) for n in size)

    def forward(self, x, places, ctx):
        if x.shape != places.shape or x.ndim != 4:
            raise ShapeError(f"{self!r} takes values and places of one shape, got {x.shape} and {places.shape}.")
        places = places.astype(np.int64)
        if places.size and not (0 <= places.min() and places.max() < self.size[0] * self.size[1]):
            raise ShapeError(f"{self!r}: place {places.max()} lies outside; give the size that was pooled.")
        ctx.save(places, x.shape)
        return _scatter(np.zeros((*x.shape[:2], self.size[0] * self.size[1]), x.dtype), places, x).reshape(
            *x.shape[:2], *self.size
        )

    def backward(self, dy, ctx):
        places, shape = ctx.saved
        flat = dy.reshape(*shape[:2], self.size[0] * self.size[1])
        return np.take_along_axis(flat, places.reshape(*shape[:2], shape[2] * shape[3]), axis=2).reshape(shape), None


def _scatter(flat, places, values):
    """Adds values at places of the last axis of ``flat``."""
    n, channels, height, width = places.shape
    places = places.reshape(n, channels, height * width)
    index = (np.arange(n)[:, None, None], np.arange(channels)[None, :, None], places)
    np.add.at(flat, index, values.reshape(places.shape))
    return flat
