"""A feed from arrays of this process: ``ArrayFeed(x, y, weight)``.

    feed = ArrayFeed(x, y, weight=None, dtype=np.float32, shards=8, order_by=None, shuffle=True)
    plan = EpochPlan(feed.counts, batch_size, seed, epoch, shuffle)
    for step in range(plan.steps):
        batch = plan.batch(step)
        inputs, target, weight, _ = feed.rows(batch)

``x``, ``y``: an array, a tuple or list of arrays (several inputs or targets), or a dict of named arrays (in its own
order). Sparse SciPy matrices are taken out dense; an object array of ``bytes`` is handed to the transform. Axis 0 is
the sample. Types: floats become ``dtype`` (the model's), whole numbers int32 or int64, uint8 stays bytes in memory and
becomes ``dtype`` batch by batch. Labels: whole numbers int64, floats ``dtype``. Weights: float64.

Order: by hash of the content (``rowhash``), hence the same as a DataFrame of the same rows gives; ``order_by`` (an
array or several, one entry per row) is hashed instead where given. ``shuffle=False``: rows are dealt round
robin, so that a plan with ``shuffle=False`` visits them exactly as they come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkdl.data.feed import Feed
from sparkdl.data.order import SHARDS, Batch
from sparkdl.data.stores import Dense, Sparse, Store, Strings
from sparkdl.errors import DataError


class ArrayFeed(Feed):
    """Rows of arrays; see the module's docstring."""

    def __init__(
        self,
        x: Any,
        y: Any = None,
        weight: Any = None,
        *,
        dtype: Any = np.float32,
        shards: int = SHARDS,
        order_by: Any = None,
        shuffle: bool = True,
        transform: Callable[[tuple[NDArray, ...], Batch], tuple[NDArray, ...]] | None = None,
    ) -> None:
        named = {name: _feature(name, array, np.dtype(dtype)) for name, array in _named("x", x).items()}
        goals = {name: _label(name, array, np.dtype(dtype)) for name, array in _named("y", y).items()}
        weights = {} if weight is None else {"weight": _weight(weight)}
        rows = _length({**named, **goals, **weights})
        self.input_names, self.target_names = tuple(named), tuple(goals)
        columns = [*named.values(), *goals.values(), *weights.values()]
        super().__init__(
            list(named.values()), list(goals.values()), weights.get("weight"),
            _hashes(columns, rows, order_by, shuffle),
            shards=shards, dtype=dtype, transform=transform,
        )  # fmt: skip


def _named(what: str, arrays: Any) -> dict[str, Any]:
    """Arrays by name: ``x`` for one, ``x[0], x[1], ...`` for several, a dict's own keys."""
    if arrays is None:
        return {}
    if isinstance(arrays, Mapping):
        return {str(name): array for name, array in arrays.items()}
    if isinstance(arrays, tuple | list) and arrays and all(hasattr(array, "shape") and array.shape for array in arrays):
        return {f"{what}[{i}]": array for i, array in enumerate(arrays)} if len(arrays) > 1 else {what: arrays[0]}
    return {what: arrays}


def _length(columns: Mapping[str, Store]) -> int:
    if not columns:
        raise DataError("No arrays were given; expected x, or x and y.")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise DataError(f"All arrays must have the same number of rows (axis 0), but {found}.")
    return next(iter(lengths.values()))


def _array(name: str, values: Any) -> NDArray:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise DataError(f"{name} is not an array: its rows differ in length. Pad them first. ({error})") from error
    if not array.ndim:
        raise DataError(f"{name} must be an array with one entry per sample on axis 0, got the single {values!r}.")
    return array


def _feature(name: str, values: Any, dtype: np.dtype) -> Store:
    if hasattr(values, "tocsr"):
        return Sparse.from_scipy(values, dtype)
    array = _array(name, values)
    kind = array.dtype.kind
    if kind in "fb":
        return Dense(array.astype(dtype, copy=False))
    if kind in "iu":
        keep = array.dtype in (np.uint8, np.int32, np.int64)
        return Dense(array if keep else array.astype(np.int64 if array.dtype.itemsize > 2 else np.int32))
    if kind in "SUO" and array.ndim == 1 and all(isinstance(item, bytes | str) for item in array):
        return Strings.from_items(array.tolist())
    raise DataError(f"{name} has dtype {array.dtype}; expected numbers, or bytes or text per row for a transform.")


def _label(name: str, values: Any, dtype: np.dtype) -> Store:
    array = _array(name, values)
    if array.dtype.kind in "biu":
        return Dense(array.astype(np.int64, copy=False))
    if array.dtype.kind != "f":
        raise DataError(f"{name} has dtype {array.dtype}; expected numbers. Index text labels first (np.unique).")
    _finite(name, array, np.isnan(array), "a label must not be NaN; drop or fill such rows")
    return Dense(array.astype(dtype, copy=False))


def _weight(values: Any) -> Store:
    array = _array("weight", values)
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        raise DataError(f"weight must be one number per sample, got shape {array.shape} of {array.dtype}.")
    array = array.astype(np.float64, copy=False)
    _finite("weight", array, ~(np.isfinite(array) & (array >= 0)), "a weight must be a finite number >= 0")
    return Dense(array)


def _finite(name: str, array: NDArray, wrong: NDArray[np.bool_], rule: str) -> None:
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise DataError(f"{name}[{', '.join(map(str, place))}] is {array[place]}: {rule}.")


def _hashes(columns: list[Store], rows: int, order_by: Any, shuffle: bool) -> NDArray[np.int64]:
    if not shuffle:
        if order_by is not None:
            raise DataError("order_by has no effect with shuffle=False, where rows stay as they come: sort them.")
        return np.arange(rows, dtype=np.int64)
    from sparkdl.data import rowhash

    hashes = rowhash.new_hashes(rows)
    if order_by is None:
        for column in columns:
            column.fold(hashes)
        return hashes
    for name, values in _named("order_by", order_by).items():
        array = _array(name, values)
        if len(array) != rows:
            raise DataError(f"{name} must have one entry per sample, {rows}, got {len(array)}.")
        if array.dtype.kind in "biu":
            rowhash.fold_int64(hashes, array.astype(np.int64, copy=False))
        elif array.dtype.kind == "f":
            rowhash.fold_float64(hashes, array.astype(np.float64, copy=False))
        else:
            Strings.from_items(array.tolist()).fold(hashes)
    return hashes
