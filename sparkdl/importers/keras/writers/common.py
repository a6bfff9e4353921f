"""What several families of writers use."""

from __future__ import annotations

from typing import Any

from sparkdl.importers.export import Shape, Use
from sparkdl.importers.keras.writers.graph import Graph, Value


def turned(shape: Shape) -> Shape:
    """A shape with its channels last."""
    return (*shape[1:], shape[0]) if len(shape) > 1 else shape


def same(w: Graph, use: Use, x: Value, kind: str, config: dict[str, Any], arrays: Any = ()) -> Value:
    """A layer to which the order of axes is all one."""
    if x.is_last:
        return Value(w, last=w.add(kind, [x.last], turned(use.made[0]), config, arrays))
    return Value(w, plain=w.add(kind, [x.plain], use.made[0], config, arrays))


def bordered(w, use, x, pads, fill_zero=True):
    """The channels-last input with zeros around its places."""
    if not any(a or b for a, b in pads):
        return x.last
    rank = len(pads)
    name, shape = x.last
    grown = (*(n + a + b for n, (a, b) in zip(shape[:-1], pads, strict=True)), shape[-1])
    config = {"padding": [list(p) for p in pads] if rank > 1 else list(pads[0]), "data_format": "channels_last"}
    return w.add(f"ZeroPadding{rank}D", [(name, shape)], grown, config)
