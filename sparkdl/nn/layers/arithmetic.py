"""Sums, products and powers of values, and of values with constants."""

from functools import reduce

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.kernels.adding import added
from sparkdl.nn.module import Layer


def check_fit(layer, xs):
    """Raises unless the inputs have one batch, one number of axes, and sizes that are equal or 1."""
    for x in xs[1:]:
        fits = x.ndim == xs[0].ndim and len(x) == len(xs[0])
        if not fits or any(a != b and 1 not in (a, b) for a, b in zip(x.shape[1:], xs[0].shape[1:], strict=True)):
            raise ShapeError(
                f"{layer!r} combines samples of one number of axes, with sizes that are equal or 1; "
                f"got shapes {[x.shape for x in xs]}."
            )


def unbroadcast(dy, shape):
    """The gradient of an input of ``shape`` that was broadcast: summed over the axes that were stretched."""
    if dy.shape == shape:
        return dy
    axes = tuple(i for i, (a, b) in enumerate(zip(dy.shape, shape, strict=True)) if a != b)
    return dy.sum(axis=axes, keepdims=True)


class Add(Layer):
    """``y = x0 + x1 + ...``; axes of size 1 are stretched, the batch never is."""

    def forward(self, *xs, ctx):
        check_fit(self, xs)
        ctx.save(*(x.shape for x in xs))
        return reduce(added, xs)

    def backward(self, dy, ctx):
        return tuple(unbroadcast(dy, shape) for shape in ctx.saved)


class Sub(Layer):
    """``y = x0 - x1``."""

    def forward(self, a, b, ctx):
        check_fit(self, (a, b))
        ctx.save(a.shape, b.shape)
        return a - b

    def backward(self, dy, ctx):
        a, b = ctx.saved
        return unbroadcast(dy, a), unbroadcast(-dy, b)


class Mul(Layer):
    """``y = x0 * x1 * ...``; axes of size 1 are stretched, the batch never is."""

    def forward(self, *xs, ctx):
        check_fit(self, xs)
        ctx.save(*xs)
        return reduce(np.multiply, xs)

    def backward(self, dy, ctx):
        xs = ctx.saved
        return tuple(
            unbroadcast(reduce(np.multiply, xs[:i] + xs[i + 1 :], dy), x.shape) for i, x in enumerate(xs)
        )


class Div(Layer):
    """``y = x0 / x1``."""

    def forward(self, a, b, ctx):
        check_fit(self, (a, b))
        ctx.save(a, b)
        return a / b

    def backward(self, dy, ctx):
        a, b = ctx.saved
        return unbroadcast(dy / b, a.shape), unbroadcast(-dy * a / (b * b), b.shape)


class _Constant(Layer):
    def __init__(self, constant: float) -> None:
        super().__init__()
        self.constant = constant

    def _value(self, x):
        """The constant in the dtype of ``x``, which it must not stretch."""
        value = np.asarray(self.constant, x.dtype)
        sizes = zip(reversed(value.shape), reversed((1, *x.shape[1:])), strict=False)
        if value.ndim > x.ndim or any(a not in (1, b) for a, b in sizes):
            raise ShapeError(f"{self!r}: a constant of shape {value.shape} does not fit samples of {x.shape[1:]}.")
        return value


class AddConstant(_Constant):
    """``y = x + constant``; the constant is a number or an array that fits one sample."""

    def forward(self, x, ctx):
        return x + self._value(x)

    def backward(self, dy, ctx):
        return dy


class MulConstant(_Constant):
    """``y = x * constant``; the constant is a number or an array that fits one sample."""

    def forward(self, x, ctx):
        return x * self._value(x)

    def backward(self, dy, ctx):
        return dy * self._value(dy)


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
