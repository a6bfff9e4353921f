"""Which function converts which layer type."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# modules under caffe/layers; each registers its converters when imported
_FAMILIES = ("vision", "common", "activation", "normalization", "detection", "recurrent")


@dataclass(frozen=True)
class Entry:
    convert: Callable[..., Any]
    refuse: Callable[..., str | None]  # why a layer with these options is not supported, or None
    note: str


_table: dict[str, Entry] = {}


def converts(
    *types: str, refuse: Callable[..., str | None] = lambda layer: None, note: str = ""
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers the function below for these layer types."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for kind in types:
            _table[kind] = Entry(function, refuse, note)
        return function

    return register


def register_caffe(type: str, convert: Callable[..., Any]) -> None:
    """Adds a converter for a layer type of your own, or replaces one.

    ``convert(c)`` gets a ``Conversion``: ``c.layer`` (the message), ``c.inputs`` (values), ``c.blob(i, shape)`` (a
    weight), ``c.apply(layer, *values)``; it returns the output value, or a tuple of them.
    """
    table()[type] = Entry(convert, lambda layer: None, "registered by the user")


def table() -> dict[str, Entry]:
    """Layer type -> entry, of all families."""
    for family in _FAMILIES:
        importlib.import_module(f"sparkdl.importers.caffe.layers.{family}")
    return _table
