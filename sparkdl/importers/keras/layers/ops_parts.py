"""Operations of a functional model that pick, join and lay out parts of tensors in less common ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.importers.build import Value
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.layers.arguments import Arguments
from sparkdl.importers.keras.layers.ops_products import triangle
from sparkdl.importers.keras.layers.ops_shape import items
from sparkdl.importers.keras.layers.ops_values import filled, truth, where
from sparkdl.importers.keras.tensor import Tensor
from sparkdl.importers.limits import within


def _triangle(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "k")
    return Tensor(triangle(c, _matrix(c, call), int(call["k"] or 0), kind == "Tril"))


def _matrix(c: Conversion, call: Arguments) -> Value:
    x = call.tensor().plain
    if x.ndim < 3:
        raise c.refuse("a matrix of which the batch is one axis")
    return x


def _diagonal(c: Conversion, kind: str) -> Tensor:
    """The diagonal of two axes, which becomes the last one; or its sum."""
    call = Arguments(c, "x1", "offset", "axis1", "axis2")
    x = call.tensor().plain
    ends = (0, 1) if c.spec.version[0] >= 3 else (-2, -1)  # TensorFlow's are the last two
    a, b = ((call[n] if call[n] is not None else d) % x.ndim for n, d in zip(("axis1", "axis2"), ends, strict=True))
    if 0 in (a, b) or a == b:
        raise c.refuse(f"axes {a} and {b}, of which one is the batch; name axis1 and axis2")
    kept = [i for i in range(1, x.ndim) if i not in (a, b)]
    n, m, k = x.size(a), x.size(b), int(call["offset"] or 0)
    within("a matrix", n * m, 1 << 26)
    places = np.arange(n * m).reshape(n, m).diagonal(k).tolist()
    if not places:
        raise c.fail(f"offset {k} of {n} x {m}")
    turned = c.apply(nn.Permute((*kept, a, b)), x, suffix="turned")
    flat = c.apply(nn.Reshape((*[x.size(i) for i in kept], n * m)), turned, suffix="flat")
    y = c.apply(nn.Take(tuple(places), flat.ndim - 1), flat, suffix="entries" if kind == "Trace" else "")
    return Tensor(c.apply(nn.ReduceSum((y.ndim - 1,)), y) if kind == "Trace" else y)


def _rotated(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "k", "axes")
    y, times = call.tensor().plain, int(call["k"] if call["k"] is not None else 1) % 4
    a, b = (n % y.ndim for n in items(call["axes"] if call["axes"] is not None else [0, 1]))
    if 0 in (a, b):
        raise c.refuse("it turns the batch; name axes")
    for i in range(times):
        y = c.apply(nn.Transpose(a, b), c.apply(nn.Reverse(b), y, suffix=f"mirrored{i}"), suffix=f"turned{i}")
    return Tensor(y)


def _mirrored(c: Conversion, kind: str) -> Tensor:
    return Tensor(c.apply(nn.Reverse(1), Arguments(c, "x1").tensor().plain))


def _stacked(c: Conversion, kind: str) -> Tensor:
    """``hstack`` along axis 1, ``dstack`` along axis 2, ``append`` along a named one."""
    call = Arguments(c, "x1", "x2", "axis") if kind == "Append" else Arguments(c, "xs")
    tensors = [call.tensor(), call.tensor("x2")] if kind == "Append" else [t for t in call["xs"] or [] if isinstance(t, Tensor)]
    values = [t.plain for t in tensors]
    if not values:
        raise c.refuse("it joins constants")
    axis = {"Hstack": 1, "Dstack": 2}.get(kind)
    axis = call.axis(values[0].ndim) if axis is None else axis
    if kind == "Dstack":
        values = [c.apply(nn.Unsqueeze(2), v, suffix=f"axes{i}") if v.ndim == 2 else v for i, v in enumerate(values)]
    if values[0].ndim <= axis:
        raise c.refuse("it joins along the batch")
    return Tensor(c.apply(nn.Concat(axis), *values))


def _parts(c: Conversion, kind: str) -> list[Tensor]:
    """``array_split``, ``hsplit``, ``dsplit``: parts that need not be equal."""
    call = Arguments(c, "x1", "indices_or_sections", "axis")
    x = call.tensor().plain
    axis = {"Hsplit": 1, "Dsplit": 2}.get(kind)
    axis = call.axis(x.ndim, 0) if axis is None else axis
    given = call["indices_or_sections"]
    n = x.size(axis)
    if isinstance(given, int):
        within("parts", given - 1, n - 1)
        sizes = [n // given + (i < n % given) for i in range(given)]
    else:
        ends = [min(max(e, 0), n) for e in items(given)]
        sizes = [max(b - a, 0) for a, b in zip([0, *ends], [*ends, n], strict=True)]
    made = c.apply(nn.Split(tuple(sizes), axis), x)
    return [Tensor(part) for part in (made if isinstance(made, tuple) else (made,))]


def _slice(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "start_indices", "shape")
    y, starts, sizes = call.tensor().plain, items(call["start_indices"]), items(call["shape"])
    starts = items(starts[0]) if len(starts) == 1 and not isinstance(starts[0], int) else starts
    if not all(isinstance(n, int) for n in starts) or starts[0] != 0 or len(starts) != y.ndim:
        raise c.refuse(f"a start of {str(starts)[:60]}; constants that leave the batch whole are known")
    for axis in range(1, y.ndim):
        if sizes[axis] is not None and (starts[axis], sizes[axis]) != (0, y.size(axis)):
            y = c.apply(nn.Narrow(axis, starts[axis], sizes[axis]), y, suffix=f"axis{axis}")
    return Tensor(y)


def _slice_update(c: Conversion, kind: str) -> Tensor:
    """``inputs`` with a window taken by ``updates``."""
    call = Arguments(c, "x1", "start_indices", "updates")
    x, new, starts = call.tensor().plain, call.tensor("updates").plain, items(call["start_indices"])
    if not all(isinstance(n, int) for n in starts) or starts[0] != 0 or len(starts) != x.ndim:
        raise c.refuse(f"a start of {str(starts)[:60]}; constants that leave the batch whole are known")
    pads = tuple((a, n - a - m) for a, n, m in zip(starts[1:], x.sizes(), new.sizes(), strict=True))
    if any(n < 0 for pair in pads for n in pair):
        raise c.fail(f"updates of {new.sizes()} at {starts[1:]} of {x.sizes()}")
    keep = np.pad(np.zeros(new.sizes(), np.float32), pads, constant_values=1)
    return Tensor(c.apply(nn.Add(), c.apply(nn.MulConstant(keep), x, suffix="kept"), c.apply(nn.Pad(pads), new, suffix="placed")))


def _select(c: Conversion, kind: str) -> Tensor:
    """The first choice whose condition holds."""
    call = Arguments(c, "condlist", "choicelist", "default")
    conditions, choices = items(call["condlist"]), items(call["choicelist"])
    first = next((t for t in [*conditions, *choices] if isinstance(t, Tensor)), None)
    if first is None or len(conditions) != len(choices) or not all(isinstance(t, Tensor) for t in conditions):
        raise c.refuse("conditions that are constants")

    def tensor(value: Any, name: str) -> Tensor:
        return value if isinstance(value, Tensor) else filled(c, first, value if value is not None else 0.0, name)

    y = tensor(call["default"], "default")
    for i, (condition, choice) in reversed(list(enumerate(zip(conditions, choices, strict=True)))):
        y = where(c, truth(c, condition, f"holds{i}"), tensor(choice, f"choice{i}"), y, f"where{i}")
    return y


KINDS: dict[str, Callable[[Conversion, str], Any]] = {
    "Tril": _triangle, "Triu": _triangle, "Diagonal": _diagonal, "Trace": _diagonal, "Rot90": _rotated, "Fliplr": _mirrored,
    "Hstack": _stacked, "Dstack": _stacked, "Append": _stacked, "ArraySplit": _parts, "Hsplit": _parts, "Dsplit": _parts,
    "Slice": _slice, "SliceUpdate": _slice_update, "Select": _select,
}  # fmt: skip
