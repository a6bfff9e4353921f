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
    "arctan": (np.arctan, lambda x: 1 / (1 + x * x)),
    "arcsinh": (np.arcsinh, lambda x: 1 / np.sqrt(1 + x * x)),
    "expm1": (np.expm1, np.exp),
    "log1p": (np.log1p, lambda x: 1 / (1 + x)),
    "sign": (np.sign, np.zeros_like),
    "floor": (np.floor, np.zeros_like),
    "ceil": (np.ceil, np.zeros_like),
    "round": (np.rint, np.zeros_like),
}


class Function(Layer):
    """``y = name(x)``: sin, cos, tan, sinh, cosh, arctan, arcsinh, expm1, log1p; sign, floor, ceil and round (halves to
    even), whose gradient is 0."""

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
