"""What a user says of columns (``Column``), and what a task is told of them (``Field``).

    trainer.fit(df, features="image", label="label")
    trainer.fit(df, features=Column("image", shape=(1, 28, 28)), label=Column("label", classes=10))
    trainer.fit(df, features=["age", "income", "height"], label="label")            numbers: one matrix (n, 3)
    trainer.fit(df, features={"left": "a", "right": ["b", "c"]}, label={"p": "p", "q": "q"})     several inputs
    trainer.fit(df, features={"image": (28, 28)}, label="label")                                 column and shape
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkdl.errors import DataError

_DTYPES = ("float32", "float64", "int32", "int64")


@dataclass(frozen=True)
class Column:
    """A DataFrame's column (or several columns of numbers, side by side) as one input or target of a model.

    shape    of one row, without the batch axis: array, vector or bytes are reshaped to it
    dtype    float32, float64, int32 or int64; None: the model's dtype, and int64 for labels of a whole-number type
    classes  labels must be whole numbers 0 to classes - 1
    """

    name: str | tuple[str, ...]
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    classes: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.name, list):
            object.__setattr__(self, "name", tuple(self.name))
        if self.shape is not None:
            shape = (self.shape,) if isinstance(self.shape, int) else tuple(int(size) for size in self.shape)
            if not shape or min(shape) < 1:
                raise DataError(f"Column {self.name!r}: shape must hold sizes >= 1, got {self.shape!r}.")
            object.__setattr__(self, "shape", shape)
        if self.dtype is not None:
            dtype = np.dtype(self.dtype).name
            if dtype not in _DTYPES:
                raise DataError(f"Column {self.name!r}: dtype must be one of {', '.join(_DTYPES)}, got {self.dtype!r}.")
            object.__setattr__(self, "dtype", dtype)


@dataclass(frozen=True)
class Field:
    """One input, target or weight as it comes to a task.

    wire     name of the Arrow column            names    the user's columns (several: numbers side by side)
    kind     "number", "list", "vector", "bytes", "text" or "image"
    role     "feature", "label" or "weight"      ragged   rows may differ in size: a transform makes them equal
    """

    wire: str
    names: tuple[str, ...]
    kind: str
    role: str
    dtype: str
    shape: tuple[int, ...] | None = None
    classes: int | None = None
    ragged: bool = False

    @property
    def title(self) -> str:
        """The column(s), for messages."""
        return ", ".join(self.names)

    @property
    def size(self) -> int | None:
        """Elements of one row, where the shape is known."""
        return None if self.shape is None else math.prod(self.shape)


def as_columns(what: str, given: Any) -> dict[str, Column]:
    """``features`` or ``label`` of a ``fit`` as named columns, in order; a list of names stays one ``Column``."""
    if isinstance(given, Mapping) and given:
        return {str(name): _column(what, _shaped(name, each)) for name, each in given.items()}
    if isinstance(given, list | tuple) and any(isinstance(each, Column) for each in given):
        columns = [_column(what, each) for each in given]
    else:
        columns = [_column(what, given)]
    return {title(column): column for column in columns}


def title(column: Column) -> str:
    """A column's name, several joined by commas."""
    return column.name if isinstance(column.name, str) else ", ".join(column.name)


def _shaped(name: str, given: Any) -> Any:
    """``{"image": (28, 28)}`` names column and shape."""
    whole = isinstance(given, list | tuple) and given and all(isinstance(size, int) for size in given)
    return Column(name, shape=tuple(given)) if whole else given


def _column(what: str, given: Any) -> Column:
    if isinstance(given, Column):
        return given
    if isinstance(given, str):
        return Column(given)
    if isinstance(given, list | tuple) and given and all(isinstance(name, str) for name in given):
        return Column(tuple(given))
    raise DataError(f"{what} must be a column's name, a list of names, a Column, or a dict of these, got {given!r}.")
