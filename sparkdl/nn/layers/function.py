"""Functions of single values that no net is slowed down by."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sparkdl.nn.module import Layer

# name -> the function and its derivative
_FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "sin": (np.sin, np.cos),
    "cos": (np.cos, lambda x: -np.sin(x)),
    "tan": (np.tan, lambda x: 1 / np.cos(x) ** 2),
    "sinh": (np.sinh, np.cosh),
    "cosh": (np.cosh, np.sinh),
    "arcsin": (np.arcsin, lambda x: 1 / np.sqrt(1 - x * x)),
    "arccos": (np.arccos, lambda x: -1 / np.sqrt(1 - x * x)),
    "arctan": (np.arctan, lambda x: 1 / (1 + x * x)),
    "arcsinh": (np.arcsinh, lambda x: 1 / np.sqrt(1 + x * x)),
    "arccosh": (np.arccosh, lambda x: 1 / np.sqrt(x * x - 1)),
    "arctanh": (np.arctanh, lambda x: 1 / (1 - x * x)),
    "cbrt": (np.cbrt, lambda x: 1 / (3 * np.cbrt(x) ** 2)),
    "exp2": (np.exp2, lambda x: np.exp2(x) * x.dtype.type(np.log(2))),
    "sinc": (np.sinc, lambda x: np.where(x == 0, 0, (np.cos(np.pi * x) - np.sinc(x)) / np.where(x == 0, 1, x))),
    "expm1": (np.expm1, np.exp),
    "log1p": (np.log1p, lambda x: 1 / (1 + x)),
    "sign": (np.sign, np.zeros_like),
    "floor": (np.floor, np.zeros_like),
    "ceil": (np.ceil, np.zeros_like),
    "round": (np.rint, np.zeros_like),
    "trunc": (np.trunc, np.zeros_like),
    "isfinite": (lambda x: np.isfinite(x).astype(x.dtype), np.zeros_like),
    "isinf": (lambda x: np.isinf(x).astype(x.dtype), np.zeros_like),
    "isnan": (lambda x: np.isnan(x).astype(x.dtype), np.zeros_like),
    "signbit": (lambda x: np.signbit(x).astype(x.dtype), np.zeros_like),
}


class Function(Layer):
    """``y = name(x)``: sin, cos, tan, sinh, cosh and their inverses arcsin to arctanh, cbrt, exp2, expm1, log1p, sinc
    (sin(pi x) / (pi x)); and those whose gradient is 0: sign, floor, ceil, trunc, round (halves to even), and 1 or 0
    for isfinite, isinf, isnan, signbit."""

    NAMES = tuple(_FUNCTIONS)

    def __init__(self, name: str) -> None:
        super().__init__()
        if name not in _FUNCTIONS:
            raise ValueError(f"Function: one of {', '.join(_FUNCTIONS)}, got {name!r}.")
        self.name = name

    def forward(self, x, ctx):
        ctx.save(x)
        return _FUNCTIONS[self.name][0](x)

    def backward(self, dy, ctx):
        return dy * _FUNCTIONS[self.name][1](ctx.saved[0])
