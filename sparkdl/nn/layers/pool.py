"""Largest values and means of windows, over sequences, pictures and volumes."""

from __future__ import annotations

import numpy as np

from sparkdl import memory
from sparkdl.errors import ShapeError
from sparkdl.nn.kernels import pool
from sparkdl.nn.layers.layout import check_format, either_layout
from sparkdl.nn.layers.windows import Windows, check_pictures, last, sizes
from sparkdl.nn.module import Layer


class _Pool(Layer):
    """What both kinds of pooling share: ``stride`` None means the window's own size."""

    rank: int

    def _set(self, kernel_size, stride, padding, dilation, ceil_mode, data_format):
        name = type(self).__name__
        self.data_format = check_format(self, data_format)
        self.kernel_size, self.stride, self.padding, self.ceil_mode = kernel_size, stride, padding, ceil_mode
        kernel = sizes(name, "kernel_size", kernel_size, self.rank)
        step = kernel if stride is None else sizes(name, "stride", stride, self.rank)
        pads = sizes(name, "padding", padding, self.rank, least=0)
        apart = sizes(name, "dilation", dilation, self.rank)
        if any(2 * p > d * (k - 1) + 1 for p, k, d in zip(pads, kernel, apart, strict=True)):
            raise ShapeError(f"{name}: padding is at most half of the window, got {padding!r} for {kernel_size!r}.")
        self.windows = Windows(kernel, step, tuple((p, p) for p in pads), apart)
        rows = (1, 1, *kernel), (1, 1, *step), (0, 0, *pads), (1, 1, *apart)
        self._numbers = np.array([each[-3:] for each in rows])

    def _volumes(self, x):
        """``x`` as channels-last volumes, C contiguous, and the number of windows along their three axes."""
        check_pictures(self, x, self.rank)
        out = self.windows.out(self, x.shape[2:], self.ceil_mode)
        flat = (1,) * (3 - self.rank)
        return np.ascontiguousarray(last(x)).reshape(len(x), *flat, *x.shape[2:], x.shape[1]), (*flat, *out)

    def _pictures(self, v):
        """Volumes as ``(batch, channels, *places)``, channels-last in memory."""
        return np.moveaxis(v.reshape(len(v), *v.shape[4 - self.rank :]), -1, 1)


class _MaxPool(_Pool):
    """The largest value of each window; of equal ones the first gets the gradient."""

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, data_format="NCHW") -> None:
        super().__init__()
        self.dilation = dilation
        self._set(kernel_size, stride, padding, dilation, ceil_mode, data_format)

    @either_layout
    def forward(self, x, ctx):
        v, out = self._volumes(x)
        shape = (len(x), *out, x.shape[1])
        y, index = memory.empty(shape, x.dtype), memory.empty(shape, np.int16)
        pool.largest(y, index, v, self._numbers)
        ctx.save(index, v.shape)
        return self._pictures(y)

    @either_layout
    def backward(self, dy, ctx):
        index, shape = ctx.saved
        dx = memory.empty(shape, dy.dtype)
        pool.largest_gradient(dx, np.ascontiguousarray(last(dy)).reshape(index.shape), index, self._numbers)
        return self._pictures(dx)


class _AvgPool(_Pool):
    """The mean of each window.

    Padding counts as zeros (unless ``count_include_pad`` is False); what lies behind the padding, where ``ceil_mode``
    lets a window reach, never counts. ``divisor_override`` divides by that number instead.
    """

    def __init__(
        self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None,
        data_format="NCHW",
    ) -> None:
        super().__init__()
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override
        self._set(kernel_size, stride, padding, 1, ceil_mode, data_format)

    def _divisors(self, x, out):
        """What the sum of each window is divided by, for each place of the output."""
        if self.divisor_override is not None:
            return np.full(out, self.divisor_override, x.dtype)
        windows, places = self.windows, out[3 - self.rank :]
        counts = np.ones(())
        for n, count, step, kernel, (before, after) in zip(
            x.shape[2:], places, windows.stride, windows.kernel, windows.pads, strict=True
        ):
            first = np.arange(count) * step - before
            low, high = (-before, n + after) if self.count_include_pad else (0, n)
            counts = counts[..., None] * (np.minimum(first + kernel, high) - np.maximum(first, low))
        return counts.astype(x.dtype).reshape(out)

    @either_layout
    def forward(self, x, ctx):
        v, out = self._volumes(x)
        divisors = self._divisors(x, out)
        y = memory.empty((len(x), *out, x.shape[1]), x.dtype)
        pool.mean(y, v, divisors, self._numbers)
        ctx.save(divisors, v.shape)
        return self._pictures(y)

    @either_layout
    def backward(self, dy, ctx):
        divisors, shape = ctx.saved
        dx = memory.empty(shape, dy.dtype)
        dy = np.ascontiguousarray(last(dy)).reshape(len(dy), *divisors.shape, shape[-1])
        pool.mean_gradient(dx, dy, divisors, self._numbers)
        return self._pictures(dx)


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
