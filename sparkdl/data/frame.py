"""A DataFrame made ready for the tasks of one training stage.

    df2, plan = prepare(df, features="image", label="label", weight=None, tasks=K, shards=8, order_by=None,
                        shuffle=True, dtype=np.float32, transformed=False, validation=None)
    df2.mapInArrow(f, schema, barrier=True)                   partition t of df2 has exactly the rows of task t's shards
    feed, validation = plan.decode(batches, task=t, tasks=K)  inside f, from its iterator of Arrow batches

``prepare`` only adds Spark SQL expressions (public DataFrame API: classic sessions and Spark Connect alike): columns in
canonical types, the hash of the row, and a shuffle that sends each row to its task. Nothing runs yet. ``plan`` is a
small picklable object that knows nothing of Spark (``taskrows.FramePlan``).

``shuffle=False``: rows stay in the partitions where they are and in the order in which they come. Then the number of
tasks is the DataFrame's number of partitions, and the weights that come out are the same for the same partitions in
the same order only. (With ``validation`` rows are moved all the same, a task taking whole partitions in order.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.data.fields import Column, Field, as_columns
from sparkdl.data.order import SHARDS, tasks_shards
from sparkdl.data.taskrows import HASH, ROLE, FramePlan
from sparkdl.errors import DataError

_PLACE = "_sparkdl_place"
_PLACES = 1 << 30  # the share of rows to split off is this exact


def prepare(
    df: Any,
    features: Any,
    label: Any = None,
    weight: str | None = None,
    *,
    tasks: int,
    shards: int = SHARDS,
    order_by: str | list[str] | None = None,
    shuffle: bool = True,
    dtype: Any = np.float32,
    transformed: bool = False,
    validation: Any = None,
) -> tuple[Any, FramePlan]:
    """The DataFrame that training reads, and the plan by which its tasks decode it; see the module's docstring.

    ``transformed``: a transform will work on the inputs, so that bytes and pictures without a given shape may differ in
    size and text is welcome. ``validation`` is a second DataFrame with the same columns, sent along in the same stage.
    """
    from pyspark.sql import functions as F

    if order_by is not None and not shuffle:
        raise DataError("order_by has no effect with shuffle=False, where rows stay as they come.")
    tasks_shards(0, tasks, shards)
    dtype = np.dtype(dtype).name
    stays = not shuffle and validation is None
    parts: list[Any] = []
    fields: tuple[Field, ...] = ()
    names: tuple[str, ...] = ()
    for role, frame in ((0, df), (1, validation)):
        if frame is None:
            continue
        used = _used(frame, features, label, weight, dtype, transformed)
        found = tuple(field for _, field, _, _ in used)
        if parts and found != fields:
            raise DataError(_difference(fields, found))
        fields, names = found, tuple(name for name, _, _, _ in used)
        columns = [wire.alias(field.wire) for _, field, wire, _ in used]
        if stays:
            return frame.select(*columns), FramePlan(fields, names, shards, dtype)
        if shuffle:
            row_hash = F.xxhash64(*(_ordered(frame, order_by) if order_by is not None else [h for *_, h in used]))
            place = F.pmod(row_hash, F.lit(shards))
        else:
            row_hash, place = F.monotonically_increasing_id(), F.pmod(F.spark_partition_id(), F.lit(tasks))
        roles = [] if validation is None else [F.lit(role).cast("tinyint").alias(ROLE)]
        parts.append(frame.select(row_hash.alias(HASH), place.cast("int").alias(_PLACE), *roles, *columns))
    rows = parts[0] if len(parts) == 1 else parts[0].unionByName(parts[1])
    key = F.element_at(F.array(*map(F.lit, _keys(tasks, shards if shuffle else None))), F.col(_PLACE) + F.lit(1))
    rows = rows.repartition(tasks, key).drop(_PLACE)
    validated = validation is not None
    return rows, FramePlan(fields, names, shards, dtype, hashed=shuffle, numbered=not shuffle, validated=validated)


def split_rows(df: Any, share: float, features: Any, label: Any = None, weight: str | None = None) -> tuple[Any, Any]:
    """The DataFrame's rows but for a ``share`` of them, and these: by a hash of what training uses of them.

    So the same rows are chosen whatever the partitions, and equal rows stay together.
    """
    from pyspark.sql import functions as F

    hashed = [each for *_, each in _used(df, features, label, weight, "float32", True)]
    held = F.pmod(F.xxhash64(F.lit("split"), *hashed), F.lit(_PLACES)) < F.lit(round(share * _PLACES))
    return df.where(~held), df.where(held)


def _keys(tasks: int, shards: int | None) -> list[int]:
    """Per shard (or, without shards, per task) the integer that Spark's hash partitioning sends to its task."""
    from sparkdl.data.murmur import partition_keys

    keys = partition_keys(tasks)
    if shards is None:
        return keys
    owned = [tasks_shards(t, tasks, shards) for t in range(tasks)]
    return [keys[t] for t, (a, b) in enumerate(owned) for _ in range(a, b)]


def _used(
    df: Any, features: Any, label: Any, weight: str | None, dtype: str, transformed: bool
) -> list[tuple[str, Field, Any, Any]]:
    """Input's or target's name, field, wire expression and hashed expression of every used column, in order."""
    if features is None:
        raise DataError("features is missing: name the column (or columns) that the model takes.")
    used: list[tuple[str, Field, Any, Any]] = []
    for what, given in (("features", features), ("label", label), ("weight", weight)):
        role = what.removesuffix("s")
        if given is None:
            continue
        for name, column in as_columns(what, given).items():
            for title, each in _apart(df, what, name, column).items():
                used.append((title, *_field(df, what, role, each, f"c{len(used)}", dtype, transformed)))
    return used


def _apart(df: Any, what: str, name: str, column: Column) -> dict[str, Column]:
    """One column, or numbers side by side, stays one input; a list with anything else in it is one input for each."""
    from sparkdl.data.sources import Source

    if isinstance(column.name, str) or all(Source.of(df, part, what).kind == "number" for part in column.name):
        return {name: column}
    if column.shape is not None or column.dtype is not None:
        raise DataError(f"{what}: {name} are not all numbers; give each a Column of its own.")
    return {part: Column(part) for part in column.name}


def _field(
    df: Any, what: str, role: str, column: Column, wire: str, dtype: str, transformed: bool
) -> tuple[Field, Any, Any]:
    from pyspark.sql import functions as F

    from sparkdl.data.sources import Source

    names = (column.name,) if isinstance(column.name, str) else column.name
    sources = [Source.of(df, name, what) for name in names]
    kind = sources[0].kind if isinstance(column.name, str) else "list"
    if role == "weight":
        to = "float64"
        if kind != "number":
            raise DataError(f"weight must be one column of numbers, got {column.name!r}.")
    else:
        labels = role == "label" and (column.classes is not None or all(source.whole for source in sources))
        to = column.dtype or ("int64" if labels else dtype)
    if kind == "text" and not transformed:
        raise DataError(f"{what}: column {column.name!r} is text; give a transform that makes numbers of it.")
    loose = transformed and role == "feature" and column.shape is None and kind in ("bytes", "image", "text")
    field = Field(wire, names, kind, role, to, column.shape, column.classes, loose)
    if isinstance(column.name, str):
        return field, sources[0].wire(to), sources[0].hashed()
    return field, F.array(*[s.wire(to) for s in sources]), F.array(*[s.hashed() for s in sources])


def _ordered(df: Any, order_by: str | list[str]) -> list[Any]:
    from sparkdl.data.sources import Source

    names = [order_by] if isinstance(order_by, str) else list(order_by)
    return [Source.of(df, name, "order_by").ordered() for name in names]


def _difference(ours: tuple[Field, ...], theirs: tuple[Field, ...]) -> str:
    a, b = next((a, b) for a, b in zip(ours, theirs, strict=True) if a != b)
    return (
        f"Column {a.title!r} is {a.kind} of {a.dtype} in the training data and {b.kind} of {b.dtype} in the "
        "validation data; cast one of them."
    )
