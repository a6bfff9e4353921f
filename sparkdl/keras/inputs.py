"""What ``fit`` is given, as the Trainer takes it: weights by class, rows for validation, columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sparkdl.data.frame import split_rows
from sparkdl.errors import DataError

WEIGHT = "__sparkdl_weight"
Inputs = tuple[Any, Any, dict[str, Any]]  # data, validation data, and the names of columns


def of_arrays(
    x: Any, y: Any, share: float, validation: Any, class_weight: Mapping[int, float] | None, sample_weight: Any
) -> Inputs:
    """``(x, y)`` or ``(x, y, weight)``; ``share`` of the rows, the last ones, for validation."""
    if share and validation is not None:
        raise ValueError("fit: give validation_split or validation_data, not both.")
    if share:
        (x, y, sample_weight), validation = split(x, y, sample_weight, share)
    weights = sample_weights(y, class_weight, sample_weight)
    return ((x, y) if weights is None else (x, y, weights)), validation, {}


def of_frame(
    df: Any, label: str, features: Any, share: float, validation: Any, class_weight: Mapping[int, float] | None,
    sample_weight: str | None,
) -> Inputs:  # fmt: skip
    """The DataFrame with a column of weights, if there are any; ``share`` of the rows for validation, by their hash."""
    if share and validation is not None:
        raise ValueError("fit: give validation_split or validation_data, not both.")
    if share:
        check_share(share)
        df, validation = split_rows(df, share, features, label, sample_weight)
    df, validation, weight = column_weights(df, validation, label, class_weight, sample_weight)
    return df, validation, {"features": features, "label": label, "weight": weight}


def sample_weights(y: Any, class_weight: Mapping[int, float] | None, sample_weight: Any) -> Any:
    """One number per sample, or None; a class that ``class_weight`` does not name counts 1."""
    if class_weight is None:
        return sample_weight
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] > 1:
        labels = labels.argmax(1)  # one-hot
    labels = labels.reshape(len(labels), -1)
    if labels.shape[1] != 1:
        raise DataError(f"class_weight needs one class per sample, got targets of shape {np.shape(y)}.")
    weights = np.ones(len(labels))
    for number, weight in class_weight.items():
        weights[labels[:, 0] == number] = weight
    return weights if sample_weight is None else weights * np.asarray(sample_weight)


def column_weights(
    df: Any, validation: Any, label: str, class_weight: Mapping[int, float] | None, sample_weight: str | None
) -> tuple[Any, Any, str | None]:
    """The DataFrames, with a column of weights where classes have some, and that column's name."""
    if class_weight is None:
        return df, validation, sample_weight
    from pyspark.sql import functions as F

    base = F.lit(1.0) if sample_weight is None else F.col(sample_weight).cast("double")
    weight = F.lit(1.0)
    for number, each in class_weight.items():
        weight = F.when(F.col(label) == F.lit(number), F.lit(float(each))).otherwise(weight)
    if validation is not None:
        validation = validation.withColumn(WEIGHT, base)
    return df.withColumn(WEIGHT, weight * base), validation, WEIGHT


def checked_weights(several: bool, class_weight: Any, sample_weight: Any, frame: bool = False) -> Any:
    """Weights of samples, one number for all outputs; weights of classes need to know which output's they are."""
    if several and class_weight is not None:
        raise DataError(
            "fit: class_weight is for a model of one output; give sample_weight, or a loss its own weight=."
        )
    if sample_weight is None or frame:
        return sample_weight
    shape = () if isinstance(sample_weight, Mapping) else np.shape(sample_weight)
    if len(shape) != 1 and shape[1:] != (1,):
        raise DataError(
            f"sample_weight holds one number per sample, which counts for all outputs, got shape {shape}; one output "
            "is weighed by loss_weights, or by its loss's own weight=."
        )
    return np.asarray(sample_weight).reshape(-1)


def check_share(share: float) -> None:
    if not 0 < share < 1:
        raise ValueError(f"fit: validation_split must be in (0, 1), got {share!r}.")


def split(x: Any, y: Any, weight: Any, share: float) -> tuple[Any, Any]:
    """``(x, y, weight)`` of the first rows, and ``(x, y)`` or ``(x, y, weight)`` of the last ``share`` of them."""
    check_share(share)
    count = len(_first(y))
    cut = int(count * (1 - share))
    if not 0 < cut < count:
        raise DataError(f"fit: validation_split={share} of {count} rows leaves one part empty.")
    kept, held = ([_rows(each, rows) for each in (x, y, weight)] for rows in (slice(cut), slice(cut, None)))
    return tuple(kept), tuple(held if weight is not None else held[:2])


def _first(arrays: Any) -> Any:
    if isinstance(arrays, Mapping):
        return next(iter(arrays.values()))
    return arrays[0] if _several(arrays) else arrays


def _several(arrays: Any) -> bool:
    return isinstance(arrays, list | tuple) and bool(arrays) and all(np.ndim(each) > 0 for each in arrays)


def _rows(arrays: Any, rows: slice) -> Any:
    if arrays is None:
        return None
    if isinstance(arrays, Mapping):
        return {name: each[rows] for name, each in arrays.items()}
    return type(arrays)(each[rows] for each in arrays) if _several(arrays) else arrays[rows]
