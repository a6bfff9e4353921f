"""Layers that treat every value by itself."""

from __future__ import annotations

from typing import Any

from sparkdl.nn.module import Layer


class Elementwise(Layer):
    """``y = value(x, *numbers)`` and ``dx = slope(x, dy, *numbers)``, value by value, of any shape.

    A subclass names its two kernels, made by ``sparkdl.kernel.elementwise`` from scalar functions, and in ``numbers``
    the attributes that they get besides. With ``by_output`` the slope is given ``y`` in place of ``x``.
    """

    value: Any
    slope: Any
    numbers: tuple[str, ...] = ()
    by_output = False

    def forward(self, x, ctx):
        y = ctx.empty(x.shape)
        self.value(y, x, *(getattr(self, name) for name in self.numbers))
        ctx.save(y if self.by_output else x)
        return y

    def backward(self, dy, ctx):
        (kept,) = ctx.saved
        dx = ctx.empty(kept.shape)
        self.slope(dx, kept, dy, *(getattr(self, name) for name in self.numbers))
        return dx
