"""Arrow columns of a DataFrame gathered into stores, one builder per kind of column.

    builder = builder_of(field, budget)
    builder.add(arrow_column, fail)        fail(row, why) raises the error for a row that cannot be used
    store = builder.finish()
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sparkdl.data import arrow
from sparkdl.data.fields import Field
from sparkdl.data.spill import Budget, Growing
from sparkdl.data.stores import Dense, Pictures, Sparse, Store, Strings

Fail = Callable[[int, str], None]


class Builder(Protocol):
    """Gathers one column; see the module's docstring."""

    def add(self, column: Any, fail: Fail) -> None: ...
    def finish(self) -> Store: ...


def builder_of(field: Field, budget: Budget) -> Builder:
    """The builder for a field's kind."""
    if field.kind == "image":
        return _Pictures(field, budget) if field.ragged else _Images(field, budget)
    if field.ragged:
        return _Strings(field, budget)
    kinds: dict[str, Callable[[Field, Budget], Builder]]
    kinds = {"number": _Numbers, "list": _Lists, "bytes": _Bytes, "vector": _Vectors}
    return kinds[field.kind](field, budget)


def _checked(field: Field, values: NDArray, row_of: Callable[[int], int], fail: Fail) -> NDArray:
    """Elements in the field's dtype; the first one that the field does not allow fails."""
    floats = values.dtype.kind == "f"

    def refuse(wrong: NDArray[np.bool_], why: str) -> None:
        place = arrow.first(wrong)
        if place is not None:
            fail(row_of(place), why.format(values[place]))

    if field.role == "label" and floats:
        refuse(np.isnan(values), "a label must not be NaN; drop or fill such rows")
    if field.role == "weight":
        refuse(~(np.isfinite(values) & (values >= 0)), "a weight must be a finite number >= 0, got {}")
    if field.dtype.startswith("int"):
        if floats:
            refuse(~(np.isfinite(values) & (values == np.floor(values))), "expected whole numbers, got {}")
        limits = np.iinfo(field.dtype)
        refuse((values < limits.min) | (values > limits.max), "{} is out of the range of " + field.dtype)
    if field.classes is not None:
        rule = f"a label must be 0 to {field.classes - 1} ({field.classes} classes), got {{}}"
        refuse((values < 0) | (values >= field.classes), rule)
    return values.astype(field.dtype, copy=False)


class _Fixed:
    """Rows of one shape, which the field gives or the first row decides."""

    def __init__(self, field: Field, budget: Budget) -> None:
        self.field, self.budget = field, budget
        self.rows: Growing | None = None
        self.shape = field.shape

    def append(self, values: NDArray, shape: tuple[int, ...], dtype: Any) -> None:
        if self.rows is None:
            self.shape = self.shape or shape
            self.rows = Growing(self.budget, dtype, shape)
        self.rows.append(values.reshape(-1, *shape))

    def length(self, lengths: NDArray[np.int64], fail: Fail) -> int:
        """The number of elements that all rows have."""
        known = self.rows.row_shape[0] if self.rows is not None else self.field.size
        expected = int(lengths[0]) if known is None else known
        row = arrow.first(lengths != expected)
        if row is not None:
            shape = f" (shape {self.field.shape})" if self.field.shape else ", as in the rows before"
            fail(row, f"expected {expected} values{shape}, got {lengths[row]}")
        if not expected:
            fail(0, "its rows are empty")
        return expected

    def finish(self) -> Store:
        if self.rows is None:
            kind = np.uint8 if self.field.kind in ("bytes", "image") else self.field.dtype
            return Dense(np.empty((0, *(self.shape or ())), kind))
        return Dense(self.rows.finish(self.shape))


class _Numbers(_Fixed):
    def add(self, column: Any, fail: Fail) -> None:
        values = arrow.numbers(column)
        self.append(_checked(self.field, values, int, fail), (), self.field.dtype)


class _Lists(_Fixed):
    def add(self, column: Any, fail: Fail) -> None:
        rows = arrow.lists(column, fail)
        length = self.length(rows.lengths, fail)
        values = _checked(self.field, rows.values, lambda place: place // length, fail)
        self.append(values, (length,), self.field.dtype)


class _Bytes(_Fixed):
    def add(self, column: Any, fail: Fail) -> None:
        rows = arrow.strings(column)
        self.append(rows.values, (self.length(rows.lengths, fail),), np.uint8)


class _Images(_Fixed):
    def add(self, column: Any, fail: Fail) -> None:
        rows, sizes = _pixels(column, fail)
        shape = tuple(int(size) for size in sizes[0]) if self.rows is None else self.rows.row_shape
        row = arrow.first((sizes != shape).any(axis=1))
        if row is not None:
            fail(row, f"expected pictures of {shape} (height, width, channels), got {tuple(map(int, sizes[row]))}; "
                      "resize them by a transform")  # fmt: skip
        if self.field.size is not None and self.field.size != np.prod(shape):
            fail(0, f"expected pictures of shape {self.field.shape}, got {shape} (height, width, channels)")
        self.append(rows.values, shape, np.uint8)


class _Vectors(_Fixed):
    """ML vectors: kept as they are where the first batch is sparse and mostly zeros, else made dense."""

    _DENSE = 0.25  # written share of entries from which rows are kept dense

    def __init__(self, field: Field, budget: Budget) -> None:
        super().__init__(field, budget)
        self.entries: Growing | None = None
        self.lengths = Growing(budget, np.int64)
        self.width: int | None = field.size

    def add(self, column: Any, fail: Fail) -> None:
        rows = arrow.vectors(column)
        width = int(rows.sizes[0]) if self.width is None else self.width
        row = arrow.first(rows.sizes != width)
        if row is not None:
            fail(row, f"expected vectors of size {width}, got {rows.sizes[row]}")
        lengths = np.diff(rows.offsets)
        if self.width is None or (self.rows is None and self.entries is None):
            self.width = width
            thin = rows.sparse.any() and len(rows.values) < self._DENSE * width * len(column)
            if thin and self.field.shape is None and self.field.role == "feature":
                self.entries = Growing(self.budget, Sparse.records(rows.indices[:0], [], self.field.dtype).dtype)
        values = _checked(
            self.field, rows.values, lambda place: int(np.searchsorted(rows.offsets, place, side="right")) - 1, fail
        )
        if self.entries is not None:
            self.lengths.append(lengths)
            self.entries.append(Sparse.records(rows.indices, values, self.field.dtype))
            return
        dense = np.zeros((len(column), width), self.field.dtype)
        dense[np.repeat(np.arange(len(column)), lengths), rows.indices] = values
        self.append(dense, (width,), self.field.dtype)

    def finish(self) -> Store:
        if self.entries is None or self.width is None:
            return super().finish()
        return Sparse(_offsets(self.lengths), self.entries.finish(), self.width)


class _Strings:
    def __init__(self, field: Field, budget: Budget) -> None:
        self.data, self.lengths = Growing(budget, np.uint8), Growing(budget, np.int64)

    def add(self, column: Any, fail: Fail) -> None:
        rows = arrow.strings(column)
        self.data.append(rows.values)
        self.lengths.append(rows.lengths)

    def finish(self) -> Store:
        return Strings(self.data.finish(), _offsets(self.lengths))


class _Pictures:
    def __init__(self, field: Field, budget: Budget) -> None:
        self.data, self.sizes = Growing(budget, np.uint8), Growing(budget, np.int64, (3,))

    def add(self, column: Any, fail: Fail) -> None:
        rows, sizes = _pixels(column, fail)
        self.data.append(rows.values)
        self.sizes.append(sizes)

    def finish(self) -> Store:
        return Pictures(self.data.finish(), self.sizes.finish()[:])


def _offsets(lengths: Growing) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths.finish()[:])])


def _pixels(column: Any, fail: Fail) -> tuple[arrow.Lists, NDArray[np.int64]]:
    """Bytes of a column of Spark's image structs, and (n, 3): height, width, channels."""
    rows = arrow.strings(column.field("data"))
    sizes = np.stack([arrow.numbers(column.field(name)) for name in ("height", "width", "nChannels")], axis=1)
    sizes = sizes.astype(np.int64)
    row = arrow.first((sizes < 1).any(axis=1) | (rows.lengths != np.prod(sizes, axis=1)))
    if row is not None:
        fail(row, f"not a picture that could be decoded: {tuple(map(int, sizes[row]))}, {rows.lengths[row]} bytes")
    return rows, sizes
