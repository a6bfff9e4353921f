"""Softmax and its logarithm."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class Softmax(Layer):
    """``y[i] = exp(x[i]) / sum_j exp(x[j])`` along axis ``dim`` (1, the channels, by default)."""

    def __init__(self, dim: int = 1) -> None:
        super().__init__()
        if dim == 0:
            raise ShapeError(f"{type(self).__name__}: axis 0 is the batch; dim must not be 0.")
        self.dim = dim

    def _vectors(self, x):
        """The vectors along ``dim``, one behind the other, so that a sum does not depend on where they lay."""
        if not -x.ndim < self.dim < x.ndim:
            raise ShapeError(f"{self!r}: an array of shape {x.shape} has no axis {self.dim} beside the batch.")
        return np.ascontiguousarray(np.moveaxis(x, self.dim, -1))

    def _placed(self, vectors, ctx):
        placed = np.moveaxis(vectors, -1, self.dim)
        y = ctx.empty(placed.shape)
        y[...] = placed
        return y

    def forward(self, x, ctx):
        v = self._vectors(x)
        e = np.exp(v - v.max(-1, keepdims=True, initial=-np.inf))
        e /= e.sum(-1, keepdims=True)
        y = self._placed(e, ctx)
        ctx.save(y)
        return y

    def backward(self, dy, ctx):
        (y,) = ctx.saved
        y, dy = self._vectors(y), self._vectors(dy)
        return self._placed(y * (dy - (y * dy).sum(-1, keepdims=True)), ctx)


class Softmin(Softmax):
    """``y[i] = exp(-x[i]) / sum_j exp(-x[j])`` along axis ``dim``."""

    def forward(self, x, ctx):
        return super().forward(-x, ctx=ctx)

    def backward(self, dy, ctx):
        return -super().backward(dy, ctx=ctx)


class LogSoftmax(Softmax):
    """``y[i] = x[i] - log(sum_j exp(x[j]))`` along axis ``dim`` (1, the channels, by default)."""

    def forward(self, x, ctx):
        v = self._vectors(x)
        v = v - v.max(-1, keepdims=True, initial=-np.inf)
        y = self._placed(v - np.log(np.exp(v).sum(-1, keepdims=True)), ctx)
        ctx.save(y)
        return y

    def backward(self, dy, ctx):
        (y,) = ctx.saved
        y, dy = self._vectors(y), self._vectors(dy)
        return self._placed(dy - np.exp(y) * dy.sum(-1, keepdims=True), ctx)
