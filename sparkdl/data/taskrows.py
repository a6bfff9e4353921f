"""Rows of one task of a Spark job: Arrow batches decoded into a feed.

    feed, validation = plan.decode(batches, task=t, tasks=K, budget=None, folder=None, transform=None,
                                    moving=False)

``plan`` comes from ``frame.prepare``. ``feed`` is a ``TaskRows``, a ``Feed`` (``counts``, ``rows(batch)``, ...) with
``input_names`` and ``target_names``; ``validation`` is another one, or None where there is no validation data.
``budget``: bytes of rows kept in memory (default: ``spill.default_budget()``); what exceeds it lies in unnamed files in
``folder`` (default: Spark's local dir) and goes when the feed does. ``feed.spilled`` says how many bytes do. With
``moving`` rows are held to half of the budget (a third, where there are validation rows too): while they move between
tasks (``reshuffle``), those that come have as much.

A task without rows cannot know their shape: exchange ``feed.shapes`` along with the counts, and let
``feed.agree(all_tasks_shapes)`` fill it in, or raise the error for tasks that differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkdl.data import arrow
from sparkdl.data.builders import builder_of
from sparkdl.data.feed import Feed
from sparkdl.data.fields import Field
from sparkdl.data.order import Batch, tasks_shards
from sparkdl.data.spill import Budget, Growing, default_budget
from sparkdl.data.stores import Store
from sparkdl.errors import DataError

HASH = "_sparkdl_hash"
ROLE = "_sparkdl_role"

Transform = Callable[[tuple[NDArray, ...], Batch], tuple[NDArray, ...]]


@dataclass(frozen=True)
class FramePlan:
    """How tasks decode the prepared DataFrame.

    ``hashed``: rows come with the hash that decides shard and order; ``numbered``: with a number that decides order
    alone; else they stay as they come. ``validated``: validation rows come along, marked by their role. ``names``:
    input or target name per field.
    """

    fields: tuple[Field, ...]
    names: tuple[str, ...]
    shards: int
    dtype: str
    hashed: bool = False
    numbered: bool = False
    validated: bool = False

    def decode(
        self,
        batches: Iterable[Any],
        task: int,
        tasks: int,
        *,
        budget: int | None = None,
        folder: str | None = None,
        transform: Transform | None = None,
        moving: bool = False,
    ) -> tuple[TaskRows, TaskRows | None]:
        """This task's rows; see the module's docstring."""
        whole, parted = default_budget() if budget is None else budget, 2 + self.validated if moving else 1
        limit = Budget(whole // parted, folder)
        parts = [_Part(self, limit) for _ in range(1 + self.validated)]
        for batch in batches:
            if batch.nbytes > limit.limit:
                raise DataError(_too_wide(batch, limit.limit))
            if ROLE not in batch.schema.names:
                parts[0].add(batch)
                continue
            role = batch.column(ROLE)
            for number, part in enumerate(parts):
                part.add(batch.filter(_equals(role, number)))
        feeds = [part.finish(task, tasks, transform) for part in parts]
        return feeds[0], feeds[1] if len(feeds) > 1 else None


class TaskRows(Feed):
    """A task's rows of a DataFrame; see the module's docstring."""


class _Part:
    """Rows of the training or of the validation DataFrame as they arrive."""

    def __init__(self, plan: FramePlan, budget: Budget) -> None:
        self.plan, self.budget = plan, budget
        self.builders = [builder_of(field, budget) for field in plan.fields]
        self.numbers = Growing(budget, np.int64)
        self.count = 0

    def add(self, batch: Any) -> None:
        if not batch.num_rows:
            return
        for field, builder in zip(self.plan.fields, self.builders, strict=True):
            column, fail = batch.column(field.wire), arrow.failer(field, batch, self.plan.fields)
            row = arrow.nulls(column)
            if row is not None:
                fail(row, "a value must not be null; drop or fill such rows")
            builder.add(column, fail)
        if self.plan.hashed or self.plan.numbered:
            self.numbers.append(arrow.numbers(batch.column(HASH)))
        self.count += batch.num_rows

    def finish(self, task: int, tasks: int, transform: Transform | None) -> TaskRows:
        plan = self.plan
        first, last = tasks_shards(task, tasks, plan.shards)
        stores: dict[str, list[Store]] = {"feature": [], "label": [], "weight": []}
        names: dict[str, list[str]] = {"feature": [], "label": [], "weight": []}
        for field, name, builder in zip(plan.fields, plan.names, self.builders, strict=True):
            stores[field.role].append(builder.finish())
            names[field.role].append(name)
        feed = TaskRows(
            stores["feature"], stores["label"], stores["weight"][0] if stores["weight"] else None,
            self._hashes(first, last),
            shards=plan.shards, first=first, last=last, dtype=plan.dtype, transform=transform,
        )  # fmt: skip
        feed.input_names, feed.target_names = tuple(names["feature"]), tuple(names["label"])
        feed.spilled, feed.budget = self.budget.spilled, self.budget
        return feed

    def _hashes(self, first: int, last: int) -> NDArray[np.int64]:
        """The rows' hashes; where rows keep their order, ones that deal them round robin over the task's shards."""
        numbers = self.numbers.finish()[:]
        if self.plan.hashed:
            return numbers
        place = np.arange(self.count, dtype=np.int64)
        if self.plan.numbered:
            place[np.argsort(numbers, kind="stable")] = np.arange(self.count)
        leaves = last - first
        return place // leaves * self.plan.shards + first + place % leaves


def _equals(column: Any, number: int) -> Any:
    import pyarrow as pa

    return pa.array(column.to_numpy(zero_copy_only=False) == number)


def _too_wide(batch: Any, limit: int) -> str:
    rows = max(1, limit * batch.num_rows // (2 * batch.nbytes))
    return (
        f"Spark handed over {batch.num_rows:,} rows at once, {batch.nbytes:,} bytes, more than this task's memory "
        f"budget of {limit:,} bytes. Set spark.sql.execution.arrow.maxRecordsPerBatch to {rows} or less in the "
        "session, or raise memory_budget of the Trainer."
    )
