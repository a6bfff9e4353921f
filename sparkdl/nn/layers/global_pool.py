"""Pooling over all places."""

from math import prod

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.layout import check_format, either_layout, last, shown
from sparkdl.nn.module import Layer


class _GlobalPool(Layer):
    def __init__(self, data_format="NCHW") -> None:
        super().__init__()
        self.data_format = check_format(self, data_format)

    def _check(self, x):
        if x.ndim < 3:
            raise ShapeError(f"{self!r} takes {shown(self, x.shape, 'channels', '*places')[0]}, got {x.shape}.")


class GlobalAvgPool(_GlobalPool):
    """The mean over all places: ``(batch, channels, *) -> (batch, channels)``; channels last by ``"NHWC"``."""

    @either_layout
    def forward(self, x, ctx):
        self._check(x)
        ctx.save(x.shape)
        flat = np.ascontiguousarray(last(x)).reshape(len(x), prod(x.shape[2:]), x.shape[1])
        return flat.sum(1, dtype=x.dtype) / x.dtype.type(flat.shape[1])

    @either_layout
    def backward(self, dy, ctx):
        (shape,) = ctx.saved
        places = (1,) * (len(shape) - 2)
        return np.broadcast_to((dy / dy.dtype.type(prod(shape[2:]))).reshape(*dy.shape, *places), shape)


class GlobalMaxPool(_GlobalPool):
    """The largest value over all places: ``(batch, channels, *) -> (batch, channels)``; channels last by ``"NHWC"``."""

    @either_layout
    def forward(self, x, ctx):
        self._check(x)
        flat = x.reshape(*x.shape[:2], prod(x.shape[2:]))
        where = flat.argmax(2)
        ctx.save(where, x.shape)
        return np.take_along_axis(flat, where[..., None], 2)[..., 0]

    @either_layout
    def backward(self, dy, ctx):
        where, shape = ctx.saved
        dx = np.zeros((*shape[:2], prod(shape[2:])), dy.dtype)
        np.put_along_axis(dx, where[..., None], dy[..., None], 2)
        return dx.reshape(shape)
