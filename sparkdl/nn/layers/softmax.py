"""Softmax and its logarithm."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.kernels import softmax
from sparkdl.nn.module import Layer


class Softmax(Layer):
    """``y[i] = exp(x[i]) / sum_j exp(x[j])`` along axis ``dim`` (1, the channels, by default)."""

    def __init__(self, dim: int = 1) -> None:
        super().__init__()
        if dim == 0:
            raise ShapeError(f"{type(self).__name__}: axis 0 is the batch; dim must not be 0.")
        self.dim = dim

    def _vectors(self, x):
        """The vectors along ``dim`` as the rows of a matrix, so that a sum does not depend on where they lay."""
        if not -x.ndim < self.dim < x.ndim:
            raise ShapeError(f"{self!r}: an array of shape {x.shape} has no axis {self.dim} beside the batch.")
        x = np.ascontiguousarray(x if self.dim in (-1, x.ndim - 1) else np.moveaxis(x, self.dim, -1))
        return x.reshape(-1, x.shape[-1]) if x.size else x.reshape(0, x.shape[-1])

    def _placed(self, vectors, shape, ctx):
        """The matrix's rows back in their places."""
        if self.dim in (-1, len(shape) - 1):
            return vectors.reshape(shape)
        axis = self.dim % len(shape)
        y = ctx.empty(shape)
        y[...] = np.moveaxis(vectors.reshape(*shape[:axis], *shape[axis + 1 :], shape[axis]), -1, axis)
        return y

    def _run(self, kernel, ctx, *arrays):
        matrices = [self._vectors(x) for x in arrays]
        out = np.empty_like(matrices[0])
        kernel(out, *matrices)
        return self._placed(out, arrays[0].shape, ctx)

    def forward(self, x, ctx):
        y = self._run(softmax.softmax, ctx, x)
        ctx.save(y)
        return y

    def backward(self, dy, ctx):
        (y,) = ctx.saved
        return self._run(softmax.softmax_back, ctx, y, dy)


class Softmin(Softmax):
    """``y[i] = exp(-x[i]) / sum_j exp(-x[j])`` along axis ``dim``."""

    def forward(self, x, ctx):
        return super().forward(-x, ctx=ctx)

    def backward(self, dy, ctx):
        return -super().backward(dy, ctx=ctx)


class LogSoftmax(Softmax):
    """``y[i] = x[i] - log(sum_j exp(x[j]))`` along axis ``dim`` (1, the channels, by default)."""

    def forward(self, x, ctx):
        y = self._run(softmax.log_softmax, ctx, x)
        ctx.save(y)
        return y

    def backward(self, dy, ctx):
        (y,) = ctx.saved
        return self._run(softmax.log_softmax_back, ctx, y, dy)
