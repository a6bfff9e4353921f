"""Pooling to a given number of places."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np

from sparkdl.nn.layers.layout import check_format, either_layout
from sparkdl.nn.layers.windows import check_pictures, last, sizes
from sparkdl.nn.module import Layer


class _AdaptivePool(Layer):
    """Window i of m over n places runs from ``floor(i n / m)`` to ``ceil((i + 1) n / m)``.

    ``output_size`` is a number per axis (or one for all); None keeps the size of the input.
    """

    rank: int

    def __init__(self, output_size, data_format="NCHW") -> None:
        super().__init__()
        self.data_format = check_format(self, data_format)
        self.output_size = output_size
        wanted = (output_size,) * self.rank if np.ndim(output_size) == 0 else tuple(output_size)
        kept = tuple(1 if n is None else n for n in wanted)
        sizes(type(self).__name__, "output_size", kept, self.rank)
        self._wanted = wanted

    def _windows(self, x):
        """The number of windows along each axis, and each window's index in the output with its places."""
        check_pictures(self, x, self.rank)
        out = tuple(n if m is None else m for n, m in zip(x.shape[2:], self._wanted, strict=True))
        cuts = [
            [slice(i * n // m, -(-(i + 1) * n // m)) for i in range(m)] for n, m in zip(x.shape[2:], out, strict=True)
        ]
        return out, [
            (place, (slice(None), *(c[i] for c, i in zip(cuts, place, strict=True))))
            for place in product(*map(range, out))
        ]


class _AdaptiveAvgPool(_AdaptivePool):
    @either_layout
    def forward(self, x, ctx):
        out, windows = self._windows(x)
        y = ctx.empty((*x.shape[:2], *out))
        source = last(x)
        for place, window in windows:
            part = np.ascontiguousarray(source[window])
            part = part.reshape(len(x), prod(part.shape[1:-1]), x.shape[1])
            last(y)[(slice(None), *place)] = part.sum(1) / x.dtype.type(part.shape[1])
        ctx.save(x)
        return y

    @either_layout
    def backward(self, dy, ctx):
        (x,) = ctx.saved
        dx, dy = np.zeros((len(x), *x.shape[2:], x.shape[1]), dy.dtype), last(dy)
        for place, window in self._windows(x)[1]:
            part = dx[window]
            share = dy[(slice(None), *place)] / dy.dtype.type(prod(part.shape[1:-1]))
            part += share.reshape(len(x), *[1] * self.rank, x.shape[1])
        return np.moveaxis(dx, -1, 1)


class _AdaptiveMaxPool(_AdaptivePool):
    @either_layout
    def forward(self, x, ctx):
        out, windows = self._windows(x)
        y = ctx.empty((*x.shape[:2], *out))
        where = np.empty((len(windows), len(x), x.shape[1]), np.int64)
        source = last(x)
        for i, (place, window) in enumerate(windows):
            part = source[window].reshape(len(x), prod(source[window].shape[1:-1]), x.shape[1])
            where[i] = part.argmax(1)
            last(y)[(slice(None), *place)] = np.take_along_axis(part, where[i][:, None], 1)[:, 0]
        ctx.save(x, where)
        return y

    @either_layout
    def backward(self, dy, ctx):
        x, where = ctx.saved
        dx, dy = np.zeros((len(x), *x.shape[2:], x.shape[1]), dy.dtype), last(dy)
        for i, (place, window) in enumerate(self._windows(x)[1]):
            part = dx[window]
            spots = np.indices(part.shape[1:-1]).reshape(self.rank, -1)
            at = tuple(axis[where[i]] for axis in spots)
            rows, channels = np.ogrid[: len(x), : x.shape[1]]
            part[(rows, *at, channels)] += dy[(slice(None), *place)]
        return np.moveaxis(dx, -1, 1)


def _text(kind: str, places: str) -> str:
    return f"""{kind} of as many windows as the output has places. {_AdaptivePool.__doc__}
    Shapes
    ------
    input   (batch, channels, {places})
    output  (batch, channels, *output_size)
    """


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    __doc__ = _text("Means", "length")
    rank = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    __doc__ = _text("Means", "height, width")
    rank = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    __doc__ = _text("Means", "depth, height, width")
    rank = 3


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    __doc__ = _text("Largest values", "length")
    rank = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    __doc__ = _text("Largest values", "height, width")
    rank = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    __doc__ = _text("Largest values", "depth, height, width")
    rank = 3
