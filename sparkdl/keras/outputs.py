"""A model's outputs by name: what is given for each, a loss, metrics, targets, as lists or dicts."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkdl.errors import DataError, ShapeError, TraceError
from sparkdl.nn.graph import Graph
from sparkdl.nn.module import Layer, Module
from sparkdl.nn.node import Node


@dataclass(frozen=True)
class Outputs:
    """The names of a model's outputs, in order; ``mapped``: the model gives them as a dict."""

    names: tuple[str, ...]
    mapped: bool = False

    def each(self, what: str, given: Any, missing: Any = None, complete: bool = False) -> list[Any]:
        """One thing per output, from a list of them or a dict by name, which ``complete`` must name all."""
        listed = ", ".join(map(repr, self.names))
        if isinstance(given, Mapping):
            unknown = [name for name in given if name not in self.names]
            absent = [name for name in self.names if name not in given]
            if unknown or (complete and absent):
                rule = "all of them, None for one that is not trained" if complete else "some of them"
                raise ValueError(f"compile: {what} as a dict names outputs of {listed}, {rule}; got {list(given)}.")
            return [given.get(name, missing) for name in self.names]
        if not isinstance(given, Sequence) or isinstance(given, str) or len(given) != len(self.names):
            got = f"{len(given)} of them" if isinstance(given, list | tuple) else repr(given)
            raise ValueError(
                f"compile: the model has {len(self.names)} outputs, {listed}; {what} is a list with one entry for each "
                f"or a dict by name, got {got}."
            )
        return list(given)

    def targets(self, y: Any, wanted: Sequence[str], column: bool = False) -> Any:
        """What belongs to the outputs ``wanted`` of ``y``, which is by name, or holds one for each output or for each
        that is wanted: a tuple (one alone as it is), or a dict of ``column`` names.
        """
        if y is None:
            raise DataError(f"the targets y are missing; give one for each of the outputs {', '.join(wanted)}.")
        if isinstance(y, Mapping):
            absent = [name for name in wanted if y.get(name) is None]
            unknown = [name for name in y if name not in self.names]
            if absent or unknown:
                raise DataError(
                    f"y as a dict holds targets of the outputs {', '.join(wanted)} by name, got "
                    f"{', '.join(map(str, y))}; the model's outputs are {', '.join(self.names)}."
                )
            found = [y[name] for name in wanted]
        else:
            found = self._in_order(y, wanted, column)
        if column:
            return dict(zip(wanted, found, strict=True))
        return tuple(found) if len(found) > 1 else found[0]

    def _in_order(self, y: Any, wanted: Sequence[str], column: bool) -> list[Any]:
        several = isinstance(y, list | tuple) and (
            all(isinstance(each, str) for each in y) if column else all(each is None or np.ndim(each) for each in y)
        )
        given = list(y) if several else [y]
        if len(given) == len(self.names) and all(given[self.names.index(name)] is not None for name in wanted):
            return [given[self.names.index(name)] for name in wanted]
        if len(given) == len(wanted) and not any(each is None for each in given):
            return given
        got = f"{len(given)} of them" if several else f"one of shape {np.shape(y)}" if not column else repr(y)
        raise DataError(
            f"the model has {len(self.names)} outputs, {', '.join(self.names)}, of which {', '.join(wanted)} take "
            f"targets; y is a list with one for each, or a dict by name, got {got}."
        )


def outputs_of(module: Module) -> Outputs | None:
    """A graph's ``output_names``, the keys of a dict that ``forward`` returns, else output_1, output_2, ...

    None where how many there are depends on the shapes of the inputs.
    """
    names = getattr(module, "output_names", None)
    if names:
        return Outputs(tuple(names))
    if isinstance(module, Layer):
        return Outputs(_numbered(module.outputs))
    try:
        made = module.forward(*[Node(name=name) for name in input_names(module)])
    except TraceError:  # it looks at shapes, or takes any number of inputs
        return None
    if isinstance(made, Mapping):
        return Outputs(tuple(map(str, made)), mapped=True)
    return Outputs(_numbered(len(made) if isinstance(made, tuple | list) else 1))


def assumed(given: Sequence[Any]) -> Outputs:
    """The outputs that loss and metrics speak of, for a model that cannot tell how many it has."""
    for each in given:
        if isinstance(each, Mapping) and each:
            return Outputs(tuple(map(str, each)))
    counts = [len(each) for each in given[:1] if isinstance(each, list | tuple)]
    return Outputs(_numbered(counts[0] if counts else 1))


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"output_{i + 1}" for i in range(count))


def input_names(module: Module) -> list[str]:
    """A graph's inputs, or the parameters of ``forward``."""
    if isinstance(module, Graph):
        return module.input_names
    parameters = inspect.signature(module.forward).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise TraceError(f"{type(module).__name__}.forward takes any number of inputs.")
    return [p.name for p in parameters if p.default is p.empty]


def inputs_in_order(module: Module, x: Any) -> Any:
    """Arrays by name in the order in which the model takes them; anything else as it is."""
    if not isinstance(x, Mapping):
        return x
    try:
        names = input_names(module)
    except TraceError:
        return tuple(x.values())
    if set(names) != set(x):
        raise ShapeError(
            f"x as a dict holds the model's inputs {', '.join(names)} by name, got {', '.join(map(str, x))}."
        )
    return tuple(x[name] for name in names)
