"""A model's outputs as Arrow columns, one head per kind of stage. No loop over rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sparkdl.errors import ShapeError


class Head(Protocol):
    """``names`` of the columns, their Spark ``types``, and the Arrow arrays made of a batch's outputs."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def types(self) -> list[Any]: ...
    def columns(self, outputs: Sequence[NDArray]) -> list[Any]: ...


@dataclass(frozen=True)
class Plain:
    """Each output as it is; ``type`` is "vector", "array" or "double", ``axes`` says how deep an array is nested."""

    names: tuple[str, ...]
    type: str
    axes: tuple[int, ...]

    def types(self) -> list[Any]:
        return [spark_type(self.type, axes) for axes in self.axes]

    def columns(self, outputs: Sequence[NDArray]) -> list[Any]:
        if len(outputs) != len(self.names):
            names = ", ".join(self.names)
            raise ShapeError(f"the model has {len(outputs)} outputs for the columns {names}; set outputCols.")
        if self.type == "array":
            return [arrays(y, axes) for y, axes in zip(outputs, self.axes, strict=True)]
        make = vectors if self.type == "vector" else doubles
        return [make(each) for each in outputs]


def spark_type(type_: str, axes: int = 1) -> Any:
    """The Spark type of a column of outputs with ``axes`` axes beside the batch."""
    from pyspark.ml.linalg import VectorUDT
    from pyspark.sql.types import ArrayType, DoubleType, FloatType

    if type_ == "vector":
        return VectorUDT()
    made: Any = DoubleType() if type_ == "double" else FloatType()
    for _ in range(axes if type_ == "array" else 0):
        made = ArrayType(made)
    return made


def doubles(y: NDArray) -> Any:
    """(n,) or (n, 1) as doubles."""
    import pyarrow as pa

    if y.size != len(y):
        raise ShapeError(f'outputs {y.shape} are not one number per row; set outputType to "vector" or "array".')
    return pa.array(np.ascontiguousarray(y.reshape(len(y)), np.float64))


def vectors(y: NDArray) -> Any:
    """(n, ...) as dense ML vectors, in the struct in which Spark stores them."""
    import pyarrow as pa

    rows = len(y)
    values = lists(np.ascontiguousarray(y.reshape(rows, _width(y)), np.float64), pa.float64())
    parts = [pa.array(np.ones(rows, np.int8)), pa.nulls(rows, pa.int32()), pa.nulls(rows, pa.list_(pa.int32())), values]
    return pa.StructArray.from_arrays(parts, names=["type", "size", "indices", "values"])


def arrays(y: NDArray, axes: int) -> Any:
    """(n, a, b, ...) as lists, nested ``axes`` deep, of float: one axis holds all values; (n,) as floats for none."""
    import pyarrow as pa

    if y.ndim - 1 != axes:
        y = y.reshape(len(y), _width(y))
    made = pa.array(np.ascontiguousarray(y, np.float32).reshape(-1))
    for axis in range(y.ndim - 1, 0, -1):
        count = int(np.prod(y.shape[:axis]))
        offsets = np.arange(count + 1, dtype=np.int32) * np.int32(y.shape[axis])
        made = pa.ListArray.from_arrays(pa.array(offsets), made)
    return made


def lists(matrix: NDArray, type_: Any) -> Any:
    """The rows of a matrix as Arrow lists."""
    import pyarrow as pa

    offsets = np.arange(len(matrix) + 1, dtype=np.int32) * np.int32(matrix.shape[1])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(matrix.reshape(-1), type_))


def _width(y: NDArray) -> int:
    return int(np.prod(y.shape[1:]))


@dataclass(frozen=True)
class Classes:
    """Scores of classes as rawPrediction, probability and prediction; a column without a name is left out.

    kind        what the model's output (batch, classes) holds: "logits", "log_probabilities" or "probabilities"; with
                one value per row it is that of class 1 of two
    thresholds  the class with the largest ``probability / threshold`` is predicted; empty: the largest raw value
    """

    raw: str
    probability: str
    prediction: str
    kind: str
    thresholds: tuple[float, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in (self.raw, self.probability, self.prediction) if name)

    def types(self) -> list[Any]:
        kinds = {"vector": (self.raw, self.probability), "double": (self.prediction,)}
        return [spark_type(kind) for kind, names in kinds.items() for name in names if name]

    def columns(self, outputs: Sequence[NDArray]) -> list[Any]:
        raw, probability = class_scores(outputs[0], self.kind)
        if self.thresholds and len(self.thresholds) != raw.shape[1]:
            raise ShapeError(f"thresholds has {len(self.thresholds)} values, the model {raw.shape[1]} classes.")
        made = [vectors(raw)] if self.raw else []
        made += [vectors(probability)] if self.probability else []
        return made + ([doubles(self.predicted(raw, probability))] if self.prediction else [])

    def predicted(self, raw: NDArray, probability: NDArray) -> NDArray:
        """The class of each row; the first of several that are equally good."""
        if not self.thresholds:
            return raw.argmax(axis=1)
        t = np.asarray(self.thresholds)
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled = probability / t
        scaled[:, t == 0] = np.where(probability[:, t == 0] == 0, 0.0, np.inf)  # as Spark: 0 / 0 counts as 0
        return scaled.argmax(axis=1)


def class_scores(y: NDArray, kind: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Raw values and probabilities, (n, classes) float64 each."""
    raw = np.asarray(y, np.float64)
    raw = raw.reshape(len(raw), 1) if raw.ndim == 1 else raw
    if raw.ndim != 2:
        raise ShapeError(f"a classifier's output is (batch, classes), got {y.shape}.")
    if raw.shape[1] == 1:
        raw = np.concatenate([1 - raw if kind == "probabilities" else -raw, raw], axis=1)
        if kind == "logits":
            e = np.exp(-np.abs(raw[:, 1]))
            larger, smaller = 1 / (1 + e), e / (1 + e)
            one = np.where(raw[:, 1] >= 0, larger, smaller)
            return raw, np.stack([np.where(raw[:, 1] >= 0, smaller, larger), one], axis=1)
        if kind == "log_probabilities":
            one = np.exp(raw[:, 1])
            return np.stack([np.log1p(-one), raw[:, 1]], axis=1), np.stack([1 - one, one], axis=1)
    if kind == "probabilities":
        return raw, raw.copy()
    shifted = np.exp(raw - raw.max(axis=1, keepdims=True)) if len(raw) else raw
    return raw, shifted / shifted.sum(axis=1, keepdims=True)
