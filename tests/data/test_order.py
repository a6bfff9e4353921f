"""Row order: every row exactly once per epoch, in proportion, the same for any number of tasks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkdl.data.order import EpochPlan, Visits, cuts, permutation, shard_of, tasks_shards
from sparkdl.errors import DataError

counts_of_shards = st.lists(st.integers(0, 40), min_size=1, max_size=16)


def naive_visits(counts):
    """Shards in the order in which an epoch visits them, by sorting exact fractions."""
    from fractions import Fraction

    due = [(Fraction(2 * j + 1, 2 * c), v) for v, c in enumerate(counts) for j in range(c)]
    return [v for _, v in sorted(due)]


@given(counts_of_shards)
def test_cuts_are_those_of_sorted_due_times(counts):
    order = naive_visits(counts)
    expected = [[order[:m].count(v) for v in range(len(counts))] for m in range(len(order) + 1)]
    assert cuts(np.array(counts), np.arange(len(order) + 1)).tolist() == expected


@given(counts_of_shards, st.integers(1, 50), st.booleans(), st.integers(1, 16))
@settings(deadline=None)
def test_every_row_exactly_once_for_any_counts_batch_size_and_tasks(counts, batch_size, shuffle, tasks):
    shards = len(counts)
    tasks = min(tasks, shards)
    total = sum(counts)
    plan = EpochPlan(counts, batch_size, seed=3, epoch=2, shuffle=shuffle)
    whole = EpochPlan(counts, batch_size, seed=3, epoch=2, shuffle=shuffle)
    assert plan.steps == -(-total // batch_size)
    ranges = [tasks_shards(t, tasks, shards) for t in range(tasks)]
    visits = [Visits(sum(counts[a:b])) for a, b in ranges]
    for step in range(plan.steps):
        shares = [plan.batch(step, a, b) for a, b in ranges]
        for share, seen in zip(shares, visits, strict=True):
            seen.add(share.local)
        size = batch_size if step < plan.steps - 1 else total - step * batch_size
        assert sum(len(share.rows) for share in shares) == size == shares[0].size
        assert np.array_equal(np.concatenate([share.rows for share in shares]), whole.batch(step).rows)
    assert sum(seen.report()["once"] for seen in visits) == total
    assert all(seen.report()["never"] == seen.report()["more"] == 0 for seen in visits)


@given(counts_of_shards.filter(any), st.integers(1, 50), st.booleans(), st.booleans(), st.data())
@settings(deadline=None, max_examples=50)
def test_rows_to_be_made_up_are_visited_once_more(counts, batch_size, shuffle, reshuffle, data):
    total = sum(counts)
    again = data.draw(st.lists(st.integers(0, total - 1), unique=True))
    plan = EpochPlan(counts, batch_size, 3, 2, shuffle, reshuffle, again)
    batches = [plan.batch(step) for step in range(plan.steps)]
    assert [len(batch.rows) for batch in batches] == [batch.size for batch in batches]
    assert [batch.sizes.sum() for batch in batches] == [batch.size for batch in batches]
    seen = np.bincount(np.concatenate([batch.rows for batch in batches]), minlength=total)
    assert np.array_equal(seen, 1 + np.isin(np.arange(total), again))
    numbers = plan.numbers(0, len(counts))
    assert all(np.array_equal(numbers[batch.local], batch.rows) for batch in batches)


def test_a_shard_a_hundred_times_larger_gives_a_hundred_times_more_rows_to_each_batch():
    plan = EpochPlan([100_000, 1_000, 0], 1_010)
    for step in range(plan.steps):
        assert np.diff(plan.batch(step).bounds).tolist() == [1_000, 10, 0]


@given(st.integers(0, 300), st.integers(1, 9), st.integers(1, 40))
@settings(deadline=None)
def test_rows_dealt_round_robin_and_not_permuted_are_visited_as_they_come(total, shards, batch_size):
    rows = np.arange(total)
    members = [rows[rows % shards == v] for v in range(shards)]
    plan = EpochPlan([len(m) for m in members], batch_size, shuffle=False)
    for step in range(plan.steps):
        batch = plan.batch(step)
        edges = zip(batch.bounds, batch.bounds[1:], strict=False)
        seen = np.concatenate([m[batch.index[a:b]] for m, (a, b) in zip(members, edges, strict=True)])
        assert np.array_equal(np.sort(seen), rows[step * batch_size : (step + 1) * batch_size])


def test_batches_do_not_depend_on_which_were_asked_for_before():
    plan = EpochPlan([5_000, 4_000], 3, seed=1)
    later = plan.batch(2_900)
    plan.batch(0)
    assert np.array_equal(plan.batch(2_900).rows, later.rows)
    assert np.array_equal(EpochPlan([5_000, 4_000], 3, seed=1).batch(2_900).rows, later.rows)


def test_permutations_differ_by_seed_epoch_and_shard_and_are_pinned():
    orders = [permutation(50, s, e, v).tolist() for s in (0, 1) for e in (0, 1) for v in (0, 1)]
    assert len({tuple(order) for order in orders}) == 8
    assert all(sorted(order) == list(range(50)) for order in orders)
    # the same in every release, else runs cannot be resumed
    assert permutation(8, 1, 2, 3).tolist() == [6, 1, 4, 2, 5, 0, 7, 3]


def test_permutations_are_uniform():
    firsts = np.array([permutation(4, 0, epoch, 0) for epoch in range(4_000)])
    for place in range(4):
        assert np.abs(np.bincount(firsts[:, place], minlength=4) - 1_000).max() < 5 * np.sqrt(750)


def test_negative_hashes_fall_in_a_shard():
    assert shard_of(np.array([-1, -8, 7, 8]), 8).tolist() == [7, 0, 7, 0]


def test_two_thousand_million_rows_stay_exact():
    counts = np.array([2**30, 2**29, 1, 2**29 - 2])
    taken = cuts(counts, np.array([0, 10**9, counts.sum()]))
    assert taken.sum(axis=1).tolist() == [0, 10**9, counts.sum()]
    assert taken[-1].tolist() == counts.tolist()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: EpochPlan([1, -1], 2), "row count >= 0"),
        (lambda: EpochPlan([], 2), "row count >= 0"),
        (lambda: EpochPlan([4], 0), "batch_size must be at least 1"),
        (lambda: EpochPlan([2**31], 5), "at most"),
        (lambda: tasks_shards(0, 9, 8), "1 to 8 tasks, not 9"),
    ],
)
def test_impossible_plans_say_so(make, words):
    with pytest.raises(DataError, match=words):
        make()
