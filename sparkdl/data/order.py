"""Which rows make up which batch: exact, the same for any number of tasks, known from V row counts alone.

The rows of a run are dealt into V *virtual shards* (``shard_of``). Inside a shard a row has an index, its place in the
shard's own order (by hash, see ``rowhash``). Its *global position* is ``offset of the shard + index``: the sample's
identity for random draws, the same on one task and on eight.

An epoch visits every shard in a permuted order of its own (``permutation``) and interleaves the shards in proportion
to their sizes: the j-th visit to a shard of c rows is due at time ``(2j + 1) / 2c``, and visits happen in order of
time, ties in order of shard. (This is Webster's method of apportionment, known to be house monotone: the first m visits
are a prefix of the first m + 1.) So every batch but the epoch's last has exactly ``batch_size`` rows, and how many of
them each shard gives follows from the counts.

``reshuffle=True`` deals all rows anew in every epoch but the first: place ``offset + index`` is then that of row
``Positions.rows(place)``, and any rows may meet in a batch. Shards keep their sizes, so the cuts stay as they are. That
the rows are where the plan takes them from is ``reshuffle.Reshuffle``'s work.

A consequence that ``shuffle=False`` rests on: rows dealt round robin (row i into shard ``i mod V``) and not permuted
are visited exactly in order 0, 1, 2, ...

    plan = EpochPlan(counts, batch_size=128, seed=1, epoch=0)        counts: (V,) rows of every shard, all tasks
    for step in range(plan.steps):
        batch = plan.batch(step, *tasks_shards(t, K, V))             this task's share of the global batch
        batch.size          rows of the global batch (all tasks)
        batch.bounds        (leaves + 1,) int64: leaf i is rows bounds[i]:bounds[i+1] of this task's share
        batch.index         (n,) int64: each row's index in its shard
        batch.local         (n,) int64: each row's place among this task's rows (its shards one after another)
        batch.rows          (n,) int64: each row's number (ctx.rows): its global position, in epoch 0's order
        batch.sizes         (V,) int64: rows of the global batch in each shard
        batch.training      True for an epoch's batches, False (the default) for evaluation: nothing is random there
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparkdl.data.positions import Positions
from sparkdl.errors import DataError

SHARDS = 8
"""The documented default of V."""

_BLOCK = 1024  # steps whose cuts are computed together
_MOST_ROWS = 2**31 - 1  # products of two counts must fit in int64


def shard_of(hashes: NDArray[np.int64], shards: int) -> NDArray[np.int64]:
    """Shard of every row: ``hash mod V``, never negative (Spark's ``pmod``)."""
    return np.mod(hashes, np.int64(shards))


def tasks_shards(task: int, tasks: int, shards: int) -> tuple[int, int]:
    """First and one past the last shard of task t of K: ``floor(tV/K), floor((t+1)V/K)``."""
    if not 1 <= tasks <= shards:
        raise DataError(f"The rows are dealt into {shards} shards, which serve 1 to {shards} tasks, not {tasks}.")
    return task * shards // tasks, (task + 1) * shards // tasks


def permutation(count: int, seed: int, epoch: int, shard: int) -> NDArray[np.int64]:
    """Order in which an epoch visits the ``count`` rows of a shard.

    Philox4x64-10 with the key ``(seed, epoch * 2**32 + shard)`` draws 64 bits per row; their low bits are replaced by
    the row's index (so that all differ), and the rows are visited in order of the result. Raw draws and sorting mean
    the same in every NumPy release, which ``Generator.permutation`` does not promise.
    """
    key = np.array([seed & (2**64 - 1), (epoch << 32) + shard], np.uint64)
    draws = np.random.Philox(key=key).random_raw(count).astype(np.uint64, copy=False)
    low = np.uint64((1 << max(count - 1, 0).bit_length()) - 1)
    draws = np.sort((draws & ~low) | np.arange(count, dtype=np.uint64))
    return (draws & low).astype(np.int64)


def cuts(counts: NDArray[np.int64], visits: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the epoch's first m visits go to each shard, for every m in ``visits``: (len(visits), V)."""
    total = int(counts.sum())
    taken = (2 * visits[:, None] * counts + total) // max(2 * total, 1)  # all visits due by the time m / total
    while (excess := taken.sum(axis=1) - visits).any():  # never off by more than V / 2
        more, less = excess < 0, excess > 0
        taken[more, _earliest(taken[more], counts)] += 1
        taken[less, _latest(taken[less] - 1, counts)] -= 1
    return taken


def _earliest(visit: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Per line of ``visit`` (m, V), the shard whose visit of that number is due first (ties: lowest shard)."""
    return _pick(visit, counts, range(len(counts)), 1, counts > visit)


def _latest(visit: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Per line of ``visit`` (m, V), the shard whose visit of that number is due last (ties: highest shard)."""
    return _pick(visit, counts, range(len(counts) - 1, -1, -1), -1, visit >= 0)


def _pick(
    visit: NDArray[np.int64], counts: NDArray[np.int64], shards: Iterable[int], sign: int, open_: NDArray[np.bool_]
) -> NDArray[np.int64]:
    line = np.arange(len(visit))
    best = np.argmax(open_, axis=1) if sign > 0 else open_.shape[1] - 1 - np.argmax(open_[:, ::-1], axis=1)
    for v in shards:
        # (2 visit + 1) / count compared by cross-multiplication: exact
        before = (2 * visit[:, v] + 1) * counts[best] * sign < (2 * visit[line, best] + 1) * counts[v] * sign
        best = np.where(open_[:, v] & before, v, best)
    return best


@dataclass(frozen=True, slots=True)
class Batch:
    """One task's share of one global batch; see the module's docstring."""

    step: int
    size: int
    bounds: NDArray[np.int64]
    index: NDArray[np.int64]
    local: NDArray[np.int64]
    rows: NDArray[np.int64]
    seed: int = 0
    epoch: int = 0
    training: bool = False
    sizes: NDArray[np.int64] | None = None


class EpochPlan:
    """The batches of one epoch.

    ``counts`` are the rows of all V shards; ``batch_size`` is global. With ``shuffle=False`` shards are visited in
    their own order. ``again`` are numbers of rows that this epoch visits once more. Memory: 8 bytes per row of the
    shards that are asked for, 16 with ``reshuffle``.
    """

    def __init__(
        self,
        counts: ArrayLike,
        batch_size: int,
        seed: int = 0,
        epoch: int = 0,
        shuffle: bool = True,
        reshuffle: bool = False,
        again: ArrayLike = (),
    ) -> None:
        self.counts = np.asarray(counts, np.int64)
        if self.counts.ndim != 1 or not len(self.counts) or (self.counts < 0).any():
            raise DataError(f"EpochPlan: counts must be a row count >= 0 for each shard, got {counts!r}.")
        if not batch_size >= 1:
            raise DataError(f"batch_size must be at least 1, got {batch_size!r}.")
        self.offsets = np.concatenate([[0], np.cumsum(self.counts)])
        self.total = int(self.offsets[-1])
        if self.total > _MOST_ROWS:
            raise DataError(f"A run takes at most {_MOST_ROWS:,} rows, got {self.total:,}.")
        self.batch_size, self.seed, self.epoch, self.shuffle = int(batch_size), seed, epoch, shuffle
        self._positions = Positions(self.total, seed, epoch if reshuffle else 0)
        self._again = np.sort(self._positions.places(np.asarray(again, np.int64)))
        self._edges = np.searchsorted(self._again, self.offsets)
        self._visits = self.counts + np.diff(self._edges)
        self.visits = int(self._visits.sum())
        self.steps = -(-self.visits // self.batch_size)
        self._first_step = -_BLOCK
        self._cuts = np.empty((0, len(self.counts)), np.int64)
        self._orders: dict[int, NDArray[np.int64]] = {}
        self._numbers: dict[int, NDArray[np.int64]] = {}

    def batch(self, step: int, first: int = 0, last: int | None = None) -> Batch:
        """Share of shards ``first`` up to ``last`` (default: all) in the batch of ``step``, 0-based."""
        if not 0 <= step < self.steps:
            raise IndexError(f"The epoch has steps 0 to {self.steps - 1}, got {step}.")
        last = len(self.counts) if last is None else last
        start, stop = self._cut(step)
        chosen = [self._order(v)[start[v] : stop[v]] for v in range(first, last)]
        sizes = stop - start
        bounds = np.concatenate([[0], np.cumsum(sizes[first:last])])
        index = np.concatenate(chosen) if chosen else np.empty(0, np.int64)
        places = index + np.repeat(self.offsets[first:last], np.diff(bounds))
        rows = places
        if self._positions.moved:
            edges = zip(range(first, last), bounds, bounds[1:], strict=False)
            rows = np.concatenate([self._rows(v)[index[a:b]] for v, a, b in edges] or [places])
        size = min(self.batch_size, self.visits - step * self.batch_size)
        local = places - self.offsets[first]
        return Batch(step, size, bounds, index, local, rows, self.seed, self.epoch, True, sizes)

    def numbers(self, first: int, last: int) -> NDArray[np.int64]:
        """Numbers of the rows at the places of shards ``first`` up to ``last``: those of ``batch.local`` 0, 1, ..."""
        return np.concatenate([self._rows(v) for v in range(first, last)])

    def places(self, numbers: NDArray[np.int64], first: int, last: int) -> NDArray[np.int64]:
        """`numbers` backwards. DataError for a row that stands in another task's shards."""
        places = self._positions.places(numbers) - self.offsets[first]
        strange = numbers[(places < 0) | (places >= self.offsets[last] - self.offsets[first])]
        if len(strange):
            raise DataError(
                f"row {strange[0]} was handed out by the feed of shards {first} to {last - 1}, where it does not stand "
                f"in epoch {self.epoch}; expected rows that do. The feed gives wrong rows: report this with its data."
            )
        return places

    def _cut(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if not 0 <= step - self._first_step < _BLOCK:
            self._first_step = step // _BLOCK * _BLOCK
            steps = np.arange(self._first_step, min(self._first_step + _BLOCK, self.steps) + 1)
            self._cuts = cuts(self._visits, np.minimum(steps * self.batch_size, self.visits))
        at = step - self._first_step
        return self._cuts[at], self._cuts[at + 1]

    def _rows(self, shard: int) -> NDArray[np.int64]:
        """Numbers of the rows at a shard's places."""
        rows = self._numbers.get(shard)
        if rows is None:
            rows = self._positions.rows(np.arange(self.offsets[shard], self.offsets[shard + 1]))
            self._numbers[shard] = rows
        return rows

    def _order(self, shard: int) -> NDArray[np.int64]:
        order = self._orders.get(shard)
        if order is None:
            count, due = int(self.counts[shard]), int(self._visits[shard])
            order = permutation(due, self.seed, self.epoch, shard) if self.shuffle else np.arange(due)
            if due > count:
                again = self._again[self._edges[shard] : self._edges[shard + 1]] - self.offsets[shard]
                order = np.concatenate([np.arange(count), again])[order]
            self._orders[shard] = order
        return order


class Visits:
    """Counts how often an epoch used each of a task's rows: the proof of exactly once.

    ``visits = Visits(rows)``, ``visits.add(places)`` per step, then ``visits.report()`` gives ``{"rows": n, "once": n,
    "never": 0, "more": 0}``; reports of tasks add up. ``reset()`` between epochs.
    """

    def __init__(self, rows: int) -> None:
        self.counts = np.zeros(rows, np.int32)

    def add(self, places: NDArray[np.int64]) -> None:
        """Count the rows of a batch that was used, by their places among the task's rows."""
        np.add.at(self.counts, places, 1)

    def reset(self) -> None:
        """Start the next epoch."""
        self.counts[:] = 0

    def report(self) -> dict[str, int]:
        """Rows held, and how many of them were used once, never, and more than once."""
        once, never = int((self.counts == 1).sum()), int((self.counts == 0).sum())
        return {"rows": len(self.counts), "once": once, "never": never, "more": len(self.counts) - once - never}
