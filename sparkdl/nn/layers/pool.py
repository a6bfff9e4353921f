"""Largest values and means of windows, over sequences, pictures and volumes."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.windows import Windows, check_pictures, last, sizes
from sparkdl.nn.module import Layer


class _Pool(Layer):
    """What both kinds of pooling share: ``stride`` None means the window's own size."""

    rank: int

    def _set(self, kernel_size, stride, padding, dilation, ceil_mode):
        name = type(self).__name__
        self.kernel_size, self.stride, self.padding, self.ceil_mode = kernel_size, stride, padding, ceil_mode
        kernel = sizes(name, "kernel_size", kernel_size, self.rank)
        step = kernel if stride is None else sizes(name, "stride", stride, self.rank)
        pads = sizes(name, "padding", padding, self.rank, least=0)
        apart = sizes(name, "dilation", dilation, self.rank)
        if any(2 * p > d * (k - 1) + 1 for p, k, d in zip(pads, kernel, apart, strict=True)):
            raise ShapeError(f"{name}: padding is at most half of the window, got {padding!r} for {kernel_size!r}.")
        self.windows = Windows(kernel, step, tuple((p, p) for p in pads), apart)


class _MaxPool(_Pool):
    """The largest value of each window; of equal ones the first gets the gradient."""

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False) -> None:
        super().__init__()
        self.dilation = dilation
        self._set(kernel_size, stride, padding, dilation, ceil_mode)

    def forward(self, x, ctx):
        check_pictures(self, x, self.rank)
        windows = self.windows
        out = windows.out(self, x.shape[2:], self.ceil_mode)
        padded = windows.padded(last(x), -np.inf, out)
        y = ctx.empty((*x.shape[:2], *out))
        best = last(y)
        best.fill(-np.inf)
        where = np.zeros(best.shape, np.int16) if ctx.run.training else None
        for i, (_, places) in enumerate(windows.offsets(out)):
            value = padded[places]
            better = (value > best) | (value != value)  # NaN wins
            np.copyto(best, value, where=better)
            if where is not None:
                np.copyto(where, np.int16(i), where=better)
        ctx.save(where, padded.shape, x.shape, out)
        return y

    def backward(self, dy, ctx):
        where, padded, shape, out = ctx.saved
        dy, dx = last(dy), np.zeros(padded, dy.dtype)
        for i, (_, places) in enumerate(self.windows.offsets(out)):
            dx[places] += dy * (where == i)
        return np.moveaxis(self.windows.inner(dx, shape[2:]), -1, 1)


class _AvgPool(_Pool):
    """The mean of each window.

    Padding counts as zeros (unless ``count_include_pad`` is False); what lies behind the padding, where ``ceil_mode``
    lets a window reach, never counts. ``divisor_override`` divides by that number instead.
    """

    def __init__(
        self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
    ) -> None:
        super().__init__()
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override
        self._set(kernel_size, stride, padding, 1, ceil_mode)

    def _divisors(self, places, out, dtype):
        """What the sum of each window is divided by, ``(*out, 1)``."""
        if self.divisor_override is not None:
            return dtype.type(self.divisor_override)
        windows = self.windows
        counts = np.ones(1)
        for axis, (n, count, step, kernel, (before, after)) in enumerate(
            zip(places, out, windows.stride, windows.kernel, windows.pads, strict=True)
        ):
            first = np.arange(count) * step - before
            low, high = (-before, n + after) if self.count_include_pad else (0, n)
            inside = np.minimum(first + kernel, high) - np.maximum(first, low)
            counts = counts * inside.reshape(-1, *[1] * (len(out) - axis))
        return counts.astype(dtype)

    def forward(self, x, ctx):
        check_pictures(self, x, self.rank)
        windows = self.windows
        out = windows.out(self, x.shape[2:], self.ceil_mode)
        padded = windows.padded(last(x), 0, out)
        y = ctx.empty((*x.shape[:2], *out))
        total = last(y)
        total.fill(0)
        for _, places in windows.offsets(out):
            total += padded[places]
        total /= self._divisors(x.shape[2:], out, y.dtype)
        ctx.save(padded.shape, x.shape, out)
        return y

    def backward(self, dy, ctx):
        padded, shape, out = ctx.saved
        dx = np.zeros(padded, dy.dtype)
        each = last(dy) / self._divisors(shape[2:], out, dy.dtype)
        for _, places in self.windows.offsets(out):
            dx[places] += each
        return np.moveaxis(self.windows.inner(dx, shape[2:]), -1, 1)


def _shapes(rank: int) -> str:
    return f"""

    Shapes
    ------
    input   (batch, channels, {', '.join('size' for _ in range(rank))})
    output  (batch, channels, *), each size (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    """


class MaxPool1d(_MaxPool):
    __doc__ = f"{_MaxPool.__doc__}{_shapes(1)}"
    rank = 1


class MaxPool2d(_MaxPool):
    __doc__ = f"{_MaxPool.__doc__}{_shapes(2)}"
    rank = 2


class MaxPool3d(_MaxPool):
    __doc__ = f"{_MaxPool.__doc__}{_shapes(3)}"
    rank = 3


class AvgPool1d(_AvgPool):
    __doc__ = f"{_AvgPool.__doc__}{_shapes(1)}"
    rank = 1


class AvgPool2d(_AvgPool):
    __doc__ = f"{_AvgPool.__doc__}{_shapes(2)}"
    rank = 2


class AvgPool3d(_AvgPool):
    __doc__ = f"{_AvgPool.__doc__}{_shapes(3)}"
    rank = 3
