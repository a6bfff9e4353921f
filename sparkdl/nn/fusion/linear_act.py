"""An affine map and the activation after it as one layer: the activation works on what has just been written."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.kernels import gemm
from sparkdl.nn.kernels.activations import BY_NAME, activate, slope
from sparkdl.nn.layers.linear import affine_backward, rows_of
from sparkdl.nn.module import Layer

_LARGE = 1 << 16  # elements, from which on threads share the work


class LinearAct(Layer):
    """``y = act(x weight.T + bias)``; shapes as in ``nn.Linear``."""

    def __init__(self, linear: Layer, act: Layer) -> None:
        super().__init__()
        self.linear, self.act, self.code = linear, act, BY_NAME[type(act).__name__]

    @classmethod
    def of(cls, linear: Any, act: Any) -> LinearAct:
        return cls(linear, act)

    def forward(self, x, ctx):
        linear = self.linear
        if x.shape[-1] != linear.in_features or x.ndim < 2:
            raise ShapeError(f"{linear!r} takes (batch, *, {linear.in_features}), got {x.shape}.")
        x = np.ascontiguousarray(x)
        y = rows_of((*x.shape[:-1], linear.out_features), ctx)
        bias = None if linear.bias is None else linear.bias.data
        gemm.affine(y.reshape(-1, y.shape[-1]), x.reshape(-1, x.shape[-1]), linear.weight.data, bias)
        if y.size < _LARGE:
            activate(y.reshape(-1), self.code)
        else:
            self.act.value(y, y)
        ctx.save(x, y)
        return y

    def backward(self, dy, ctx):
        x, y = ctx.saved
        g = ctx.scratch(y.shape)
        if y.size < _LARGE:
            slope(g.reshape(-1), y.reshape(-1), np.ascontiguousarray(dy).reshape(-1), self.code)
        else:
            self.act.slope(g, y, dy)
        return affine_backward(self.linear, x, g, ctx)
