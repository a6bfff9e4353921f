"""Sums, products and powers of values, and of values with constants."""

from functools import reduce

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


def _unbroadcast(dy, shape):
    """The gradient of an input of ``shape`` that was broadcast: summed over the axes that were stretched."""
    if dy.shape == shape:
        return dy
    if dy.ndim != len(shape) or dy.shape[0] != shape[0]:
        raise ShapeError(f"inputs of one batch and rank are combined, got {shape} against {dy.shape}.")
    axes = tuple(i for i, (a, b) in enumerate(zip(dy.shape, shape, strict=True)) if a != b)
    return dy.sum(axis=axes, keepdims=True)


class Add(Layer):
    """``y = x0 + x1 + ...``; axes of size 1 are stretched, the batch never is."""

    def forward(self, *xs, ctx):
        ctx.save(*(x.shape for x in xs))
        return reduce(np.add, xs)

    def backward(self, dy, ctx):
        return tuple(_unbroadcast(dy, shape) for shape in ctx.saved)


class Sub(Layer):
    """``y = x0 - x1``."""

    def forward(self, a, b, ctx):
        ctx.save(a.shape, b.shape)
        return a - b

    def backward(self, dy, ctx):
        a, b = ctx.saved
        return _unbroadcast(dy, a), _unbroadcast(-dy, b)


class Mul(Layer):
    """``y = x0 * x1 * ...``; axes of size 1 are stretched, the batch never is."""

    def forward(self, *xs, ctx):
        ctx.save(*xs)
        return reduce(np.multiply, xs)

    def backward(self, dy, ctx):
        xs = ctx.saved
        return tuple(
            _unbroadcast(reduce(np.multiply, xs[:i] + xs[i + 1 :], dy), x.shape) for i, x in enumerate(xs)
        )


class Div(Layer):
    """``y = x0 / x1``."""

    def forward(self, a, b, ctx):
        ctx.save(a, b)
        return a / b

    def backward(self, dy, ctx):
        a, b = ctx.saved
        return _unbroadcast(dy / b, a.shape), _unbroadcast(-dy * a / (b * b), b.shape)


class AddConstant(Layer):
    """``y = x + constant``; the constant is a number or an array that fits one sample."""

    def __init__(self, constant: float) -> None:
        super().__init__()
        self.constant = constant

    def forward(self, x, ctx):
        return x + np.asarray(self.constant, x.dtype)

    def backward(self, dy, ctx):
        return dy


class MulConstant(Layer):
    """``y = x * constant``; the constant is a number or an array that fits one sample."""

    def __init__(self, constant: float) -> None:
        super().__init__()
        self.constant = constant

    def forward(self, x, ctx):
        return x * np.asarray(self.constant, x.dtype)

    def backward(self, dy, ctx):
        return dy * np.asarray(self.constant, dy.dtype)


class Power(Layer):
    """``y = (shift + scale * x) ** exponent``.  Source: Caffe's Power layer, Torch7's nn.Power."""

    def __init__(self, exponent: float, scale: float = 1.0, shift: float = 0.0) -> None:
        super().__init__()
        self.exponent, self.scale, self.shift = exponent, scale, shift

    def forward(self, x, ctx):
        base = x * x.dtype.type(self.scale) + x.dtype.type(self.shift)
        ctx.save(base)
        return base ** x.dtype.type(self.exponent)

    def backward(self, dy, ctx):
        (base,) = ctx.saved
        number = dy.dtype.type
        return dy * number(self.exponent * self.scale) * base ** number(self.exponent - 1)
