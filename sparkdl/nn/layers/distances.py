"""Likeness of vectors: to learned vectors, and of pairs."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn import rng
from sparkdl.nn.kernels import gemm
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter


class _ToLearned(Layer):
    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        if not (in_features >= 1 and out_features >= 1):
            raise ShapeError(f"{type(self).__name__}: sizes must be >= 1, got {in_features!r} and {out_features!r}.")
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(np.zeros((out_features, in_features), np.float32), axes=(1, 0))
        self.reset_parameters()

    def reset_parameters(self):
        bound = 1 / np.sqrt(self.in_features)
        self.weight.value = rng.generator().uniform(-bound, bound, self.weight.shape)

    def _check(self, x):
        if x.ndim != 2 or x.shape[1] != self.in_features:
            raise ShapeError(f"{self!r} takes (batch, {self.in_features}), got {x.shape}.")


class Cosine(_ToLearned):
    """``y[o] = <x, weight[o]> / (|x| * |weight[o]|)``.  Source: Torch7's nn.Cosine.

    Shapes
    ------
    input   (batch, in_features)
    output  (batch, out_features)
    weight  (out_features, in_features) from U(-b, b), b = 1/sqrt(in_features)
    """

    tiny = 1e-12  # added to lengths, so that zeros divide

    def forward(self, x, ctx):
        self._check(x)
        w = self.weight.data
        xs = x / (np.sqrt(np.ascontiguousarray(x * x).sum(1, keepdims=True)) + x.dtype.type(self.tiny))
        length = np.sqrt((w * w).sum(0)) + w.dtype.type(self.tiny)
        y = ctx.empty((len(x), self.out_features))
        gemm.matmul(y, xs, w / length)
        ctx.save(x, xs, length, y)
        return y

    def backward(self, dy, ctx):
        x, xs, length, y = ctx.saved
        unit = self.weight.data / length

        def weights(out, rows):
            gemm.matmul(out, xs[rows].T, dy[rows])
            out -= unit * (dy[rows] * y[rows]).sum(0)
            out /= length

        ctx.grad(self.weight, weights)
        dx = ctx.empty(x.shape)
        gemm.matmul(dx, dy, unit.T)
        dx -= xs * np.ascontiguousarray(dy * y).sum(1, keepdims=True)
        return dx / (np.sqrt(np.ascontiguousarray(x * x).sum(1, keepdims=True)) + x.dtype.type(self.tiny))


class Euclidean(_ToLearned):
    """``y[o] = |x - weight[o]|``.  Source: Torch7's nn.Euclidean.

    Shapes
    ------
    input   (batch, in_features)
    output  (batch, out_features)
    weight  (out_features, in_features) from U(-b, b), b = 1/sqrt(in_features)
    """

    def forward(self, x, ctx):
        self._check(x)
        apart = x[:, None, :] - np.ascontiguousarray(self.weight.value)
        y = np.sqrt((apart * apart).sum(2))
        ctx.save(apart, y)
        return y

    def backward(self, dy, ctx):
        apart, y = ctx.saved
        share = np.divide(dy, y, out=np.zeros_like(y), where=y > 0)[:, :, None] * apart
        ctx.grad(self.weight, lambda out, rows: np.negative(share[rows].sum(0).T, out=out))
        return np.ascontiguousarray(share.swapaxes(1, 2)).sum(2)


def _check_pair(layer, a, b):
    if a.shape != b.shape or a.ndim < 2:
        raise ShapeError(f"{layer!r} takes two arrays of one shape (batch, *), got {a.shape} and {b.shape}.")


def _dot(a, b, axis):
    """Sums of products along ``axis``, which stays with size 1; each sum in memory order of its own vector."""
    return np.expand_dims(np.ascontiguousarray(np.moveaxis(a * b, axis, -1)).sum(-1), axis)


class Dot(Layer):
    """``y = sum(a * b)`` of each pair of samples.

    Shapes
    ------
    inputs  two of (batch, *)
    output  (batch, 1)
    """

    def forward(self, a, b, ctx):
        _check_pair(self, a, b)
        ctx.save(a, b)
        return np.ascontiguousarray(a * b).reshape(len(a), int(np.prod(a.shape[1:]))).sum(1, keepdims=True)

    def backward(self, dy, ctx):
        a, b = ctx.saved
        dy = dy.reshape(-1, *[1] * (a.ndim - 1))
        return dy * b, dy * a


class CosineSimilarity(Layer):
    """``y = <a, b> / (max(|a|, eps) * max(|b|, eps))`` along axis ``dim``, which goes."""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        if dim == 0:
            raise ShapeError("CosineSimilarity: axis 0 is the batch; dim must not be 0.")
        self.dim, self.eps = dim, eps

    def forward(self, a, b, ctx):
        _check_pair(self, a, b)
        axis, eps = self.dim % a.ndim, a.dtype.type(self.eps)
        la, lb = np.sqrt(_dot(a, a, axis)), np.sqrt(_dot(b, b, axis))
        ua, ub = a / np.maximum(la, eps), b / np.maximum(lb, eps)
        y = _dot(ua, ub, axis)
        ctx.save(ua, ub, la, lb, y)
        return y.squeeze(axis)

    def backward(self, dy, ctx):
        ua, ub, la, lb, y = ctx.saved
        axis, eps = self.dim % ua.ndim, ua.dtype.type(self.eps)
        dy = np.expand_dims(dy, axis)
        return tuple(
            dy * (other - np.where(length > eps, y, 0) * own) / np.maximum(length, eps)
            for own, other, length in ((ua, ub, la), (ub, ua, lb))
        )


class PairwiseDistance(Layer):
    """``y = (sum |a - b + eps|**p)**(1/p)`` over the last axis, which goes, or stays with size 1 for ``keepdim``."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        if not p > 0:
            raise ValueError(f"PairwiseDistance: p must be > 0, got {p!r}.")
        self.p, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, a, b, ctx):
        _check_pair(self, a, b)
        apart = np.ascontiguousarray(a - b) + a.dtype.type(self.eps)
        y = (np.abs(apart) ** a.dtype.type(self.p)).sum(-1, keepdims=True) ** a.dtype.type(1 / self.p)
        ctx.save(apart, y)
        return y if self.keepdim else y[..., 0]

    def backward(self, dy, ctx):
        apart, y = ctx.saved
        p = y.dtype.type(self.p - 1)
        dy = dy if self.keepdim else dy[..., None]
        share = np.divide(np.abs(apart), y, out=np.zeros_like(apart), where=y > 0) ** p
        da = dy * np.sign(apart) * share
        return da, -da


class CrossProduct(Layer):
    """Dot products of all pairs ``i < j`` of the inputs.

    Shapes
    ------
    inputs  m of (batch, features)
    output  (batch, m * (m - 1) / 2), in the order (0, 1), (0, 2), ... (1, 2), ...
    """

    def forward(self, *xs, ctx):
        if len(xs) < 2 or any(x.shape != xs[0].shape or x.ndim != 2 for x in xs):
            raise ShapeError(f"{self!r} takes two or more of (batch, features), got shapes {[x.shape for x in xs]}.")
        ctx.save(*xs)
        pairs = [(a, b) for i, a in enumerate(xs) for b in xs[i + 1 :]]
        return np.stack([np.ascontiguousarray(a * b).sum(1) for a, b in pairs], 1)

    def backward(self, dy, ctx):
        xs, column = ctx.saved, 0
        dxs = [np.zeros(x.shape, dy.dtype) for x in xs]
        for i in range(len(xs)):
            for j in range(i + 1, len(xs)):
                dxs[i] += dy[:, column, None] * xs[j]
                dxs[j] += dy[:, column, None] * xs[i]
                column += 1
        return tuple(dxs)
