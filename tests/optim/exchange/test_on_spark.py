"""The exchange between tasks of a Spark stage: the numbers of one process, and no byte more than computed."""

from __future__ import annotations

import sys

import exchange_run
import numpy as np
import pytest
from exchange_run import SHARDS, first_weights, leaf_gradient, leaf_header, parts_of, rows, run
from members import as_tasks

from sparkdl.optim.exchange import AllReduce, Member, bytes_per_step
from sparkdl.optim.rules.adam import Adam

ELEMENTS, STEPS = 60_000, 20


@pytest.fixture(autouse=True)
def _pickled_by_value():
    from pyspark import cloudpickle

    cloudpickle.register_pickle_by_value(exchange_run)
    cloudpickle.register_pickle_by_value(sys.modules[__name__])


def trained(store, codec="none"):
    """Weights after some steps, and the store's counts before the first and after the last of them."""
    member = Member(store.rank, 2, SHARDS, store.teams)
    exchange = AllReduce(codec, codec)
    exchange.bind(member, store, first_weights(ELEMENTS), parts_of(ELEMENTS), Adam())
    before = store.stats()
    for step in range(1, STEPS + 1):
        exchange.grads[:] = rows(lambda leaf, s=step: leaf_gradient(ELEMENTS, s, leaf), member)
        exchange.step(exchange.grads, rows(lambda leaf, s=step: leaf_header(s, leaf), member), step)
    after = store.stats()
    weights = exchange.weights.copy()
    exchange.finish()
    return weights, np.subtract(after, before)[:4], exchange.costs


def expected():
    return run(0, Adam, ELEMENTS, STEPS)[0].weights


def test_tasks_in_two_executors_end_on_the_weights_of_one_process(cluster):
    alone = expected()
    for rank, (weights, counted, costs) in enumerate(as_tasks(cluster, trained)):
        assert weights.tobytes() == alone.tobytes()
        cost = bytes_per_step(Member(rank, 2, SHARDS), ELEMENTS)
        assert cost == (4 * ELEMENTS + 24, 4 * ELEMENTS + 24)  # half the gradient and a header, half the weights
        assert (counted[1], counted[3]) == (STEPS * cost.put, STEPS * cost.fetched)
        assert (costs.sent - cost.put * STEPS, costs.received - cost.fetched * STEPS) == (1 * 8, 1 * 8)  # finish


def test_half_precision_halves_the_bytes(cluster):
    for rank, (weights, counted, _) in enumerate(as_tasks(cluster, lambda store: trained(store, "fp16"))):
        np.testing.assert_allclose(weights, expected(), rtol=1e-2, atol=1e-2)
        cost = bytes_per_step(Member(rank, 2, SHARDS), ELEMENTS, "fp16", "fp16")
        assert cost == (2 * ELEMENTS + 24, 2 * ELEMENTS + 24)
        assert (counted[1], counted[3]) == (STEPS * cost.put, STEPS * cost.fetched)


def test_tasks_of_one_executor_exchange_in_memory(local):
    alone = expected()
    for weights, counted, costs in as_tasks(local, trained):
        assert weights.tobytes() == alone.tobytes()
        assert not counted.any() and costs.sent == costs.received == 0


def test_a_cached_frame_that_fills_the_storage_memory_takes_nothing_away(cluster):
    from pyspark import StorageLevel

    from sparkdl.blockmanager.bridge import session

    frame = cluster.range(0, 5000, 1, 20).selectExpr("unhex(repeat(sha2(string(id), 256), 7000)) as data")
    frame.persist(StorageLevel.MEMORY_ONLY).count()
    try:
        session.open_door(cluster)
        cached = {name for name in session.enumerate_blocks(cluster) if name.startswith("rdd_")}
        results = as_tasks(cluster, trained)
    finally:
        frame.unpersist(blocking=True)
    assert cached
    for weights, _, _ in results:
        assert weights.tobytes() == expected().tobytes()


def test_memory_does_not_grow(cluster):
    def work(store):
        member = Member(store.rank, 2, SHARDS, store.teams)
        exchange = AllReduce().bind(member, store, first_weights(ELEMENTS), parts_of(ELEMENTS), Adam())
        header = np.ones((len(member.subtrees), 3))
        seen = []
        for step in range(1, 501):
            exchange.step(exchange.grads, header, step)
            if step in (100, 500):
                exchange.merge(header)  # nobody is ahead: each holds the same blocks
                with open("/proc/self/statm") as statm:
                    resident = 4096 * int(statm.read().split()[1])
                seen.append({"resident": resident, "stored": store.stats().bytes_held, **store.jvm_bytes()})
        exchange.finish()
        return seen

    for early, late in as_tasks(cluster, work):
        for name in early:
            assert abs(late[name] - early[name]) < 2 << 20, (name, early, late)
