"""Vectors of length one."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter


class Normalize(Layer):
    """``y = x / max(|x|_p, eps)`` along axis ``dim`` (1, the channels, by default)."""

    def __init__(self, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> None:
        super().__init__()
        if dim == 0:
            raise ShapeError(f"{type(self).__name__}: axis 0 is the batch; dim must not be 0.")
        if not p > 0:
            raise ValueError(f"{type(self).__name__}: p must be > 0, got {p!r}.")
        self.p, self.dim, self.eps = p, dim, eps

    def _vectors(self, x):
        return np.ascontiguousarray(np.moveaxis(x, self.dim, -1))

    def forward(self, x, ctx):
        if not -x.ndim < self.dim < x.ndim:
            raise ShapeError(f"{self!r}: an array of shape {x.shape} has no axis {self.dim} beside the batch.")
        v = self._vectors(x)
        if np.isinf(self.p):
            length = np.abs(v).max(-1, keepdims=True, initial=0)
        else:
            length = (np.abs(v) ** v.dtype.type(self.p)).sum(-1, keepdims=True) ** v.dtype.type(1 / self.p)
        ctx.save(v, length)
        return np.moveaxis(v / np.maximum(length, v.dtype.type(self.eps)), -1, self.dim)

    def backward(self, dy, ctx):
        v, length = ctx.saved
        g, eps = self._vectors(dy), v.dtype.type(self.eps)
        kept = np.maximum(length, eps)
        share = np.abs(v) / kept
        slope = (share == 1) if np.isinf(self.p) else share ** v.dtype.type(self.p - 1)
        along = np.where(length > eps, (g * v).sum(-1, keepdims=True) / kept, 0)
        return np.moveaxis((g - np.sign(v) * slope * along) / kept, -1, self.dim)


class NormalizeScale(Normalize):
    """``y = x / max(|x|_p, eps) * weight`` along the channels, with a learned factor for each.

    Shapes
    ------
    input, output  (batch, channels, *)
    weight         (channels,), all ``scale`` at the start

    Source: Liu et al. (2015), ParseNet, section 3.3.
    """

    def __init__(self, channels: int, p: float = 2.0, eps: float = 1e-10, scale: float = 1.0) -> None:
        super().__init__(p, 1, eps)
        self.channels, self.scale = channels, scale
        self.weight = Parameter(np.full(channels, scale, np.float32))

    def reset_parameters(self):
        self.weight.data.fill(self.scale)

    def forward(self, x, ctx):
        if x.ndim < 2 or x.shape[1] != self.channels:
            raise ShapeError(f"{self!r} takes (batch, {self.channels}, *), got {x.shape}.")
        normal = super().forward(x, ctx=ctx)
        ctx.save(*ctx.saved, normal)
        return normal * self.weight.data.reshape(-1, *[1] * (x.ndim - 2))

    def backward(self, dy, ctx):
        v, length, normal = ctx.saved
        ctx.save(v, length)

        def weights(out, rows):
            terms = np.ascontiguousarray(np.moveaxis(dy[rows] * normal[rows], 1, -1))
            terms.reshape(-1, self.channels).sum(0, out=out)

        ctx.grad(self.weight, weights)
        return super().backward(dy * self.weight.data.reshape(-1, *[1] * (dy.ndim - 2)), ctx=ctx)
