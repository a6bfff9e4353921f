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
        rows.numbers            (n,) int64, the rows' own numbers, which lie and travel with them; None before
    feed.number_from(first)     has given every row its number, from ``first`` on in the feed's order

``ArrayFeed`` (arrays of this process) and ``frame.TaskRows`` (a task of a Spark job) are feeds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparkdl.data.order import SHARDS, Batch, shard_of
from sparkdl.data.spill import Budget, Spilled
from sparkdl.data.stores import Dense, Store
from sparkdl.errors import DataError


class Rows(NamedTuple):
    """The arrays of one batch; see the module's docstring."""

    inputs: tuple[NDArray, ...]
    target: Any
    weight: NDArray[np.float64] | None
    numbers: NDArray[np.int64] | None = None


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
        self.numbers: Store | None = None
        self._blank: tuple[NDArray, ...] | None = None  # inputs and targets of a share without rows
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

    input_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()
    budget: Budget | None = None  # of memory for rows, where there is one
    spilled: int = 0  # bytes of rows that lie in files

    def __len__(self) -> int:
        return len(self._order)

    def rows(self, batch: Batch) -> Rows:
        """The arrays of one batch of an ``EpochPlan``, fresh memory each time."""
        inputs = self._inputs(batch) if len(batch.local) or self._blank is None else self._blank[: len(self.inputs)]
        index = self._order[batch.local]
        weight, numbers = (None if column is None else column.take(index) for column in (self.weight, self.numbers))
        return Rows(inputs, self.target(batch.local), weight, numbers)

    def number_from(self, first: int) -> None:
        """Gives every row a number that stays with it wherever it goes: what was used is told by these."""
        numbers = np.full(len(self._order), -1, np.int64)
        numbers[self._order] = np.arange(first, first + len(self._order))
        self.numbers = Dense(numbers)

    def held(self, places: NDArray[np.int64]) -> list[tuple[NDArray, ...]]:
        """The rows at ``places`` as their columns' pieces, to be sent."""
        return [column.pieces(self._order[places]) for column in self._columns()]

    def deal(self, order: NDArray[np.int64]) -> None:
        """Put other rows of this feed at its places: at place i the row that was at place ``order[i]``."""
        self._order = self._order[order]

    def replace(self, columns: Sequence[Sequence[NDArray | Spilled]], order: NDArray[np.int64]) -> None:
        """Hold other rows: each column's ``pieces``, and which of them stands at each place."""
        stores = [old.rebuilt(new) for old, new in zip(self._columns(), columns, strict=True)]
        inputs, targets = len(self.inputs), len(self.targets)
        self.inputs, self.targets = tuple(stores[:inputs]), tuple(stores[inputs : inputs + targets])
        self.weight = stores[inputs + targets] if self.weight is not None else None
        self.numbers = stores[-1] if self.numbers is not None else None
        self._order = order

    def _columns(self) -> tuple[Store, ...]:
        return (*self.inputs, *self.targets, *(each for each in (self.weight, self.numbers) if each is not None))

    def target(self, places: NDArray[np.int64]) -> Any:
        """The targets of the rows at ``places`` (this task's rows in order), without their inputs."""
        if len(places) or self._blank is None:
            targets = tuple(store.take(self._order[places]) for store in self.targets)
        else:
            targets = self._blank[len(self.inputs) :]
        return targets if len(targets) > 1 else targets[0] if targets else None

    def places_as_given(self) -> NDArray[np.int64]:
        """The rows' places, for ``target``, in the order in which the rows were given."""
        places = np.empty_like(self._order)
        places[self._order] = np.arange(len(self._order))
        return places

    @property
    def shapes(self) -> list[list[Any] | None]:
        """``[dtype, *shape]`` of one row of every input and target, as ``rows`` gives them; None without rows."""
        if not len(self):
            return [None] * (len(self.inputs) + len(self.targets))
        row = np.zeros(1, np.int64)
        one = self.rows(Batch(0, 1, np.array([0, 1]), row, row, row))
        targets = one.target if isinstance(one.target, tuple) else (one.target,) * len(self.targets)
        return [[array.dtype.name, *array.shape[1:]] for array in (*one.inputs, *targets)]

    def agree(self, everyones: Sequence[Sequence[Sequence[Any] | None]]) -> None:
        """Settle the ``shapes`` of all tasks: a share without rows gets them, rows that differ are refused."""
        known = []
        for number, found in enumerate(zip(*everyones, strict=True)):
            shapes = sorted({tuple(shape) for shape in found if shape is not None})
            if len(shapes) > 1:
                what = f"input {number}" if number < len(self.inputs) else f"target {number - len(self.inputs)}"
                several = " and ".join(str(shape[1:]) for shape in shapes[:3])
                raise DataError(f"Rows of {what} differ in shape: {several}.")
            known.append(shapes[0] if shapes else (self.dtype.name,))
        self._blank = tuple(np.empty((0, *shape), dtype) for dtype, *shape in known)

    def _inputs(self, batch: Batch) -> tuple[NDArray, ...]:
        index = self._order[batch.local]
        inputs = tuple(store.take(index) for store in self.inputs)
        if self.transform is not None:
            inputs = self.transform(inputs, batch)
        return tuple(self._number(number, x) for number, x in enumerate(inputs))

    def _number(self, number: int, x: NDArray) -> NDArray:
        """Bytes and fractions in the model's dtype, whole numbers as they are."""
        if x.dtype == object:
            raise DataError(
                f"Input {number} is not an array of numbers but text, encoded files, or pictures of different sizes; "
                "give a transform that makes one of them (see sparkdl.data.transforms)."
            )
        return x.astype(self.dtype, copy=False) if x.dtype == np.uint8 or x.dtype.kind == "f" else x

    def _settle_ties(self, hashes: NDArray[np.int64]) -> None:
        """Order rows of equal hash by a digest of their content, so that only equal rows are interchangeable."""
        in_order = hashes[self._order]
        edges = np.flatnonzero(np.concatenate([[True], in_order[1:] != in_order[:-1], [True]]))
        for a, b in zip(edges[:-1], edges[1:], strict=True) if len(edges) < len(hashes) + 1 else ():
            if b - a > 1:
                self._order[a:b] = sorted(self._order[a:b], key=self._digest)

    def _digest(self, row: int) -> bytes:
        digest = hashlib.blake2b(digest_size=16)
        for column in self._columns():
            digest.update(column.content(row))
        return digest.digest()
