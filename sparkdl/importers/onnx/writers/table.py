"""Which function writes which layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sparkdl.importers.export import Use
from sparkdl.importers.onnx.writers.graph import Graph

Writer = Callable[[Graph, Use, list[str]], Any]
TABLE: dict[str, Writer] = {}


def writes(*kinds: str) -> Callable[[Writer], Writer]:
    def register(function: Writer) -> Writer:
        TABLE.update({kind: function for kind in kinds})
        return function

    return register


def swapped(w, x, ndim):
    order = list(range(ndim))
    order[-2:] = order[-1], order[-2]
    return w.node("Transpose", [x], perm=order)
