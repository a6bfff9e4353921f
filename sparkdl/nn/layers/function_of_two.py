"""Functions of two values that no net is slowed down by."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sparkdl.nn.layers.arithmetic import check_fit, unbroadcast
from sparkdl.nn.module import Layer


def _power_of_base(a, b):
    """``a ** b log(a)``, and 0 where a is 0."""
    return np.where(a > 0, np.power(a, b) * np.log(np.where(a > 0, a, 1)), 0)


def _share(function, exp):
    """The part that each operand has in a logarithm of sums."""
    return lambda a, b: exp(a - function(a, b)), lambda a, b: exp(b - function(a, b))


def _whole(name):
    """A function of whole numbers, which come as floats; its gradient is 0."""
    function = getattr(np, name)

    def of_floats(a, b):
        return function(a.astype(np.int64), b.astype(np.int64)).astype(a.dtype)

    return of_floats, lambda a, b: np.zeros_like(a), lambda a, b: np.zeros_like(b)


WHOLE = ("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "gcd", "lcm")
# name -> the function and its two derivatives
_FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]] = {
    "arctan2": (np.arctan2, lambda a, b: b / (a * a + b * b), lambda a, b: -a / (a * a + b * b)),
    "hypot": (np.hypot, lambda a, b: a / np.hypot(a, b), lambda a, b: b / np.hypot(a, b)),
    "power": (np.power, lambda a, b: b * np.power(a, b - 1), _power_of_base),
    "fmod": (np.fmod, lambda a, b: np.ones_like(a), lambda a, b: -np.trunc(a / b)),
    "logaddexp": (np.logaddexp, *_share(np.logaddexp, np.exp)),
    "logaddexp2": (np.logaddexp2, *_share(np.logaddexp2, np.exp2)),
    "heaviside": (np.heaviside, lambda a, b: np.zeros_like(a), lambda a, b: (a == 0).astype(b.dtype)),
    **{name: _whole(name) for name in WHOLE},
}


class FunctionOfTwo(Layer):
    """``y = name(a, b)``: arctan2, hypot, power, fmod (the remainder has the sign of a), logaddexp, logaddexp2,
    heaviside (0, b or 1 for a below, at or above 0); of whole numbers, without a gradient, bitwise_and, bitwise_or,
    bitwise_xor, left_shift, right_shift, gcd, lcm. Axes of size 1 are stretched, the batch never is."""

    NAMES = tuple(_FUNCTIONS)

    def __init__(self, name: str) -> None:
        super().__init__()
        if name not in _FUNCTIONS:
            raise ValueError(f"FunctionOfTwo: one of {', '.join(_FUNCTIONS)}, got {name!r}.")
        self.name = name

    def forward(self, a, b, ctx):
        check_fit(self, (a, b))
        ctx.save(a, b)
        return _FUNCTIONS[self.name][0](a, b)

    def backward(self, dy, ctx):
        a, b = ctx.saved
        _, first, second = _FUNCTIONS[self.name]
        return unbroadcast(dy * first(a, b), a.shape), unbroadcast(dy * second(a, b), b.shape)
