"""One task's rows, in the shards' own order, given out batch by batch.

    feed.counts                 (leaves,) int64: rows of each shard that this task holds; the loop merges all tasks'
                                counts into the (V,) counts that ``EpochPlan`` takes
    feed.first, feed.last       the task's shards: ``first`` up to ``last``
    feed.hash_sum               wrapping int64 sum of all rows' hashes: equal data, equal sum (checked on a restart)
    feed.shapes, feed.agree     row shapes, for tasks to settle among themselves (a task may have no rows)
    feed.rows(batch) -> Rows    arrays of ``plan.batch(step, feed.first, feed.last)``
        rows.inputs             tuple of arrays (n, ...), one per input: the model's dtype; whole numbers as they are
        rows.target             array, tuple of arrays (several targets) or None
        rows.weight             (n,) float64 or None

``ArrayFeed`` (arrays of this process) and ``frame.TaskRows`` (a task of a Spark job) are feeds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparkdl.data.order import SHARDS, Batch, shard_of
from sparkdl.data.stores import Dense, Store
from sparkdl.errors import DataError


class Rows(NamedTuple):
    """The arrays of one batch; see the module's docstring."""

    inputs: tuple[NDArray, ...]
    target: Any
    weight: NDArray[np.float64] | None


class Feed:
    """Columns, and the order of their rows: by shard, then by hash, then (equal hashes) by content.

    ``hashes`` (n,) int64 decide shard (``hash mod shards``) and order. ``dtype`` is the model's: bytes (uint8) are
    converted to it as they are taken out. ``transform(inputs, batch) -> inputs`` works on the arrays before that.
    """

    def __init__(
        self,
        inputs: Sequence[Store],
        targets: Sequence[Store],
        weight: Store | None,
        hashes: NDArray[np.int64],
        *,
        shards: int = SHARDS,
        first: int = 0,
        last: int | None = None,
        dtype: Any = np.float32,
        transform: Callable[[tuple[NDArray, ...], Batch], tuple[NDArray, ...]] | None = None,
    ) -> None:
        self.inputs, self.targets, self.weight = tuple(inputs), tuple(targets), weight
        self.first, self.last = first, shards if last is None else last
        self.dtype, self.transform = np.dtype(dtype), transform
        shard = shard_of(hashes, shards)
        if len(shard) and not (self.first <= shard.min() and shard.max() < self.last):
            raise DataError(
                f"A row of shard {shard.min()} or {shard.max()} came to the task of shards {self.first} to "
                f"{self.last - 1}: the DataFrame gives other rows each time it is read. Cache it, or write it to files."
            )
        self.counts = np.bincount(shard - self.first, minlength=self.last - self.first).astype(np.int64)
        self.hash_sum = int(hashes.sum(dtype=np.int64)) if len(hashes) else 0
        self._order = np.lexsort((hashes, shard))
        self._settle_ties(hashes)

    def __len__(self) -> int:
        return len(self._order)

    def rows(self, batch: Batch) -> Rows:
        """The arrays of one batch of an ``EpochPlan``, fresh memory each time."""
        index = self._order[batch.local]
        inputs = tuple(column.take(index) for column in self.inputs)
        if self.transform is not None:
            inputs = self.transform(inputs, batch)
        inputs = tuple(x.astype(self.dtype) if x.dtype == np.uint8 else x for x in inputs)
        targets = tuple(column.take(index) for column in self.targets)
        target = targets if len(targets) > 1 else targets[0] if targets else None
        return Rows(inputs, target, None if self.weight is None else self.weight.take(index))

    def target(self, places: NDArray[np.int64]) -> Any:
        """The targets of the rows at ``places`` (this task's rows in order), without their inputs."""
        targets = tuple(column.take(self._order[places]) for column in self.targets)
        return targets if len(targets) > 1 else targets[0] if targets else None

    @property
    def shapes(self) -> list[tuple[int, ...] | None]:
        """Shape of one row of every input and target; None where it is not known (no rows) or not fixed."""
        return [store.row_shape if len(self) else None for store in (*self.inputs, *self.targets)]

    def agree(self, everyones: Sequence[Sequence[tuple[int, ...] | None]]) -> None:
        """Settle shapes among tasks: fill in those of a feed without rows, refuse rows that differ between tasks."""
        known = []
        for number, found in enumerate(zip(*everyones, strict=True)):
            shapes = sorted({tuple(shape) for shape in found if shape is not None})
            if len(shapes) > 1:
                what = "input" if number < len(self.inputs) else "target"
                raise DataError(f"Rows of {what} {number} differ in shape: {' and '.join(map(str, shapes[:3]))}.")
            known.append(shapes[0] if shapes else ())
        if not len(self):
            stores = [
                Dense(np.empty((0, *shape), store.values.dtype)) if isinstance(store, Dense) else store
                for shape, store in zip(known, (*self.inputs, *self.targets), strict=True)
            ]
            self.inputs, self.targets = tuple(stores[: len(self.inputs)]), tuple(stores[len(self.inputs) :])

    def _settle_ties(self, hashes: NDArray[np.int64]) -> None:
        """Order rows of equal hash by a digest of their content, so that only equal rows are interchangeable."""
        in_order = hashes[self._order]
        edges = np.flatnonzero(np.concatenate([[True], in_order[1:] != in_order[:-1], [True]]))
        for a, b in zip(edges[:-1], edges[1:], strict=True) if len(edges) < len(hashes) + 1 else ():
            if b - a > 1:
                self._order[a:b] = sorted(self._order[a:b], key=self._digest)

    def _digest(self, row: int) -> bytes:
        digest = hashlib.blake2b(digest_size=16)
        for column in (*self.inputs, *self.targets, *(() if self.weight is None else (self.weight,))):
            digest.update(column.content(row))
        return digest.digest()
