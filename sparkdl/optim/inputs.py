"""Inputs by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def in_models_order(model: Any, given: Any) -> Any:
    """A dict that names all inputs of a graph in the graph's order, whatever its own; another dict has only that."""
    names = getattr(model, "input_names", None)
    if not isinstance(given, Mapping) or names is None or set(names) != set(given):
        return given
    return {name: given[name] for name in names}
