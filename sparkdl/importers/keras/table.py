"""Which function converts which Keras layer, and which variables the layer has."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sparkdl.importers.keras.spec import LayerSpec

# modules under keras/layers; each registers its converters when imported
_FAMILIES = ("core", "conv", "pooling", "shape", "merge", "normalization", "recurrent", "wrappers", "attention", "old", "ops", "preprocessing", "spectrum")


@dataclass(frozen=True)
class Entry:
    convert: Callable[..., Any]
    variables: Callable[[LayerSpec], list[str]]
    refuse: Callable[[LayerSpec], str | None]
    note: str


_table: dict[str, Entry] = {}


def _none(spec: LayerSpec) -> None:
    return None


def converts(
    *kinds: str,
    variables: Callable[[LayerSpec], list[str]] | Sequence[str] = (),
    refuse: Callable[[LayerSpec], str | None] = _none,
    note: str = "",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers the function below for these layer classes (newest names).

    ``variables`` are the names of the layer's weights in Keras's order, ``!`` behind those that are not trained;
    ``refuse`` says why a layer with this config is not supported, or None.
    """
    named = variables if callable(variables) else lambda spec: list(variables)  # type: ignore[arg-type]

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for kind in kinds:
            _table[kind] = Entry(function, named, refuse, note)
        return function

    return register


def register_keras(name: str, convert: Callable[..., Any], variables: Callable[[LayerSpec], list[str]] | Sequence[str] = ()) -> None:
    """Adds a converter for a custom layer class (``"Name"``, or ``"package>Name"`` as Keras 3 registers it).

    ``convert(c)`` gets a ``Conversion``: ``c.spec.config``, ``c.x`` (the input tensor; ``c.x.plain`` has the file's
    axes), ``c.weight(i, shape)``, ``c.apply(layer, *values)``; it returns a ``Tensor``, or a list of them.
    """
    table()
    converts(name, variables=variables, note="registered by the user")(convert)


def table() -> dict[str, Entry]:
    """Layer class -> entry, of all families."""
    for family in _FAMILIES:
        importlib.import_module(f"sparkdl.importers.keras.layers.{family}")
    return _table


def variables(spec: LayerSpec) -> list[str]:
    """The names of a layer's own variables."""
    return [] if spec.model is not None or spec.kind in ("InputLayer", "Merge") else table()[spec.kind].variables(spec)
