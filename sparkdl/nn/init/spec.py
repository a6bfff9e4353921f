"""Initialisers as arguments: by name, by name with options, or as a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from sparkdl.nn.rng import generator

if TYPE_CHECKING:
    from sparkdl.nn.module import Module

Init = Callable[..., np.ndarray]
_NOT_INITS = ("apply", "calculate_gain", "get")


def get(spec: str | Mapping[str, Any] | float | Init) -> Init:
    """``init(shape, rng)`` for a layer's argument.

    ``spec`` is a name (``"xavier_uniform"``), a dict of name and options (``{"name": "normal", "std": 0.01}``), a
    number (all elements are that) or such a function. Names, dicts and numbers can be saved with a model.
    """
    from sparkdl.nn import init

    if isinstance(spec, Mapping):
        options = dict(spec)
        return partial(get(options.pop("name", None)), **options)
    if isinstance(spec, (int, float)) and not isinstance(spec, bool):
        return partial(init.constant, value=float(spec))
    if callable(spec):
        return spec
    names = [name for name in init.__all__ if name not in _NOT_INITS]
    if spec not in names:
        raise ValueError(f"no initialiser is called {spec!r}; there are {', '.join(names)}.")
    return getattr(init, str(spec))


def apply(model: Module, rules: Mapping[str, Any], rng: Any = None) -> None:
    """Draws new weights: each parameter by the first of ``rules`` whose pattern (shell wildcards) matches its name.

    Parameters that no pattern matches stay as they are; a pattern that matches none is an error.
    """
    rng = rng or generator()
    inits = {pattern: get(spec) for pattern, spec in rules.items()}
    names = [name for name, _ in model.named_parameters()]
    for pattern in inits:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"{pattern!r} matches no parameter; there are {', '.join(names)}.")
    for name, parameter in model.named_parameters():
        init = next((i for pattern, i in inits.items() if fnmatchcase(name, pattern)), None)
        if init is not None:
            parameter.value = init(parameter.shape, rng, dtype=parameter.dtype)
