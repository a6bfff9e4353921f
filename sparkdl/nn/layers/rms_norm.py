"""Normalisation by the root mean square."""

from __future__ import annotations

from math import prod

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter


class RMSNorm(Layer):
    """``y = x / sqrt(mean(x^2) + eps) * weight`` over the last axes, which have ``normalized_shape``.

    ``eps`` None: the smallest step of the dtype above 1, as in PyTorch. For other axes take AxisNorm(centre=False).

    Shapes
    ------
    input, output  (batch, *, *normalized_shape)
    weight         normalized_shape, from ones

    Source: Zhang & Sennrich (2019), equation 4.
    """

    def __init__(self, normalized_shape, eps: float | None = None, elementwise_affine: bool = True) -> None:
        super().__init__()
        shape = (normalized_shape,) if np.ndim(normalized_shape) == 0 else tuple(normalized_shape)
        if not shape or any(n < 1 for n in shape):
            raise ShapeError(f"RMSNorm: normalized_shape has sizes >= 1, got {normalized_shape!r}.")
        self.normalized_shape, self.eps, self.elementwise_affine = tuple(int(n) for n in shape), eps, elementwise_affine
        self.weight = Parameter(np.ones(shape, np.float32)) if elementwise_affine else None

    def reset_parameters(self):
        if self.weight is not None:
            self.weight.data.fill(1)

    def forward(self, x, ctx):
        shape = self.normalized_shape
        if x.ndim <= len(shape) or x.shape[-len(shape) :] != shape:
            raise ShapeError(f"{self!r} takes (batch, *, {', '.join(map(str, shape))}), got {x.shape}.")
        v = np.ascontiguousarray(x).reshape(*x.shape[: -len(shape)], prod(shape))
        eps = np.finfo(x.dtype).eps if self.eps is None else self.eps
        inverse = 1 / np.sqrt((v * v).mean(-1, keepdims=True) + x.dtype.type(eps))
        normal = v * inverse
        ctx.save(normal, inverse)
        y = normal.reshape(x.shape)
        return y if self.weight is None else y * self.weight.data

    def backward(self, dy, ctx):
        normal, inverse = ctx.saved
        g = dy = np.ascontiguousarray(dy)
        if self.weight is not None:
            ctx.grad(self.weight, lambda w, part: self._sum(w, dy[part] * normal[part].reshape(dy[part].shape)))
            g = dy * self.weight.data
        g = g.reshape(normal.shape)
        return ((g - normal * (g * normal).mean(-1, keepdims=True)) * inverse).reshape(dy.shape)

    def _sum(self, out, terms):
        terms.reshape(-1, *self.normalized_shape).sum(0, out=out)
