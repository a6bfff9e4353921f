"""A sum of two values and the ReLU after it in one pass, as at the end of a residual block."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.kernel import elementwise
from sparkdl.nn.kernels.adding import add_relu
from sparkdl.nn.layers.relu import _relu_slope
from sparkdl.nn.module import Layer

_slope = elementwise(_relu_slope)


class AddReLU(Layer):
    """``y = max(a + b, 0)``; shapes as in ``nn.Add``."""

    def __init__(self, add: Layer, relu: Layer) -> None:
        super().__init__()
        self.add, self.relu = add, relu

    @classmethod
    def of(cls, add: Any, relu: Any) -> AddReLU:
        return cls(add, relu)

    def forward(self, *xs, ctx):
        if len(xs) != 2 or xs[0].shape != xs[1].shape:  # more of them, or some are stretched
            y = self.add.forward(*xs, ctx=ctx)
            shapes = ctx.saved
            y = np.where(y < 0, y.dtype.type(0), y)
            ctx.save(shapes, y)
            return y
        y = ctx.empty(xs[0].shape)
        add_relu(y, *xs)
        ctx.save(None, y)
        return y

    def backward(self, dy, ctx):
        shapes, y = ctx.saved
        g = ctx.empty(y.shape)
        _slope(g, y, dy)
        if shapes is None:
            return g, g
        ctx.saved = shapes
        return self.add.backward(g, ctx=ctx)
