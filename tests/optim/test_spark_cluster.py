"""Training on ``local-cluster[2,1,1024]``, two executor JVMs: exact, repeatable, bounded in memory, nothing left."""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path

import feedback
import numpy as np
import pandas as pd
import pytest
from pyspark import cloudpickle

from sparkdl import nn, optim
from sparkdl.blockmanager.bridge.session import enumerate_blocks
from sparkdl.data import Column

from . import oracle

pytestmark = pytest.mark.usefixtures("by_value")
PICTURE = Column("x", shape=(1, 8, 8))
ROWS = 800


@pytest.fixture(scope="module")
def arrays():
    return oracle.data(ROWS)


@pytest.fixture(scope="module")
def frame(cluster, arrays):
    x, y = arrays
    rows = pd.DataFrame({"x": [row.ravel().tolist() for row in x], "label": y})
    return cluster.createDataFrame(rows).repartition(4).cache()


def fit(data, end=None, rows=ROWS, validation=None, resume=None, **options):
    options = {"batch_size": 32, "seed": 5, "progress": False, "end": end or optim.max_iteration(50), **options}
    trainer = optim.Trainer(oracle.model(), nn.NLLLoss(), optim.SGD(lr=0.05, momentum=0.9), **options)
    columns = {} if isinstance(data, tuple) else {"features": PICTURE, "label": "label"}
    history = trainer.fit(data, validation=validation, resume=resume, **columns)
    return trainer.model.state_dict(), history


def same(a, b):
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def ours(session):
    """Names of blocks that a training run put: their number lies far above those of Spark."""
    return [n for n in enumerate_blocks(session) if n.startswith("broadcast_") and len(n.split("_")[1]) > 15]


@pytest.fixture(scope="module")
def expected(arrays):
    return fit(arrays)[0]


def test_fifty_steps_equal_a_serial_numpy_loop_in_float64_and_float32(frame, arrays):
    weights, history = fit(frame)
    assert history[-1]["iteration"] == 50 and history.varies == []
    for dtype in (np.float64, np.float32):
        serial, losses = oracle.train(oracle.model().state_dict(), oracle.batches(*arrays, 32, 5, 2), 0.05, 0.9, dtype)
        for name, w in serial.items():
            np.testing.assert_allclose(weights[name], w, rtol=0, atol=2e-5, err_msg=name)
        assert history[1]["loss"] == pytest.approx(np.mean(losses[25:]), rel=1e-5)


def test_two_runs_have_the_same_bits_also_out_of_a_shuffle(frame, expected):
    from pyspark.sql import functions as F

    same(fit(frame)[0], expected)
    for _ in range(2):  # in local-cluster a shuffle hands rows over in another order on each run
        same(fit(frame.repartition(16).repartition(3, F.rand()))[0], expected)


def test_one_task_and_uneven_partitions_have_the_same_bits(frame, expected):
    from pyspark.sql import functions as F

    same(fit(frame, tasks=1)[0], expected)
    uneven = frame.withColumn("place", F.when(F.rand(3) < 0.97, 0).otherwise(1)).repartition(5, "place")
    assert 0 in uneven.rdd.glom().map(len).collect()
    same(fit(uneven)[0], expected)


def test_lossy_codecs_train_too(frame, expected):
    for codec in ("fp16", "bf16"):
        weights, history = fit(frame, codec=codec)
        assert history[1]["loss"] < history[0]["loss"]
        assert all(np.abs(weights[name] - expected[name]).max() < 0.05 for name in weights)
        assert any((weights[name] != expected[name]).any() for name in weights)
        (reason,) = history.varies
        assert f'codec="{codec}" rounds the gradients' in reason and reason in str(history.costs)


def test_what_a_codec_keeps_is_in_the_checkpoint(frame, tmp_path):
    """In the middle of an epoch; executors do not have the codec either."""
    cloudpickle.register_pickle_by_value(feedback)
    codec = feedback.Feedback()
    whole, _ = fit(frame, optim.max_iteration(40), codec=codec)
    fit(frame, optim.max_iteration(17), codec=codec, checkpoint=str(tmp_path))
    same(fit(frame, optim.max_iteration(40), codec=codec, resume=str(tmp_path))[0], whole)


class Probe:
    """A trigger that never fires and notes, at given steps, what the task and its JVM hold."""

    def __init__(self, folder, steps):
        self.folder, self.steps = str(folder), steps

    def __call__(self, progress):
        if progress.iteration in self.steps:
            from sparkdl.blockmanager.spark import SparkStore

            (store,) = [o for o in gc.get_objects() if isinstance(o, SparkStore)]
            gc.collect()
            rss = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            facts = {"rss": rss, "stored": store.stats().bytes_held, **store.jvm_bytes()}
            (Path(self.folder) / f"{store.rank}-{progress.iteration}").write_text(json.dumps(facts))
        return False


def test_memory_does_not_grow_between_step_100_and_step_500(frame, tmp_path):
    fit(frame, end=optim.max_iteration(500), validate=Probe(tmp_path, (100, 500)), validation=frame)
    for rank in range(2):
        early, late = (json.loads((tmp_path / f"{rank}-{step}").read_text()) for step in (100, 500))
        for what in early:
            assert abs(late[what] - early[what]) < 2 << 20, (rank, what, early, late)


class Spoil:
    """A trigger that raises at one step."""

    def __init__(self, step):
        self.step = step

    def __call__(self, progress):
        if progress.iteration == self.step:
            raise ZeroDivisionError("spoilt on purpose")
        return False


def test_nothing_is_left_after_a_run_that_fails(cluster, frame):
    with pytest.raises(ZeroDivisionError, match="spoilt on purpose"):
        fit(frame, validate=Spoil(7), validation=frame)
    assert ours(cluster) == []


def test_nothing_is_left_after_a_run_that_went_well(cluster, frame):
    fit(frame)
    assert ours(cluster) == []
