"""Arrow columns of a batch as the arrays that a model takes, and which of the rows can be used. No loop over rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkdl.data import arrow
from sparkdl.data.builders import builder_of
from sparkdl.data.fields import Column, Field, title
from sparkdl.data.spill import Budget
from sparkdl.errors import DataError

_ROOM = 1 << 60  # bytes: a batch is decoded in memory; Spark limits its rows


@dataclass
class Inputs:
    """Decodes batches for a model of ``dtype``; without ``strict``, rows that cannot be used are left out.

    A column whose row shape is not known has that of the first row that comes.
    """

    columns: tuple[Column, ...]
    dtype: str
    strict: bool = True
    uniform: bool = True  # rows of all batches have one size

    def __post_init__(self) -> None:
        self.sizes: list[int | None] = [None if c.shape is None else math.prod(c.shape) for c in self.columns]
        self.budget = Budget(_ROOM)

    def decode(self, arrays: Sequence[Any]) -> tuple[tuple[NDArray, ...], NDArray[np.bool_] | None]:
        """One array per column, and a mask of the rows that are in them (None: all are)."""
        fields = [self._field(i, self.columns[i], array) for i, array in enumerate(arrays)]
        usable = np.ones(len(arrays[0]), bool)
        if not self.strict:
            for i, (field, array) in enumerate(zip(fields, arrays, strict=True)):
                usable &= self._usable(i, field, array)
        if not usable.all():
            import pyarrow as pa

            arrays = [array.filter(pa.array(usable)) for array in arrays]
        decoded = [self._decoded(i, fields, arrays) for i in range(len(fields))]
        return tuple(decoded), None if usable.all() else usable

    def _field(self, i: int, column: Column, array: Any) -> Field:
        names = (column.name,) if isinstance(column.name, str) else column.name
        kind = kind_of(array.type, title(column))
        return Field(f"c{i}", names, kind, "feature", column.dtype or self.dtype, column.shape)

    def _decoded(self, i: int, fields: list[Field], arrays: Sequence[Any]) -> NDArray:
        import pyarrow as pa

        field, array = fields[i], arrays[i]
        batch = pa.RecordBatch.from_arrays(list(arrays), names=[each.wire for each in fields])
        fail = arrow.failer(field, batch, tuple(fields))
        row = arrow.nulls(array)
        if row is not None:
            fail(row, "a value must not be null; drop or fill such rows, or set handleInvalid")
        if field.kind == "number" and pa.types.is_decimal(array.type):
            array = array.cast(pa.float64())
        builder = builder_of(field, self.budget)
        if len(array):
            builder.add(array, fail)
        store = builder.finish()
        values = store.values if hasattr(store, "values") else store.take(np.arange(len(store)))
        self._remember(i, field, values)
        if not len(values) and self.sizes[i] is not None and field.shape is None and field.kind in ("list", "vector"):
            values = np.empty((0, self.sizes[i]), values.dtype)  # type: ignore[arg-type]
        return values.astype(self.dtype) if values.dtype == np.uint8 else values

    def _remember(self, i: int, field: Field, values: NDArray) -> None:
        size = math.prod(values.shape[1:])
        if not len(values):
            return
        if self.sizes[i] is None:
            self.sizes[i] = size
        elif self.uniform and size != self.sizes[i]:
            raise DataError(
                f"Column {field.title!r}: rows of {self.sizes[i]} values, and later one of {size}; set featuresShape "
                "to say which are right, and handleInvalid for the others."
            )

    def _usable(self, i: int, field: Field, array: Any) -> NDArray[np.bool_]:
        import pyarrow as pa

        usable = ~array.is_null().to_numpy(zero_copy_only=False)
        if field.kind == "number" or not usable.any():
            return usable
        there = np.flatnonzero(usable)
        sizes, whole = _sizes(field.kind, array.filter(pa.array(usable)) if len(there) < len(usable) else array)
        if self.sizes[i] is None and whole.any():
            self.sizes[i] = int(sizes[np.argmax(whole)])
        usable[there] = whole & (sizes == self.sizes[i])
        return usable


def kind_of(type_: Any, name: str) -> str:
    """What an Arrow type is to a model: number, list, vector, bytes or image (see ``data.sources``)."""
    import pyarrow as pa

    if pa.types.is_struct(type_):
        names = {type_.field(i).name for i in range(type_.num_fields)}
        if names >= {"type", "size", "indices", "values"}:
            return "vector"
        if names >= {"height", "width", "nChannels", "data"}:
            return "image"
    elif pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return "list"
    elif pa.types.is_binary(type_) or pa.types.is_large_binary(type_):
        return "bytes"
    elif any(of(type_) for of in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)):
        return "number"
    wanted = "numbers, arrays of numbers, ML vectors, binary or images"
    raise DataError(f"column {name!r} is {type_}; a model takes {wanted}.")


def _sizes(kind: str, array: Any) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Elements of each row, and whether it is whole; no row is null."""
    whole = np.ones(len(array), bool)
    if kind == "list":
        offsets = array.offsets.to_numpy().astype(np.int64)
        child = array.values.slice(offsets[0], offsets[-1] - offsets[0])
        if child.null_count:
            places = np.flatnonzero(child.is_null().to_numpy(zero_copy_only=False)) + offsets[0]
            whole[np.searchsorted(offsets, places, side="right") - 1] = False
        return np.diff(offsets), whole
    if kind == "vector":
        return arrow.vectors(array).sizes.astype(np.int64), whole
    if kind == "bytes":
        return arrow.strings(array).lengths, whole
    sides = [array.field(name).fill_null(-1) for name in ("height", "width", "nChannels")]
    sizes = np.stack([side.to_numpy(zero_copy_only=False) for side in sides], axis=1).astype(np.int64)
    data = array.field("data").fill_null(b"")
    whole = (sizes > 0).all(axis=1) & (arrow.strings(data).lengths == sizes.prod(axis=1))
    return sizes.prod(axis=1), whole
