"""A layer out of one scalar function and its derivative."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from functools import cached_property
from typing import Any

from sparkdl.kernel import elementwise, numba
from sparkdl.nn.layers.elementwise import Elementwise


def elementwise_layer(
    function: Callable[..., Any], derivative: Callable[..., Any], name: str | None = None, **defaults: float
) -> type[Elementwise]:
    """A layer class for ``y = function(x, *numbers)``, value by value; ``derivative(x, *numbers)`` is dy/dx.

    Both take and return numbers, and are compiled for the processor when the layer first runs: they may use ``math``
    and arithmetic. ``defaults`` are further arguments, in order, with their defaults; they become the constructor's.

    ::

        Swish = nn.elementwise_layer(
            lambda x, beta: x / (1 + math.exp(-beta * x)),
            lambda x, beta: (1 + (1 + beta * x) * math.exp(-beta * x)) / (1 + math.exp(-beta * x)) ** 2,
            name="Swish",
            beta=1.0,
        )
        model = nn.Sequential(nn.Linear(4, 4), Swish(beta=2.0))

    Give the class the name of the variable that holds it, so that models with it can be pickled; ``nn.load`` wants it
    in ``layers``. ``nn.gradcheck`` proves the derivative.
    """
    given = list(inspect.signature(function).parameters)
    for each in (function, derivative):
        if len(inspect.signature(each).parameters) != 1 + len(defaults):
            raise TypeError(
                f"elementwise_layer: {each.__name__} must take x and {len(defaults)} further numbers "
                f"({', '.join(defaults) or 'none'}), got {inspect.signature(each)}."
            )
    name = name or "".join(part.title() for part in function.__name__.split("_") if part != "<lambda>") or "Custom"
    pair = _Pair(function, derivative)

    def __init__(self: Elementwise, *args: float, **kwargs: float) -> None:
        Elementwise.__init__(self)
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        for key in defaults:
            setattr(self, key, bound.arguments[key])

    self_parameter = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    signature = inspect.Signature(
        [self_parameter]
        + [inspect.Parameter(k, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=v) for k, v in defaults.items()]
    )
    __init__.__signature__ = signature  # type: ignore[attr-defined]
    body = {
        "__init__": __init__,
        "__doc__": f"``y = {function.__name__}({', '.join(given)})``, value by value.",
        "__module__": function.__module__,
        "numbers": tuple(defaults),
        "value": _Late(pair, 0),
        "slope": _Late(pair, 1),
    }
    cls = type(name, (Elementwise,), body)
    return cls


class _Pair:
    """Two scalar functions, compiled when they are first needed, in each process for itself."""

    def __init__(self, function: Callable[..., Any], derivative: Callable[..., Any]) -> None:
        self.functions = function, derivative

    def __getstate__(self) -> dict[str, Any]:
        return {"functions": self.functions}

    @cached_property
    def kernels(self) -> tuple[Any, Any]:
        value, derivative = (_compiled(function) for function in self.functions)

        def slope(x, dy, *numbers):
            return derivative(x, *numbers) * dy

        return elementwise(value), elementwise(_compiled(slope))


class _Late:
    """One of a pair's kernels."""

    def __init__(self, pair: _Pair, which: int) -> None:
        self.pair, self.which = pair, which

    def __call__(self, *args: Any) -> None:
        self.pair.kernels[self.which](*args)


def _compiled(function: Callable[..., Any]) -> Any:
    """A copy of ``function`` under a name that fits in a loop, of no module, so that no stale code is kept on disk."""
    code, closure = function.__code__, function.__closure__
    copy = types.FunctionType(code, function.__globals__, "function", function.__defaults__, closure)
    copy.__module__ = "<user>"
    return numba().njit(copy, error_model="numpy", nogil=True)
