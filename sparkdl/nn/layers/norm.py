"""Normalisation of each sample by itself."""

from __future__ import annotations

from math import prod

import numpy as np

from sparkdl import memory
from sparkdl.errors import ShapeError
from sparkdl.nn.kernels import rows
from sparkdl.nn.layers.layout import either_layout, shown
from sparkdl.nn.layers.windows import check_pictures
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter


def _normalised(v, eps):
    """``(v - mean) / sqrt(var + eps)`` of contiguous vectors along the last axis, and the factors."""
    y, scale = memory.empty(v.shape, v.dtype), np.empty(v.shape[:-1], v.dtype)
    rows.normalise(_matrix(y), scale.reshape(-1), _matrix(v), v.dtype.type(eps))
    return y, scale


def _normalised_back(g, normal, scale):
    """The gradient of ``v`` from that of ``_normalised``."""
    dx = memory.empty(normal.shape, normal.dtype)
    rows.normalise_gradient(_matrix(dx), _matrix(np.ascontiguousarray(g)), _matrix(normal), scale.reshape(-1))
    return dx


def _matrix(v):
    return v.reshape(prod(v.shape[:-1]), v.shape[-1])


class LayerNorm(Layer):
    """``y = (x - mean) / sqrt(var + eps) * weight + bias`` over the last axes, which have ``normalized_shape``.

    Shapes
    ------
    input, output  (batch, *, *normalized_shape)
    weight, bias   normalized_shape, from ones and zeros

    Source: Ba et al. (2016), equation 4.
    """

    def __init__(self, normalized_shape, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True) -> None:
        super().__init__()
        shape = (normalized_shape,) if np.ndim(normalized_shape) == 0 else tuple(normalized_shape)
        if not shape or any(n < 1 for n in shape):
            raise ShapeError(f"LayerNorm: normalized_shape has sizes >= 1, got {normalized_shape!r}.")
        self.normalized_shape, self.eps, self.elementwise_affine = tuple(int(n) for n in shape), eps, elementwise_affine
        self.weight = Parameter(np.ones(shape, np.float32)) if elementwise_affine else None
        self.bias = Parameter(np.zeros(shape, np.float32)) if elementwise_affine and bias else None

    def config(self):
        return {**super().config(), "bias": self.bias is not None}

    def extra_repr(self):
        text = f"{self.normalized_shape}, eps={self.eps}"
        if not self.elementwise_affine:
            return f"{text}, elementwise_affine=False"
        return text if self.bias is not None else f"{text}, bias=False"

    def reset_parameters(self):
        if self.weight is not None:
            self.weight.data.fill(1)
        if self.bias is not None:
            self.bias.data.fill(0)

    def forward(self, x, ctx):
        shape = self.normalized_shape
        if x.ndim <= len(shape) or x.shape[-len(shape) :] != shape:
            raise ShapeError(f"{self!r} takes (batch, *, {', '.join(map(str, shape))}), got {x.shape}.")
        v = np.ascontiguousarray(x).reshape(*x.shape[: -len(shape)], prod(shape))
        normal, scale = _normalised(v, self.eps)
        ctx.save(normal, scale)
        y = normal.reshape(x.shape)
        if self.weight is None:
            return y
        y = np.multiply(y, self.weight.data, out=memory.empty(y.shape, y.dtype))
        if self.bias is not None:
            y += self.bias.data
        return y

    def backward(self, dy, ctx):
        normal, scale = ctx.saved
        shape = dy.shape
        if self.weight is not None:
            ctx.grad(self.weight, lambda w, part: self._sum(w, dy[part] * normal[part].reshape(dy[part].shape)))
        if self.bias is not None:
            ctx.grad(self.bias, lambda b, part: self._sum(b, dy[part]))
        g = dy
        if self.weight is not None:
            g = np.multiply(dy, self.weight.data, out=memory.empty(dy.shape, dy.dtype))
        return _normalised_back(g.reshape(normal.shape), normal, scale).reshape(shape)

    def _sum(self, out, terms):
        np.ascontiguousarray(terms).reshape(-1, *self.normalized_shape).sum(0, out=out)


class GroupNorm(Layer):
    """``y = (x - mean) / sqrt(var + eps) * weight + bias``, statistics over each group of channels and all places.

    Shapes
    ------
    input, output  (batch, num_channels, *), or channels last with ``data_format="NHWC"``
    weight, bias   (num_channels,), from ones and zeros

    Source: Wu & He (2018), section 3.1.
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, data_format: str = "NCHW"
    ) -> None:
        super().__init__()
        self.data_format = data_format
        if not (num_groups >= 1 and num_channels >= 1) or num_channels % num_groups:
            raise ShapeError(f"{type(self).__name__}: {num_groups!r} groups do not divide {num_channels!r} channels.")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.weight = Parameter(np.ones(num_channels, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_channels, np.float32)) if affine else None

    def reset_parameters(self):
        if self.affine:
            self.weight.data.fill(1)
            self.bias.data.fill(0)

    def _check(self, x):
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            wanted, got = shown(self, x.shape, self.num_channels, "*")
            raise ShapeError(f"{self!r} takes {wanted}, got {got}.")

    @either_layout
    def forward(self, x, ctx):
        self._check(x)
        v = np.ascontiguousarray(x).reshape(len(x), self.num_groups, prod(x.shape[1:]) // self.num_groups)
        normal, scale = _normalised(v, self.eps)
        ctx.save(normal, scale)
        y = ctx.empty(x.shape)
        y[...] = normal.reshape(x.shape)
        if self.affine:
            y *= self._shaped(self.weight.data, x)
            y += self._shaped(self.bias.data, x)
        return y

    def _shaped(self, a, x):
        return a.reshape(-1, *[1] * (x.ndim - 2))

    @either_layout
    def backward(self, dy, ctx):
        normal, scale = ctx.saved
        dy = np.ascontiguousarray(dy)
        if self.affine:
            ctx.grad(self.weight, lambda w, part: self._sum(w, dy[part] * normal[part].reshape(dy[part].shape)))
            ctx.grad(self.bias, lambda b, part: self._sum(b, dy[part]))
        g = dy * self._shaped(self.weight.data, dy) if self.affine else dy
        return _normalised_back(g.reshape(normal.shape), normal, scale).reshape(dy.shape)

    def _sum(self, out, terms):
        terms.reshape(*terms.shape[:2], prod(terms.shape[2:])).sum(2).sum(0, out=out)


class _InstanceNorm(GroupNorm):
    """``y = (x - mean) / sqrt(var + eps) * weight + bias``, statistics of each channel of each sample over all places.

    Source: Ulyanov et al. (2016), equation 2.
    """

    rank: int

    def __init__(
        self, num_features: int, eps: float = 1e-5, affine: bool = False, data_format: str = "NCHW"
    ) -> None:
        super().__init__(num_features, num_features, eps, affine, data_format)
        self.num_features = num_features

    def _check(self, x):
        check_pictures(self, x, self.rank, self.num_features)


class InstanceNorm1d(_InstanceNorm):
    __doc__ = f"""{_InstanceNorm.__doc__}
    Shapes
    ------
    input, output  (batch, num_features, length)
    """
    rank = 1


class InstanceNorm2d(_InstanceNorm):
    __doc__ = f"""{_InstanceNorm.__doc__}
    Shapes
    ------
    input, output  (batch, num_features, height, width)
    """
    rank = 2


class InstanceNorm3d(_InstanceNorm):
    __doc__ = f"""{_InstanceNorm.__doc__}
    Shapes
    ------
    input, output  (batch, num_features, depth, height, width)
    """
    rank = 3
