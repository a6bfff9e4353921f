"""Sums, means and extremes over axes of a sample."""

from typing import Any

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class ReduceSum(Layer):
    """The sum over axes ``dims`` (0, the batch, is not among them), which disappear unless ``keepdim``.

    Shapes
    ------
    input   (batch, *)
    output  (batch, *), without the axes ``dims``
    """

    def __init__(self, dims: tuple[int, ...], keepdim: bool = False) -> None:
        super().__init__()
        self.dims, self.keepdim = tuple(int(d) for d in dims), keepdim

    def _axes(self, x):
        axes = tuple(sorted({d % x.ndim for d in self.dims}))
        if 0 in axes:
            raise ShapeError(f"{self!r}: axis 0 is the batch and cannot be reduced, got an array of shape {x.shape}.")
        return axes

    def forward(self, x, ctx):
        axes = self._axes(x)
        ctx.save(x.shape, axes)
        return self._total(x, axes)

    def _vectors(self, x, axes):
        """What is added up, one behind the other: a sum does not depend on where its values lay."""
        kept = [i for i in range(x.ndim) if i not in axes]
        moved = np.ascontiguousarray(x.transpose(*kept, *axes))
        return moved.reshape(*(x.shape[i] for i in kept), int(np.prod([x.shape[a] for a in axes])))

    def _total(self, x, axes):
        y = self._vectors(x, axes).sum(-1)
        return np.expand_dims(y, axes) if self.keepdim else y

    def _spread(self, dy, shape, axes):
        return np.broadcast_to(dy if self.keepdim else np.expand_dims(dy, axes), shape)

    def backward(self, dy, ctx):
        return self._spread(dy, *ctx.saved).copy()


class ReduceMean(ReduceSum):
    """The mean over axes ``dims``, which disappear unless ``keepdim``."""

    def forward(self, x, ctx):
        axes = self._axes(x)
        ctx.save(x.shape, axes)
        count = max(int(np.prod([x.shape[a] for a in axes])), 1)
        return self._total(x, axes) / x.dtype.type(count)

    def backward(self, dy, ctx):
        shape, axes = ctx.saved
        count = max(int(np.prod([shape[a] for a in axes])), 1)
        return self._spread(dy / dy.dtype.type(count), shape, axes).copy()


class ReduceProd(ReduceSum):
    """The product over axes ``dims``, which disappear unless ``keepdim``."""

    def forward(self, x, ctx):
        axes = self._axes(x)
        ctx.save(x, axes)
        return x.prod(axes, keepdims=self.keepdim)

    def backward(self, dy, ctx):
        x, axes = ctx.saved
        # the product of all others: what stands before times what stands behind, so that zeros do no harm
        rows = self._vectors(x, axes)
        ones = np.ones_like(rows[..., :1])
        before = np.cumprod(np.concatenate([ones, rows[..., :-1]], -1), -1)
        behind = np.cumprod(np.concatenate([ones, rows[..., :0:-1]], -1), -1)[..., ::-1]
        kept = [i for i in range(x.ndim) if i not in axes]
        others = (before * behind).reshape([x.shape[i] for i in (*kept, *axes)]).transpose(np.argsort((*kept, *axes)))
        return self._spread(dy, x.shape, axes) * others


class ReduceMax(ReduceSum):
    """The largest value over axes ``dims``; of equal ones each gets an equal share of the gradient."""

    best: Any = staticmethod(np.max)

    def forward(self, x, ctx):
        axes = self._axes(x)
        if any(x.shape[a] == 0 for a in axes):
            raise ShapeError(f"{self!r}: there are no values to choose from in shape {x.shape}.")
        y = self.best(x, axis=axes, keepdims=True)
        ctx.save(x, y, axes)
        return y if self.keepdim else y.reshape([n for i, n in enumerate(x.shape) if i not in axes])

    def backward(self, dy, ctx):
        x, y, axes = ctx.saved
        best = x == y
        share = (dy if self.keepdim else np.expand_dims(dy, axes)) / best.sum(axis=axes, keepdims=True).astype(x.dtype)
        return best * share


class ReduceMin(ReduceMax):
    """The smallest value over axes ``dims``; of equal ones each gets an equal share of the gradient."""

    best = staticmethod(np.min)


class ReduceLogSumExp(ReduceSum):
    """``log(sum exp(x))`` over axes ``dims``, which disappear unless ``keepdim``."""

    def forward(self, x, ctx):
        axes = self._axes(x)
        v = self._vectors(x, axes)
        top = v.max(-1, keepdims=True, initial=-np.inf)
        y = np.expand_dims(np.log(np.exp(v - top).sum(-1)) + top[..., 0], axes)
        ctx.save(x, y, axes)
        return y if self.keepdim else y.squeeze(axes)

    def backward(self, dy, ctx):
        x, y, axes = ctx.saved
        return (dy if self.keepdim else np.expand_dims(dy, axes)) * np.exp(x - y)
