"""Joins and other shapes."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import UnsupportedError
from sparkdl.importers.keras.writers import writes
from sparkdl.importers.keras.writers.common import bordered, turned
from sparkdl.importers.keras.writers.graph import Value
from sparkdl.nn.layers.same_pad import same_pads


@writes("Add", "Sub", "Mul", "Maximum", "Minimum")
def _merge(w, use, x):
    kind = {"Sub": "Subtract", "Mul": "Multiply"}.get(type(use.layer).__name__, type(use.layer).__name__)
    if len(x) == 1:
        return x[0]
    if all(v.is_last for v in x):
        return Value(w, last=w.add(kind, [v.last for v in x], turned(use.made[0]), {}))
    return Value(w, plain=w.add(kind, [v.plain for v in x], use.made[0], {}))


@writes("Concat")
def _concat(w, use, x):
    axis = use.layer.dim % (len(use.shape) + 1)
    if axis == 1 and len(use.shape) > 1 and all(v.is_last for v in x):
        return Value(w, last=w.add("Concatenate", [v.last for v in x], turned(use.made[0]), {"axis": -1}))
    return Value(w, plain=w.add("Concatenate", [v.plain for v in x], use.made[0], {"axis": axis}))


@writes("Split")
def _split(w, use, x):
    axis = use.layer.dim % (len(use.shape) + 1)
    ends = np.cumsum([shape[axis - 1] for shape in use.made])[:-1]
    made = w.operation("Split", x[0].plain, use.made, {"indices_or_sections": [int(n) for n in ends], "axis": axis})
    return [Value(w, plain=each) for each in made]


@writes("Square")
def _square(w, use, x):
    return Value(w, plain=w.add("Multiply", [x[0].plain, x[0].plain], use.made[0], {}))


@writes("Flatten", "Reshape", "Squeeze", "Unsqueeze")
def _reshape(w, use, x):
    return Value(w, plain=w.add("Reshape", [x[0].plain], use.made[0], {"target_shape": list(use.made[0])}))


@writes("Permute")
def _permute(w, use, x):
    dims, n = tuple(use.layer.dims), len(use.shape)
    if n > 1 and dims == (n, *range(1, n)):  # channels to the front: what came in is the channels-last form
        return Value(w, last=x[0].plain)
    if n > 1 and dims == (*range(2, n + 1), 1):
        return Value(w, plain=x[0].last)
    return Value(w, plain=w.add("Permute", [x[0].plain], use.made[0], {"dims": list(dims)}))


@writes("Pad")
def _pad(w, use, x):
    p = use.layer
    pads = p.padding
    rank = len(use.shape) - 1
    if len(pads) != rank or p.value != 0 or not 1 <= rank <= 3:
        raise UnsupportedError(f"{use.name!r}: only zeros around all places are written.")
    grown = tuple((max(a, 0), max(b, 0)) for a, b in pads)
    made = bordered(w, use, x[0], grown)
    cut = [[max(-a, 0), max(-b, 0)] for a, b in pads]
    if any(a or b for a, b in cut):
        made = w.add(f"Cropping{rank}D", [made], turned(use.made[0]), {"cropping": cut if rank > 1 else cut[0], "data_format": "channels_last"})
    return Value(w, last=made)


@writes("SamePad")
def _same_pad(w, use, x):
    p = use.layer
    if p.value != 0 or not 1 <= len(p.kernel_size) <= 3:
        raise UnsupportedError(f"{use.name!r}: only borders of zeros are written.")
    return Value(w, last=bordered(w, use, x[0], same_pads(use.shape[1:], p.kernel_size, p.stride, p.dilation, p.rule)))
