"""Every row once per epoch, whatever the sizes of partitions and batches; and the same weights on any number of
tasks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkdl import nn, optim
from sparkdl.data.feed import Feed
from sparkdl.data.order import EpochPlan
from sparkdl.errors import DataError

from . import exactly_once

sizes = st.lists(st.one_of(st.integers(0, 3), st.integers(0, 60)), min_size=1, max_size=8).filter(any)


def without_seconds(history):
    return [{k: v for k, v in line.items() if k != "seconds"} for line in history]


@given(sizes, st.integers(1, 90), st.integers(2, 4), st.booleans(), st.booleans())
@settings(deadline=None, max_examples=15)
def test_any_partitions_batches_and_tasks(counts, batch_size, tasks, shuffle, reshuffle):
    options = {"batch_size": batch_size, "shuffle": shuffle, "reshuffle": shuffle and reshuffle, "max_epochs": 3}
    options["watch"] = True
    (run,) = exactly_once.train(counts, 1, **options)
    alone, expected, _ = run
    rows = exactly_once.in_order(exactly_once.data(counts)[0])
    np.testing.assert_array_equal(exactly_once.epochs_of([run], 3), [rows] * 3)
    assert [line["rows_once"] for line in alone] == [sum(counts)] * 3
    assert [line["samples"] for line in alone] == [sum(counts)] * 3
    assert alone.exactly_once
    runs = exactly_once.train(counts, min(tasks, len(counts)), **options)
    np.testing.assert_array_equal(exactly_once.epochs_of(runs, 3), [rows] * 3)
    for history, weights, _ in runs:
        assert without_seconds(history) == without_seconds(alone)
        for name, w in expected.items():
            np.testing.assert_array_equal(weights[name], w)


def one_row_twice(rows):
    def wrong(feed, batch):
        if batch.training and batch.step == 0:
            batch = replace(batch, local=np.concatenate([batch.local[:1], batch.local[:-1]]))
        return rows(feed, batch)

    return wrong


def one_batch_twice(rows):
    def wrong(feed, batch):
        if batch.training and batch.step == 0:
            feed.first_batch = batch
        again = batch.training and batch.step == 1
        return rows(feed, replace(batch, local=feed.first_batch.local) if again else batch)

    return wrong


@pytest.mark.parametrize("wrong, counts", [(one_row_twice, [8, 1, 1]), (one_batch_twice, [2, 4, 4])])
@pytest.mark.parametrize("reshuffle", [False, True])
def test_a_feed_that_gives_rows_twice_or_never_is_seen(wrong, counts, reshuffle, monkeypatch):
    """The report counts the rows that came out of the feed, not those that were asked for."""
    x, y = np.arange(30, dtype=np.float32).reshape(10, 3) / 30, np.zeros((10, 1), np.float32)

    def fit():
        trainer = optim.Trainer(
            exactly_once.net(), nn.MSELoss(), optim.SGD(lr=0.1), batch_size=4, max_epochs=2, reshuffle=reshuffle,
            progress=False,
        )  # fmt: skip
        return trainer.fit((x, y))

    assert fit().exactly_once
    monkeypatch.setattr(Feed, "rows", wrong(Feed.rows))
    history = fit()
    assert not history.exactly_once
    for line in history:
        assert [line[name] for name in ("rows_once", "rows_never", "rows_more")] == counts


def test_a_row_of_another_task_s_shards_is_refused():
    plan = EpochPlan([3, 2, 4, 1], 4, epoch=1, reshuffle=True)
    assert sorted(plan.places(plan.numbers(1, 3), 1, 3)) == list(range(6))
    with pytest.raises(DataError, match="was handed out by the feed of shards 1 to 2, where it does not stand"):
        plan.places(plan.numbers(0, 1), 1, 3)


def test_an_epoch_that_training_ends_in_is_no_breach_and_no_proof():
    x, y = np.zeros((10, 3), np.float32), np.zeros((10, 1), np.float32)

    def fit(steps):
        trainer = optim.Trainer(
            exactly_once.net(),
            nn.MSELoss(),
            optim.SGD(lr=0.1),
            batch_size=4,
            end=optim.max_iteration(steps),
            progress=False,
        )
        return trainer.fit((x, y))

    assert (fit(2).exactly_once, fit(3).exactly_once, fit(4).exactly_once) == (False, True, True)
    assert fit(4)[-1]["rows_never"] == 6


def test_a_reshuffled_run_that_is_resumed_equals_one_that_was_not(tmp_path):
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((50, 3)).astype(np.float32), rng.standard_normal((50, 1)).astype(np.float32)

    def fit(steps, **options):
        model = exactly_once.net()
        trainer = optim.Trainer(
            model, nn.MSELoss(), optim.SGD(lr=0.05, momentum=0.9), batch_size=8, end=optim.max_iteration(steps), seed=4,
            reshuffle=True, progress=False, **options,
        )  # fmt: skip
        return trainer.fit((x, y), resume=options.get("checkpoint")), model.state_dict()

    whole, expected = fit(24)
    fit(17, checkpoint=tmp_path)
    resumed, weights = fit(24, checkpoint=tmp_path)
    assert without_seconds(resumed) == without_seconds(whole) and whole.exactly_once
    for name, w in expected.items():
        np.testing.assert_array_equal(weights[name], w)


@pytest.fixture(scope="module")
def frame(local):
    """2,020 rows with weights in two partitions of 2,000 and 20."""
    import pandas as pd

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2_020, 3)).astype(np.float32), rng.standard_normal(2_020).astype(np.float32)
    rows = pd.DataFrame({"x": list(x.tolist()), "y": y, "w": rng.integers(0, 3, 2_020), "p": np.arange(2_020) >= 2_000})
    split = local.createDataFrame(rows).repartitionByRange(2, "p").cache()
    assert sorted(split.rdd.glom().map(len).collect()) == [20, 2_000]
    return split, (x, y[:, None], rows["w"].to_numpy())


def fit_frame(frame, **options):
    trainer = optim.Trainer(
        exactly_once.net(),
        nn.MSELoss(),
        optim.SGD(lr=0.01),
        batch_size=64,
        max_epochs=3,
        seed=4,
        progress=False,
        **options,
    )
    if isinstance(frame, tuple):
        return trainer.fit(frame), trainer.model.state_dict()
    from sparkdl.data import Column

    history = trainer.fit(frame, features="x", label=Column(("y",), shape=(1,)), weight="w")
    return history, trainer.model.state_dict()


def test_rows_that_stay_where_they_are_at_a_hundred_to_one(frame):
    history, _ = fit_frame(frame[0], shuffle=False)
    assert [line["rows_once"] for line in history] == [line["samples"] for line in history] == [2_020] * 3
    assert history.exactly_once and "shuffle=False keeps rows" in history.varies[0]
    assert [report["visits"]["rows"] for report in history.costs] in ([2_000, 20], [20, 2_000])


def test_rows_that_move_between_tasks_give_the_weights_of_arrays(frame):
    history, weights = fit_frame(frame[0], reshuffle=True)
    expected, same = fit_frame(frame[1], reshuffle=True)
    _, other = fit_frame(frame[1])
    assert history.exactly_once and without_seconds(history) == without_seconds(expected)
    for name, w in weights.items():
        np.testing.assert_array_equal(w, same[name])
    assert any((w != other[name]).any() for name, w in weights.items())


def test_rows_that_moved_are_brought_back_into_place_on_another_number_of_tasks():
    """As after a fault: three tasks train into the third epoch, two go on from their snapshot."""
    from sparkdl.optim.checkpoint.keep import Keep

    counts, options = [20, 0, 7, 33, 5, 1, 18, 16], {"batch_size": 9, "max_epochs": 4, "reshuffle": True}
    ((whole, expected, _),) = exactly_once.train(counts, 1, **options)
    taken = []
    exactly_once.train(counts, 3, keeps=[Keep(lambda progress: progress.iteration == 29, taken.append)], **options)
    (snapshot,) = taken
    assert (snapshot.progress.epoch, snapshot.epoch.step) == (2, 29 - 2 * 12)
    for history, weights, _ in exactly_once.train(counts, 2, resume=snapshot, **options):
        assert without_seconds(history) == without_seconds(whole) and history.exactly_once
        for name, w in expected.items():
            np.testing.assert_array_equal(weights[name], w)


def test_reshuffling_without_shuffling_is_refused():
    with pytest.raises(ValueError, match="reshuffle=True deals rows anew, and shuffle=False"):
        optim.Trainer(exactly_once.net(), nn.MSELoss(), optim.SGD(lr=0.1), shuffle=False, reshuffle=True)
