"""NumPy views of Arrow arrays, and messages about their rows: nothing here loops over rows in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparkdl.data.fields import Field
from sparkdl.errors import DataError

_SHOWN = 4  # elements of a list in a message


class Lists(NamedTuple):
    """Lists of different lengths: row i is ``values[offsets[i]:offsets[i+1]]``."""

    values: NDArray
    offsets: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Elements of each row."""
        return np.diff(self.offsets)


def numbers(array: Any) -> NDArray:
    """A column of numbers without nulls."""
    return array.to_numpy(zero_copy_only=False)


def lists(array: Any, fail: Callable[[int, str], None]) -> Lists:
    """A column of lists; ``fail(row, why)`` is called for a null among the elements."""
    offsets = array.offsets.to_numpy().astype(np.int64)
    child = array.values.slice(offsets[0], offsets[-1] - offsets[0])
    offsets = offsets - offsets[0]
    if child.null_count:
        place = int(np.flatnonzero(child.is_null().to_numpy(zero_copy_only=False))[0])
        row = int(np.searchsorted(offsets, place, side="right")) - 1
        fail(row, f"element {place - offsets[row]} is null")
    return Lists(child.to_numpy(zero_copy_only=False), offsets)


def strings(array: Any) -> Lists:
    """A column of binary or text: its bytes."""
    _, offset_buffer, data = array.buffers()
    wide = str(array.type).startswith("large")
    offsets = np.frombuffer(offset_buffer, np.int64 if wide else np.int32)[array.offset : array.offset + len(array) + 1]
    offsets = offsets.astype(np.int64)
    values = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return Lists(values[offsets[0] : offsets[-1]], offsets - offsets[0])


class Vectors(NamedTuple):
    """ML vectors, as the entries that are written down: row i's are ``values[offsets[i]:offsets[i+1]]``."""

    sizes: NDArray[np.int64]
    offsets: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float64]
    sparse: NDArray[np.bool_]


def vectors(array: Any) -> Vectors:
    """A column of ML vectors (Arrow sees the struct inside: type, size, indices, values)."""
    sparse = array.field("type").to_numpy(zero_copy_only=False) == 0
    values = lists(array.field("values"), _impossible)
    indices = array.field("indices")
    lengths = indices.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    given = indices.flatten().to_numpy(zero_copy_only=False)
    sizes = array.field("size").fill_null(0).to_numpy(zero_copy_only=False)
    sizes = np.where(sparse, sizes, values.lengths)
    place = np.arange(len(values.values)) - np.repeat(values.offsets[:-1], values.lengths)
    if len(given):
        place[np.repeat(sparse, values.lengths)] = given[np.repeat(sparse, lengths)]
    return Vectors(sizes, values.offsets, place.astype(np.int32), values.values, sparse)


def _impossible(row: int, why: str) -> None:
    raise DataError(f"An ML vector's {why}.")


def first(mask: NDArray[np.bool_]) -> int | None:
    """Place of the first True, None if there is none."""
    place = int(np.argmax(mask)) if len(mask) else 0
    return place if len(mask) and mask[place] else None


def nulls(array: Any) -> int | None:
    """Place of the first null, None if there is none."""
    return first(array.is_null().to_numpy(zero_copy_only=False)) if array.null_count else None


def failer(field: Field, batch: Any, fields: tuple[Field, ...]) -> Callable[[int, str], None]:
    """``fail(row, why)`` that raises the one error for a row of this batch that cannot be used, and shows the row."""

    def fail(row: int, why: str) -> None:
        values = batch.slice(row, 1).to_pylist()[0]
        shown = ", ".join(f"{each.title}={_short(values[each.wire])}" for each in fields)
        raise DataError(f"Column {field.title!r}: {why}. The first such row is ({shown}).")

    return fail


def _short(value: Any) -> str:
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_short(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        if len(value) <= 2 * _SHOWN:
            return "[" + ", ".join(map(_short, value)) + "]"
        return "[" + ", ".join(map(_short, value[:_SHOWN])) + f", ... {len(value)} values]"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
