"""Rows dealt anew per epoch: a permutation, the same rows on any number of tasks, within the budget of memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from members import as_threads

from sparkdl.blockmanager.store import Block
from sparkdl.data.feed import Feed
from sparkdl.data.order import EpochPlan, tasks_shards
from sparkdl.data.positions import Positions
from sparkdl.data.reshuffle import Reshuffle
from sparkdl.data.spill import Budget
from sparkdl.data.stores import Dense, Pictures, Sparse, Strings
from sparkdl.errors import BlockError


@given(st.integers(0, 500), st.integers(-(2**63), 2**64 - 1), st.integers(0, 2**20))
@settings(deadline=None)
def test_an_epoch_puts_every_row_at_one_place(total, seed, epoch):
    positions, places = Positions(total, seed, epoch), np.arange(total)
    rows = positions.rows(places)
    assert np.array_equal(np.sort(rows), places)
    assert np.array_equal(positions.places(rows), places)
    assert epoch or np.array_equal(rows, places)


def test_every_row_is_as_likely_at_every_place():
    total, epochs = 7, 4_000
    found = np.array([Positions(total, 5, epoch).rows(np.arange(total)) for epoch in range(1, epochs + 1)])
    mean, spread = epochs / total, np.sqrt(epochs / total * (1 - 1 / total))
    for place in range(total):
        assert np.abs(np.bincount(found[:, place], minlength=total) - mean).max() < 5 * spread
    pairs = np.bincount(found[:, 0] * total + found[:, 1], minlength=total**2).reshape(total, total)
    assert np.abs(pairs[~np.eye(total, dtype=bool)] - epochs / 42).max() < 5 * np.sqrt(epochs / 42)


def test_the_order_is_pinned():  # the same in every release, else runs cannot be resumed
    assert Positions(10, 1, 2).rows(np.arange(10)).tolist() == [1, 5, 3, 0, 4, 9, 6, 2, 8, 7]


def rows_of(count, rng):
    """A column of each kind."""
    lengths = rng.integers(0, 5, count)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    entries = Sparse.records(
        np.concatenate([np.arange(n) for n in lengths] or [[]]), np.arange(lengths.sum()) + 1, np.float32
    )
    sizes = rng.integers(1, 4, (count, 3))
    return (
        [Dense(rng.standard_normal((count, 3))), Sparse(offsets, entries, 5)],
        [
            Strings.from_items([rng.bytes(int(n)) for n in rng.integers(0, 9, count)]),
            Pictures(rng.integers(0, 256, int(sizes.prod(axis=1).sum()), np.uint8), sizes),
        ],
        Dense(rng.random(count)),
    )


def part_of(columns, index):
    inputs, targets, weight = columns
    return [c.rebuilt(c.pieces(index)) for c in inputs], [c.rebuilt(c.pieces(index)) for c in targets], weight.rebuilt(
        weight.pieces(index)
    )


def content(feed, batch):
    """Every column's bytes of a batch's rows, row by row."""
    index = feed._order[batch.local]
    return [tuple(c.content(int(i)) for c in feed._columns()) for i in index]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=9), st.integers(1, 4), st.sampled_from([80, 4_000, 1 << 20]))
@settings(deadline=None, max_examples=25)
def test_moved_rows_make_the_batches_that_one_task_makes(counts, tasks, room):
    shards, total, tasks = len(counts), sum(counts), min(tasks, len(counts))
    hashes = np.repeat(np.arange(shards), counts) + shards * np.arange(total)
    columns = rows_of(total, np.random.default_rng(total))

    def member(store):
        first, last = tasks_shards(store.rank, store.size, shards)
        index = np.flatnonzero((hashes % shards >= first) & (hashes % shards < last))
        feed = Feed(*part_of(columns, index), hashes[index], shards=shards, first=first, last=last)
        feed.budget = Budget(room)
        feed.number_from(sum(counts[:first]))

        def gather(values):
            store.turn += 1
            store.exchange(puts=[(Block("all", store.turn, store.rank), values)])
            return [
                np.frombuffer(store.read(Block("all", store.turn, rank)), values.dtype)
                for rank in range(store.size)
            ]

        move = Reshuffle(feed, np.array(counts), 3, store.rank, store.size, store, gather)
        seen = []
        for epoch in (0, 1, 4):
            move.to(epoch)
            assert feed.budget.held <= room
            plan = EpochPlan(counts, 5, 3, epoch, reshuffle=True)
            batches = [plan.batch(step, first, last) for step in range(plan.steps)]
            for batch in batches:
                np.testing.assert_array_equal(feed.rows(batch).numbers, batch.rows)
            seen.append([list(zip(b.rows.tolist(), content(feed, b), strict=True)) for b in batches])
        assert not [b for b in store.hub.blocks if b.kind == "rows" and b.source == store.rank]
        return seen

    def run(size):
        """Per epoch and step, number and content of the rows of the whole batch."""

        def started(store):
            store.size, store.turn = size, 0
            return member(store)

        everyone = as_threads(started, size)
        return [[sum(shares, []) for shares in zip(*epoch, strict=True)] for epoch in zip(*everyone, strict=True)]

    alone = run(1)
    assert run(tasks) == alone
    first, second, fifth = (dict(sum(epoch, [])) for epoch in alone)
    assert first == second == fifth  # the same rows under the same numbers
    assert sorted(first) == list(range(total))


def test_rows_other_than_those_that_are_due_are_refused():
    counts = np.array([40, 40])

    def member(store):
        hashes = np.arange(40) * 2 + store.rank
        feed = Feed([Dense(np.arange(40.0))], [], None, hashes, shards=2, first=store.rank, last=store.rank + 1)
        move = Reshuffle(feed, counts, 3 + store.rank, store.rank, 2, store, lambda values: [values, values])
        move.to(1)

    with pytest.raises(BlockError, match="task . sent rows .* are due"):
        as_threads(member, 2)
