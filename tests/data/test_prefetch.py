"""Prefetch: the same batches in the same order, errors at their turn, no thread left."""

import threading
import time

import numpy as np
import pytest

from sparkdl.data import ArrayFeed, EpochPlan, Prefetch


def batches(feed, size=7):
    plan = EpochPlan(feed.counts, size, seed=1)
    return [plan.batch(step) for step in range(plan.steps)]


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "sparkdl-prefetch"]


@pytest.mark.parametrize("depth", [0, 1, 3, None])
def test_the_same_batches_in_the_same_order(depth):
    feed = ArrayFeed(np.arange(100.0), np.arange(100))
    with Prefetch(feed, batches(feed), depth) as ahead:
        found = [(batch.step, rows.inputs[0].tolist(), rows.target.tolist()) for batch, rows in ahead]
    expected = [feed.rows(batch) for batch in batches(feed)]
    assert found == [(step, rows.inputs[0].tolist(), rows.target.tolist()) for step, rows in enumerate(expected)]
    assert 0 <= ahead.starved <= 1
    assert not threads()


@pytest.mark.parametrize("depth", [0, 2])
def test_an_error_comes_at_its_turn(depth):
    def transform(inputs, batch):
        if batch.step == 3:
            raise KeyError("of the user")
        return inputs

    feed = ArrayFeed(np.arange(100.0), transform=transform)
    seen = []
    with pytest.raises(KeyError, match="of the user"), Prefetch(feed, batches(feed), depth) as ahead:
        for batch, _ in ahead:
            seen.append(batch.step)
    assert seen == [0, 1, 2] and not threads()


def test_leaving_early_ends_the_thread():
    feed = ArrayFeed(np.arange(1000.0))
    with Prefetch(feed, batches(feed, 1), 2) as ahead:
        next(iter(ahead))
    assert not threads()


def test_work_is_done_meanwhile_and_waiting_is_counted():
    def slow(inputs, batch):
        time.sleep(0.02)
        return inputs

    feed = ArrayFeed(np.arange(70.0), transform=slow)
    with Prefetch(feed, batches(feed), 0) as inline:
        assert sum(1 for _ in inline) == 10
    assert inline.waited >= 0.2
    with Prefetch(feed, batches(feed), 2) as ahead:
        for _ in ahead:
            time.sleep(0.04)
    assert ahead.waited < inline.waited


def test_arrays_alone_need_no_thread():
    feed = ArrayFeed(np.arange(10.0))
    with Prefetch(feed, batches(feed)):
        assert not threads()
    feed.transform = lambda inputs, batch: inputs
    with Prefetch(feed, batches(feed)):
        assert threads()
