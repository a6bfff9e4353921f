"""Rows move between tasks, so that in every epoch each task holds those that the epoch's order puts in its shards.

    move = Reshuffle(feed, counts, seed, rank, size, store, gather)
    move.to(epoch)              before the first batch of ``EpochPlan(..., epoch, reshuffle=True)``

Which row stands where in an epoch is a function of the seed (``Positions``), so sender and receiver know of every row
without asking, a run that is resumed brings its rows there in one move, and any number of tasks gives the same batches.
Rows travel through the block manager in rounds of at most ``ROOM`` bytes or so per task, and what comes is kept within
a memory budget of its own, files beyond it. Every row brings its number, and comes at its turn or not at all.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sparkdl.blockmanager.store import Block, BlockStore
from sparkdl.data.feed import Feed
from sparkdl.data.positions import Positions
from sparkdl.data.spill import Budget, Growing
from sparkdl.errors import BlockError

KIND = "rows"
ROOM = 8 << 20  # bytes of rows that a task sends in one round, to all others together
_UNLIMITED = 1 << 62


class Reshuffle:
    """See the module's docstring. ``counts`` (V,) are the rows of all shards; ``gather`` is that of the exchange."""

    def __init__(
        self,
        feed: Feed,
        counts: NDArray[np.int64],
        seed: int,
        rank: int = 0,
        size: int = 1,
        store: BlockStore | None = None,
        gather: Callable[[NDArray], list[NDArray]] = lambda values: [values],
    ) -> None:
        self.feed, self.seed, self.rank, self.size, self.gather = feed, seed, rank, size, gather
        self.store = store
        shards = len(counts)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        self.total = int(offsets[-1])
        self.edges = np.array([offsets[task * shards // size] for task in range(size + 1)])
        self.epoch = 0  # whose order the rows are in
        self._round = 0

    def to(self, epoch: int) -> None:
        """Brings the rows into the order of ``epoch``; all tasks call it together."""
        if epoch == self.epoch:
            return
        old, new = (Positions(self.total, self.seed, each) for each in (self.epoch, epoch))
        first, stop = self.edges[self.rank : self.rank + 2]
        mine = np.arange(first, stop)
        self.epoch = epoch
        if self.size == 1:
            self.feed.deal(old.places(new.rows(mine)))
            return
        rows = old.rows(mine)
        goes = new.places(rows)  # where each row that is here will stand
        order = np.argsort(goes)
        target = self._holder(goes[order])
        sent = [(order[target == task], rows[order[target == task]]) for task in range(self.size)]
        wanted = new.rows(mine)
        source = self._holder(old.places(wanted))
        awaited = [(mine[source == task] - first, wanted[source == task]) for task in range(self.size)]
        self._travel(sent, awaited)

    def _holder(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The task that holds each place."""
        return np.searchsorted(self.edges[1:], places, side="right")

    def _travel(self, sent: Sequence[tuple[NDArray, NDArray]], awaited: Sequence[tuple[NDArray, NDArray]]) -> None:
        """``sent``: per task, the places and numbers of rows for it; ``awaited``: those that come from it."""
        assert self.store is not None
        step = self._rows_per_round()
        most = max(-(-len(places) // step) for places, _ in sent)
        rounds = max(int(each[0]) for each in self.gather(np.array([most])))
        steps = [int(each[0]) for each in self.gather(np.array([step]))]
        feed = self.feed
        budget = Budget(_UNLIMITED) if feed.budget is None else Budget(feed.budget.limit, feed.budget.folder)
        arriving: list[list[Growing]] = []
        stands = []  # the place of every row that came
        old: list[Block] = []
        for number in range(rounds):
            self._round += 1
            span = slice(number * step, (number + 1) * step)
            messages = [_packed(rows[span], feed.held(places[span])) for places, rows in sent]
            blocks = [Block(KIND, self._round, self.rank, task) for task in range(self.size)]
            puts = [(blocks[task], messages[task]) for task in range(self.size) if task != self.rank]
            self.store.exchange(puts=puts)
            for task, (places, rows) in enumerate(awaited):
                here = task == self.rank
                data = messages[task] if here else self.store.read(Block(KIND, self._round, task, self.rank))
                came, columns = _unpacked(data)
                span = slice(number * steps[task], (number + 1) * steps[task])
                if not np.array_equal(came, rows[span]):
                    raise BlockError(f"task {task} sent rows {came[:3]}..., and rows {rows[span][:3]}... are due.")
                stands.append(places[span])
                if len(came):
                    _add(arriving, columns, budget)
            # whoever has put round n + 1 has read everything of round n
            self.store.remove(old)
            old = [block for block, _ in puts]
        self.gather(np.zeros(1))
        self.store.remove(old)
        self._settle(arriving, np.concatenate(stands) if stands else np.empty(0, np.int64), budget)

    def _settle(self, arriving: list[list[Growing]], stands: NDArray[np.int64], budget: Budget) -> None:
        order = np.full(len(self.feed), -1, np.int64)
        order[stands] = np.arange(len(stands))
        if len(stands) != len(order) or (order < 0).any():
            raise BlockError(f"{len(stands)} rows came for {len(order)} places.")
        if arriving:  # else this task holds no rows, before and after
            self.feed.replace([[part.finish() for part in parts] for parts in arriving], order)
        self.feed.budget, self.feed.spilled = self.feed.budget and budget, budget.spilled

    def _rows_per_round(self) -> int:
        """Rows for each task in a round, by the mean size of this task's rows."""
        some = np.linspace(0, len(self.feed) - 1, min(len(self.feed), 64)).astype(np.int64)
        nbytes = sum(part.nbytes for parts in self.feed.held(some) for part in parts) / max(len(some), 1)
        return max(int(ROOM / (self.size * max(nbytes, 1))), 1)


def _add(arriving: list[list[Growing]], columns: list[tuple[NDArray, ...]], budget: Budget) -> None:
    if not arriving:
        arriving += [[Growing(budget, part.dtype, part.shape[1:]) for part in parts] for parts in columns]
    for growing, parts in zip(arriving, columns, strict=True):
        for column, part in zip(growing, parts, strict=True):
            column.append(part)


def _packed(rows: NDArray[np.int64], columns: Sequence[tuple[NDArray, ...]]) -> bytes:
    """Numbers of rows and their columns' pieces as arrays of NumPy's format, one after another."""
    out = io.BytesIO()
    np.lib.format.write_array(out, np.array([len(parts) for parts in columns]), allow_pickle=False)
    for array in (rows, *(part for parts in columns for part in parts)):
        np.lib.format.write_array(out, array, allow_pickle=False)
    return out.getvalue()


def _unpacked(data: bytes) -> tuple[NDArray[np.int64], list[tuple[NDArray, ...]]]:
    file = io.BytesIO(data)

    def read() -> NDArray:
        return np.lib.format.read_array(file, allow_pickle=False)

    lengths, rows = read(), read()
    return rows, [tuple(read() for _ in range(length)) for length in lengths]
