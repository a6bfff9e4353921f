"""Pooling over all places."""

from math import prod

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.windows import last
from sparkdl.nn.module import Layer


class GlobalAvgPool(Layer):
    """The mean over all places: ``(batch, channels, *) -> (batch, channels)``."""

    def forward(self, x, ctx):
        if x.ndim < 3:
            raise ShapeError(f"{self!r} takes (batch, channels, *places), got {x.shape}.")
        ctx.save(x.shape)
        flat = np.ascontiguousarray(last(x)).reshape(len(x), prod(x.shape[2:]), x.shape[1])
        return flat.sum(1, dtype=x.dtype) / x.dtype.type(flat.shape[1])

    def backward(self, dy, ctx):
        (shape,) = ctx.saved
        places = (1,) * (len(shape) - 2)
        return np.broadcast_to((dy / dy.dtype.type(prod(shape[2:]))).reshape(*dy.shape, *places), shape)


class GlobalMaxPool(Layer):
    """The largest value over all places: ``(batch, channels, *) -> (batch, channels)``."""

    def forward(self, x, ctx):
        if x.ndim < 3:
            raise ShapeError(f"{self!r} takes (batch, channels, *places), got {x.shape}.")
        flat = x.reshape(*x.shape[:2], prod(x.shape[2:]))
        where = flat.argmax(2)
        ctx.save(where, x.shape)
        return np.take_along_axis(flat, where[..., None], 2)[..., 0]

    def backward(self, dy, ctx):
        where, shape = ctx.saved
        dx = np.zeros((*shape[:2], prod(shape[2:])), dy.dtype)
        np.put_along_axis(dx, where[..., None], dy[..., None], 2)
        return dx.reshape(shape)
