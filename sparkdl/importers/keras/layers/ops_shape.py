"""Operations that move, join and cut tensors of a functional model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.importers.build import Value
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.layers.arguments import Arguments
from sparkdl.importers.keras.tensor import Tensor
from sparkdl.importers.limits import within


class Sizes(Tensor):
    """``tf.shape(x)`` of a tensor, batch first, or one ``entry`` of it; it only serves to say another shape."""

    entry: int | None = None


def items(value: Any) -> list[Any]:
    """A list, also where it is a tuple written out."""
    value = value.get("items") if isinstance(value, dict) and "items" in value else value
    return list(value) if isinstance(value, list | tuple) else [value]


def _size(c: Conversion, n: Any) -> Any:
    """A number of a shape: one written out, or one taken from ``tf.shape``."""
    if isinstance(n, Sizes):
        return n.plain.sizes()[n.entry - 1] if n.entry else None
    if n is not None and not isinstance(n, int):
        raise c.refuse(f"a shape with {str(n)[:60]!r}")
    return n


def _reshape(c: Conversion) -> Tensor:
    call = Arguments(c, "x1", "shape")
    shape = [_size(c, n) for n in items(call["shape"])]
    if not shape or call["shape"] is None:
        raise c.refuse(f"a shape {str(call['shape'])[:60]!r}")
    return Tensor(c.apply(nn.Reshape(tuple(-1 if n is None else n for n in shape[1:])), call.tensor().plain))


def _transpose(c: Conversion) -> Tensor:
    call = Arguments(c, "x1", "axes")
    x = call.tensor()
    axes = items(call["axes"]) if call["axes"] is not None else list(range(x.ndim))[::-1]
    return _permuted(c, x, [a % x.ndim for a in axes])


def _permuted(c: Conversion, x: Tensor, axes: list[int]) -> Tensor:
    if not axes or axes[0] != 0:
        raise c.refuse(f"axes {axes} move the batch")
    return Tensor(c.apply(nn.Permute(tuple(axes[1:])), x.plain))


def _swap(c: Conversion) -> Tensor:
    call = Arguments(c, "x1", "axis1", "axis2")
    x = call.tensor()
    axes = list(range(x.ndim))
    a, b = call["axis1"] % x.ndim, call["axis2"] % x.ndim
    axes[a], axes[b] = axes[b], axes[a]
    return _permuted(c, x, axes)


def _move(c: Conversion) -> Tensor:
    call = Arguments(c, "x1", "source", "destination")
    x = call.tensor()
    sources, targets = ([a % x.ndim for a in items(call[n])] for n in ("source", "destination"))
    axes = [i for i in range(x.ndim) if i not in sources]
    for target, source in sorted(zip(targets, sources, strict=True)):
        axes.insert(target, source)
    return _permuted(c, x, axes)


def _expand(c: Conversion) -> Tensor:
    call = Arguments(c, "x1", "axis")
    x = call.tensor()
    given, y = items(call["axis"]), x.plain
    axes = sorted(a % (x.ndim + len(given)) for a in given)
    if 0 in axes:
        raise c.refuse("it changes the batch axis")
    for i, axis in enumerate(axes):
        y = c.apply(nn.Unsqueeze(axis), y, suffix=f"axis{axis}" if i < len(axes) - 1 else "")
    return Tensor(y)


def _squeeze(c: Conversion) -> Tensor:
    call = Arguments(c, "x1", "axis")
    x = call.tensor()
    sizes = x.plain.sizes()
    given = call["axis"] if call["axis"] is not None else call["squeeze_dims"]
    axes = [a % x.ndim for a in items(given)] if given not in (None, []) else [i for i, n in enumerate(sizes, 1) if n == 1]
    if any(a == 0 or sizes[a - 1] != 1 for a in axes):
        raise c.fail(f"axes {axes} of {sizes} are not of size 1")
    return Tensor(c.apply(nn.Reshape(tuple(n for i, n in enumerate(sizes, 1) if i not in axes)), x.plain))


def _join(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "xs", "axis")
    tensors = [t for t in call["xs"] or [] if isinstance(t, Tensor)]
    axis = call["axis"] if isinstance(call["axis"], int) else -1 if kind == "Concatenate" else 0
    if not tensors or (axis % (tensors[0].ndim + (kind == "Stack"))) == 0:
        raise c.refuse("it joins along the batch")
    layer = nn.Concat(axis % tensors[0].ndim) if kind == "Concatenate" else nn.Stack(axis % (tensors[0].ndim + 1))
    return Tensor(c.apply(layer, *[t.plain for t in tensors]))


def _split(c: Conversion, kind: str) -> list[Tensor]:
    call = Arguments(c, "x1", "indices_or_sections", "axis")
    x = call.tensor()
    axis = call.axis(x.ndim, 0)
    n, given = x.size(axis), call["indices_or_sections"]
    count = n if kind == "Unstack" else given
    if isinstance(count, int):
        if count < 1 or n % count:
            raise c.fail(f"{n} entries cannot be cut into {count} equal parts")
        sizes = [n // count] * count
    else:  # Keras names the places of the cuts, TensorFlow the sizes of the parts
        ends = items(given)
        sizes = ends if c.spec.version[0] < 3 else [b - a for a, b in zip([0, *ends], [*ends, n], strict=True)]
    made = c.apply(nn.Split(tuple(sizes), axis), x.plain, suffix="parts" if kind == "Unstack" else "")
    parts = made if isinstance(made, tuple) else (made,)
    if kind == "Unstack":
        kept = tuple(m for i, m in enumerate(x.plain.sizes(), 1) if i != axis)
        parts = tuple(c.apply(nn.Reshape(kept), part, suffix=str(i)) for i, part in enumerate(parts))
    return [Tensor(part) for part in parts]


def _take(c: Conversion) -> Tensor:
    call = Arguments(c, "x1", "indices", "axis")
    if isinstance(call["indices"], Tensor) and not isinstance(call["x1"], Tensor):
        return _rows(c, call)
    x, indices = call.tensor(), call["indices"]
    axis = call.axis(x.ndim, -1 if c.spec.version[0] >= 3 else 0)
    indices = constant_ints(c, indices)
    if isinstance(indices, int):
        return Tensor(c.apply(nn.Select(axis, indices), x.plain))
    return Tensor(c.apply(nn.Take(tuple(indices), axis), x.plain))


def _rows(c: Conversion, call: Arguments) -> Tensor:
    """Rows of a table of constants, picked by a tensor."""
    table = np.asarray(call.constant("x1"), np.float32)
    if table.ndim != 2 or call["axis"] not in (0, -2) and (call["axis"] is not None or c.spec.version[0] >= 3):
        raise c.refuse(f"entries of a constant of shape {table.shape} along axis {call['axis']}")
    layer = nn.Embedding(*table.shape)
    layer.weight.value = table
    layer.freeze()
    return Tensor(c.apply(layer, call.tensor("indices").plain))


def constant_ints(c: Conversion, value: Any) -> int | list[int]:
    """Whole numbers that were written down, one or a list of them."""
    if isinstance(value, dict):
        inner = value.get("config", value)
        value = inner.get("value") if isinstance(inner, dict) else None
    value = items(value) if not isinstance(value, int) else value
    if not isinstance(value, int) and not all(isinstance(i, int) for i in value):
        raise c.refuse(f"indices {str(value)[:60]!r}")
    return value


def _repeat(c: Conversion, kind: str) -> Tensor:
    call = Arguments(c, "x1", "repeats", "axis")
    x, times = call.tensor(), items(constant_ints(c, call["repeats"]))
    if kind == "Repeat":
        axis = call.axis(x.ndim)
        if len(times) == 1:
            return Tensor(c.apply(nn.Repeat(axis, times[0]), x.plain))
        if len(times) != x.size(axis):
            raise c.fail(f"{len(times)} repeats of {x.size(axis)} entries")
        within("repeated entries", sum(times), 1 << 24)
        return Tensor(c.apply(nn.Take(tuple(i for i, n in enumerate(times) for _ in range(n)), axis), x.plain))
    y = x.plain
    if len(times) != x.ndim or times[0] != 1:
        raise c.refuse(f"repeats {times} of an array of {x.ndim} axes, the batch among them")
    for axis, n in enumerate(times):
        if n != 1:
            y = c.apply(nn.Tile(axis, n), y, suffix=f"axis{axis}")
    return Tensor(y)


def _broadcast(c: Conversion) -> Tensor:
    call = Arguments(c, "x1", "shape")
    y = call.tensor().plain
    wanted = [_size(c, n) for n in items(call["shape"])]
    if len(wanted) != y.ndim:
        raise c.refuse(f"{y.ndim} axes to {len(wanted)}")
    for axis, n in enumerate(wanted):
        if axis and n is not None and n != y.size(axis):
            y = c.apply(nn.Repeat(axis, n), y, suffix=f"axis{axis}")
    return Tensor(y)


def _flip(c: Conversion) -> Tensor:
    call = Arguments(c, "x1", "axis")
    y = call.tensor().plain
    for axis in call.axes(y.ndim):
        y = c.apply(nn.Reverse(axis), y, suffix=f"axis{axis}")
    return Tensor(y)


def _roll(c: Conversion) -> Tensor:
    call = Arguments(c, "x1", "shift", "axis")
    x = call.tensor()
    y = x.plain
    for shift, given in zip(items(call["shift"]), items(call["axis"]), strict=True):
        if given is None or given % x.ndim == 0:
            raise c.refuse("it rolls along the batch")
        n = x.size(given)
        y = c.apply(nn.Take(tuple((i - shift) % n for i in range(n)), given % x.ndim), y, suffix=f"axis{given % x.ndim}")
    return Tensor(y)


def _pad(c: Conversion) -> Tensor:
    call = Arguments(c, "x1", "pad_width", "mode", "constant_values")
    x, pairs = call.tensor(), [tuple(items(p)) for p in items(call["pad_width"])]
    mode = str(call["mode"] or "constant").lower()
    if len(pairs) != x.ndim or pairs[0] != (0, 0) or mode not in ("constant", "reflect", "symmetric", "edge", "wrap"):
        raise c.refuse(f"padding {pairs} in mode {call['mode']!r}; axes other than the batch are known")
    if mode == "constant":
        return Tensor(c.apply(nn.Pad(tuple(pairs[1:]), float(call["constant_values"] or 0.0)), x.plain))
    y = x.plain
    for axis, (before, after) in enumerate(pairs):
        n = x.size(axis) if axis else 0
        if before or after:
            within("padding", before + after, 1 << 20)
            places = np.pad(np.arange(n), (before, after), mode)  # type: ignore[call-overload]
            y = c.apply(nn.Take(tuple(places.tolist()), axis), y, suffix=f"axis{axis}")
    return Tensor(y)


def _one_hot(c: Conversion) -> Tensor:
    call = Arguments(c, "x1", "num_classes", "axis")
    x = call["x1"] if isinstance(call["x1"], Tensor) else call["indices"]
    if not isinstance(x, Tensor):
        raise c.refuse("constant class numbers")
    column = c.apply(nn.Unsqueeze(x.ndim), x.plain, suffix="column")  # the last axis of size 1 goes
    axis = (-1 if call["axis"] is None else call["axis"]) % (x.ndim + 1)
    y = c.apply(nn.CountCategories(call["num_classes"], "one_hot"), column, suffix="" if axis == x.ndim else "one_hot")
    if axis == x.ndim:
        return Tensor(y)
    return _permuted(c, Tensor(y), [*range(axis), x.ndim, *range(axis, x.ndim)])


def _shape(c: Conversion) -> Tensor:
    return Sizes(Arguments(c, "x1").tensor().plain)


# -- indices -----------------------------------------------------------------------------------------------------------
def _item(c: Conversion) -> Tensor:
    call = Arguments(c, "x1", "key")
    source, key = call.tensor(), call["key"] if "key" in call.values else call["slice_spec"]
    if isinstance(source, Sizes):
        if not isinstance(key, int):
            raise c.refuse(f"part {str(key)[:60]!r} of a shape")
        entry = Sizes(source.plain)
        entry.entry = key % source.ndim
        return entry
    x, parts = source.plain, _spread(items(key), source.ndim)
    gone: list[int] = []
    new: list[int] = []
    axis = 0
    for part in parts:
        if part is None:
            new.append(axis)
            continue
        x = _one_axis(c, x, part, axis)
        if isinstance(part, int):
            gone.append(axis)
        axis += 1
    if gone or new:
        shape: list[int] = []
        for i, n in enumerate((0, *x.sizes())):
            shape += [1] * new.count(i) + ([] if i in gone or not i else [n])
        x = c.apply(nn.Reshape(tuple(shape + [1] * new.count(x.ndim))), x)
        if new.count(0):
            raise c.refuse("a new axis before the batch")
    return Tensor(x)


def _spread(parts: list[Any], ndim: int) -> list[Any]:
    """An ellipsis becomes as many whole axes as are missing."""
    whole = {"start": None, "stop": None, "step": None}
    at = next((i for i, p in enumerate(parts) if _is_ellipsis(p)), None)
    if at is None:
        return parts
    missing = ndim - sum(p is not None for p in parts) + 1
    return [*parts[:at], *[whole] * missing, *parts[at + 1 :]]


def _is_ellipsis(part: Any) -> bool:
    return part == "..." or isinstance(part, dict) and part.get("class_name") in ("__ellipsis__", "ellipsis")


def _one_axis(c: Conversion, x: Value, part: Any, axis: int) -> Value:
    """``x`` with entries of one axis chosen; the axis stays, of size 1 behind a number."""
    window = _window(part)
    if axis == 0:
        if window != (None, None, None):
            raise c.refuse("it picks samples of the batch")
        return x
    if isinstance(part, int):
        n = x.size(axis)
        if not -n <= part < n:
            raise c.fail(f"index {part} of {n} entries")
        return c.apply(nn.Narrow(axis, part % n, 1), x, suffix=f"axis{axis}")
    if window is None or not all(n is None or isinstance(n, int) for n in window):
        raise c.refuse(f"an index {str(part)[:60]!r}")
    if window[:2] == (None, None) and window[2] in (None, 1):
        return x
    places = range(*slice(*window).indices(x.size(axis)))
    if not places:
        raise c.refuse(f"an index {str(part)[:60]!r} that keeps nothing")
    if places.step == 1:
        return c.apply(nn.Narrow(axis, places.start, len(places)), x, suffix=f"axis{axis}")
    return c.apply(nn.Take(tuple(places), axis), x, suffix=f"axis{axis}")


def _window(part: Any) -> tuple[Any, Any, Any] | None:
    if isinstance(part, dict):
        inner = part.get("config", part)
        inner = inner if isinstance(inner, dict) else part
        return tuple(inner.get(k) for k in ("start", "stop", "step"))  # type: ignore[return-value]
    return None


_TABLE: dict[str, Callable[..., Any]] = {
    "Reshape": _reshape, "Transpose": _transpose, "Swapaxes": _swap, "Moveaxis": _move, "ExpandDims": _expand, "Squeeze": _squeeze,
    "Take": _take, "BroadcastTo": _broadcast, "Flip": _flip, "Roll": _roll, "Pad": _pad, "OneHot": _one_hot,
    "Shape": _shape, "GetItem": _item,
}  # fmt: skip
_TABLE_OF_KINDS: dict[str, Callable[..., Any]] = {
    "Concatenate": _join, "Stack": _join, "Split": _split, "Unstack": _split, "Repeat": _repeat, "Tile": _repeat,
}  # fmt: skip
KINDS = (*_TABLE, *_TABLE_OF_KINDS)


def convert(c: Conversion, kind: str) -> Any:
    """The operation ``kind`` of a call."""
    return _TABLE[kind](c) if kind in _TABLE else _TABLE_OF_KINDS[kind](c, kind)
