"""Writing down a graph while reading a file: values with what is known of their shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparkdl.errors import FormatError, ShapeError
from sparkdl.importers.limits import current, within
from sparkdl.nn.module import Layer
from sparkdl.nn.node import Call, Input, Node
from sparkdl.nn.program import run_once

# A size that the file leaves open is tried with two stand-ins: what differs between them stays open behind it too.
_STAND_INS = (193, 225)


class OpenShape(FormatError):
    """A layer needs a size that the file does not tell."""


class Value:
    """A node and its shape. ``examples`` are empty batches of that shape, one if all sizes are known, else two."""

    __slots__ = ("node", "examples")

    def __init__(self, node: Node, examples: tuple[np.ndarray, ...] | None) -> None:
        self.node, self.examples = node, examples

    @property
    def shape(self) -> tuple[int | None, ...] | None:
        """The shape without the batch axis; None for a size that the file leaves open, or for all if nothing is known."""
        if self.examples is None:
            return None
        sizes = zip(*(e.shape[1:] for e in self.examples), strict=True)
        return tuple(s[0] if len(set(s)) == 1 else None for s in sizes)

    @property
    def ndim(self) -> int:
        """Number of axes, the batch included."""
        return len(self.known("its number of axes")) + 1

    def known(self, what: str) -> tuple[int | None, ...]:
        """The shape, or an error that says what needs it."""
        if self.shape is None:
            raise OpenShape(f"{what} is needed, but the file leaves the input's shape open; name it when loading.")
        return self.shape

    def size(self, axis: int) -> int:
        """The size along an axis (0 is the batch), which must be known."""
        shape = self.known(f"the size of axis {axis}")
        if not -len(shape) <= axis <= len(shape):
            raise FormatError(f"axis {axis} is needed of an array of {len(shape) + 1} axes.")
        size = shape[axis - 1 if axis > 0 else axis]
        if size is None:
            raise OpenShape(f"the size of axis {axis} is needed, but the file leaves it open; name the input's shape.")
        return size

    def sizes(self) -> tuple[int, ...]:
        """All sizes, which must be known."""
        return tuple(self.size(i + 1) for i in range(self.ndim - 1))


def empty(shape: Sequence[int | None] | None, dtype: Any = np.float32) -> tuple[np.ndarray, ...] | None:
    """Empty batches that stand for an input of ``shape`` (without the batch axis)."""
    if shape is None:
        return None
    within("number of axes", len(shape), current().rank)
    for n in shape:
        if n is not None:
            within("size of an input", int(n), 1 << 40)
    fills = _STAND_INS if None in shape else _STAND_INS[:1]
    try:
        return tuple(np.empty((0, *(fill if n is None else int(n) for n in shape)), dtype) for fill in fills)
    except ValueError as error:
        raise FormatError(f"an input of shape {tuple(shape)} is too large.") from error


def new_input(shape: Sequence[int | None] | None, name: str, dtype: Any = np.float32) -> Value:
    """An input of the graph."""
    return Value(Input(name=name), empty(shape, dtype))


def apply(layer: Layer, values: Sequence[Value], name: str = "") -> Any:
    """Writes down one use of ``layer``: its output value, or a tuple of them."""
    call = Call(layer, tuple(v.node for v in values), name)
    examples = _examples(layer, values, name)
    made = tuple(
        Value(node, None if examples is None else tuple(run[i] for run in examples)) for i, node in enumerate(call.outputs)
    )
    return made[0] if layer.outputs == 1 else made


def _examples(layer: Layer, values: Sequence[Value], name: str) -> list[tuple[np.ndarray, ...]] | None:
    if any(v.examples is None for v in values):
        return None
    runs = max(len(v.examples or ()) for v in values)
    results = []
    for i in range(runs):
        try:
            results.append(run_once(layer, tuple(v.examples[min(i, len(v.examples) - 1)] for v in values)))  # type: ignore[index, arg-type]
        except (ShapeError, ValueError, IndexError, ZeroDivisionError, OverflowError, MemoryError) as error:
            if runs > 1:  # the stand-in may be what does not fit
                return None
            shapes = ", ".join(str(v.shape) for v in values)
            raise FormatError(
                f"layer {name!r}: {type(layer).__name__} does not fit its input of shape {shapes} (without the batch): {error}"
            ) from error
    return results
