"""What an unkind user does on ``local[2]``: each has one clear outcome, and leaves no block and no job behind."""

from __future__ import annotations

import gzip
import os
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest
from py4j.protocol import Py4JJavaError

from sparkdl import nn, optim
from sparkdl.blockmanager.bridge.background import Background
from sparkdl.blockmanager.bridge.session import enumerate_blocks
from sparkdl.data import Column
from sparkdl.errors import BlockError, ClusterError, DataError

from . import oracle

pytestmark = pytest.mark.usefixtures("by_value")
COLUMNS = {"features": Column("x", shape=(1, 8, 8)), "label": "label"}
FOREVER = optim.max_iteration(10**7)


def rows(local, count):
    x, y = oracle.data(count)
    return local.createDataFrame(pd.DataFrame({"x": [row.ravel().tolist() for row in x], "label": y}))


@pytest.fixture(scope="module")
def frame(local):
    return rows(local, 100).cache()


def trainer(**options):
    options = {"batch_size": 30, "end": optim.max_epoch(2), "seed": 5, "progress": False, **options}
    return optim.Trainer(oracle.model(), nn.NLLLoss(), optim.SGD(lr=0.05), **options)


def weights(trained):
    return np.concatenate([array.ravel() for array in trained.model.state_dict().values()])


@pytest.fixture(autouse=True)
def nothing_is_left(local):
    """Neither blocks of ours nor jobs, whatever a test has done."""
    yield
    tracker = local.sparkContext.statusTracker()
    deadline = time.monotonic() + 20
    while (found := (ours(local), tracker.getActiveJobsIds())) != ([], []) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found == ([], [])


def ours(session):
    return [n for n in enumerate_blocks(session) if n.startswith("broadcast_") and len(n.split("_")[1]) > 15]


def test_no_rows(local, frame):
    """Known to Spark before a task starts, and not."""
    known = local.createDataFrame([], frame.schema)
    for empty in (known, frame.where("label < 0")):
        with pytest.raises(DataError, match="no rows to train on"):
            trainer().fit(empty, **COLUMNS)
    figures = trainer().evaluate(known, **COLUMNS, metrics=[optim.Loss(), optim.Top1Accuracy()])
    assert np.isnan([figures["Loss"], figures["Top1Accuracy"]]).all()
    assert np.isnan(trainer().fit(frame, **COLUMNS, validation=known)[0]["Loss"])


def test_fewer_rows_than_tasks(local):
    one, alone = trainer(tasks=2), trainer()
    history = one.fit(rows(local, 1), **COLUMNS)
    assert history.visits == {"rows": 1, "once": 1, "never": 0, "more": 0}
    alone.fit(oracle.data(1))
    np.testing.assert_array_equal(weights(one), weights(alone))


class Broken(optim.Top1Accuracy):
    """A metric with a mistake in one of its methods."""

    def __init__(self, where):
        super().__init__()
        self.where = where

    def update(self, state, output, target, weight):
        return 1 // (self.where != "update") and super().update(state, output, target, weight)

    def value(self, state):
        return 1 // (self.where != "value") and super().value(state)


class Listener(optim.Callback):
    """Does something when it hears of something for the first time, and keeps what the end was."""

    def __init__(self, where, act):
        self.where, self.act, self.ended = where, act, "not at all"

    def on_begin(self, run):
        self._hear("begin")

    def on_step(self, progress, figures):
        self._hear("step")

    def on_epoch(self, progress, line):
        self._hear("epoch")

    def on_end(self, history, error):
        self.ended = type(error)
        self._hear("end")

    def _hear(self, what):
        if what == self.where:
            self.where = "once only"
            self.act()


def fail():
    raise ZeroDivisionError("a mistake of the user")


@pytest.mark.parametrize("where", ["update", "value"])
def test_a_metric_that_fails_while_validating(frame, where):
    with pytest.raises(ZeroDivisionError) as error:
        trainer().fit(frame, **COLUMNS, validation=frame, metrics=[Broken(where)])
    assert f"in {where}" in "\n".join(error.value.__notes__)  # the task's own traceback


@pytest.mark.parametrize("where, heard", [("begin", "not at all"), ("step", ZeroDivisionError)])
def test_a_callback_that_fails(frame, where, heard):
    listener = Listener(where, fail)
    with pytest.raises(ZeroDivisionError, match="mistake of the user"):
        trainer(end=FOREVER, callbacks=[listener]).fit(frame, **COLUMNS)
    assert listener.ended == heard


@pytest.mark.parametrize("error", [ConnectionResetError("Connection reset"), ClusterError("mine"), BlockError("")])
def test_a_callback_whose_error_looks_like_a_fault(frame, caplog, error):
    def act():
        listener.where = "step"  # it would do so at every attempt
        raise error

    listener = Listener("step", act)
    with pytest.raises(type(error)) as raised:
        trainer(end=FOREVER, callbacks=[listener]).fit(frame, **COLUMNS)
    assert raised.value is error and "goes on from" not in caplog.text


def hung_up(y):
    raise ValueError("Connection reset, says my server")


def refused_by_python(label):
    from pyspark.sql import functions as F

    return F.udf(hung_up, "long")(label)


def refused_by_spark(label):
    from pyspark.sql import functions as F

    return F.concat(F.lit("Connection reset "), label).cast("long")


@pytest.mark.parametrize(
    "label, kind, match",
    [
        (refused_by_python, "PythonException", "in hung_up(?s:.*)ValueError: Connection reset, says my server"),
        (refused_by_spark, "NumberFormatException", "CAST_INVALID_INPUT.* 'Connection reset [0-9]'"),
    ],
)
@pytest.mark.parametrize("shuffle", [True, False])
def test_rows_that_cannot_be_had(frame, caplog, label, kind, match, shuffle):
    """Without a shuffle they come while the tasks of the stage that trains wait for them."""
    import pyspark.errors

    with pytest.raises(getattr(pyspark.errors, kind), match=match) as error:
        trainer(shuffle=shuffle).fit(frame.withColumn("label", label(frame.label)), **COLUMNS)
    assert "goes on from" not in caplog.text and "barrier" not in str(error.value)


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_gzip_file_that_was_cut_off(local, tmp_path, caplog, shuffle):
    whole = gzip.compress("".join(f"{i % 7},{i % 3}\n" for i in np.random.default_rng(0).permutation(9000)).encode())
    (tmp_path / "a.csv.gz").write_bytes(whole)
    (tmp_path / "b.csv.gz").write_bytes(whole[: len(whole) // 2])
    rows = local.read.schema("x float, label long").csv(str(tmp_path))
    one = optim.Trainer(nn.Sequential(nn.Linear(1, 3)), nn.CrossEntropyLoss(), optim.SGD(lr=0.1), shuffle=shuffle)
    with pytest.raises(Py4JJavaError, match="b.csv.gz(?s:.*)EOFException: Unexpected end of input stream"):
        one.fit(rows, features="x", label="label")
    assert "goes on from" not in caplog.text


def test_a_callback_that_fails_at_the_end():
    listener, other = Listener("end", fail), Listener("never", fail)
    with pytest.raises(ZeroDivisionError, match="mistake of the user"):
        trainer(callbacks=[other, listener]).fit(oracle.data(100))
    assert listener.ended is other.ended is type(None)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("where", ["begin", "step"])
def test_an_interrupt(frame, where):
    listener = Listener(where, interrupt)
    with pytest.raises(KeyboardInterrupt):
        trainer(end=FOREVER, callbacks=[listener]).fit(frame, **COLUMNS)


def test_a_second_interrupt_while_the_first_cleans_up(frame, monkeypatch):
    cancel, again = Background.cancel, []

    def twice(self, wait):
        if not again:
            again.append(1)
            threading.Timer(0.2, interrupt).start()
        cancel(self, wait)

    monkeypatch.setattr(Background, "cancel", twice)
    with pytest.raises(KeyboardInterrupt):
        trainer(end=FOREVER, callbacks=[Listener("step", interrupt)]).fit(frame, **COLUMNS)
    assert again


def test_two_threads_that_train_in_one_session(frame):
    """They take turns, or run side by side; neither disturbs the other."""
    each = [trainer(tasks=2), trainer(tasks=1)]
    threads = [threading.Thread(target=one.fit, args=(frame,), kwargs=COLUMNS) for one in each]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    alone = trainer()
    alone.fit(oracle.data(100))
    for one in each:
        np.testing.assert_array_equal(weights(one), weights(alone))


def test_a_model_is_trained_by_one_fit_at_a_time(frame):
    one, refused = trainer(), []

    def again():
        with pytest.raises(RuntimeError, match="is being trained already") as error:
            one.fit(oracle.data(100))
        refused.append(error)

    one.callbacks = (Listener("epoch", again),)
    for data, columns in ((oracle.data(100), {}), (frame, COLUMNS)):
        one.callbacks[0].where = "epoch"
        one.fit(data, **columns)
    assert len(refused) == 2
