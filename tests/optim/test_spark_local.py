"""Training on DataFrames in ``local[2]``: the same bits as on arrays, any column, clear errors, nothing left."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest

from sparkdl import kernel, nn, optim
from sparkdl.blockmanager.bridge.session import enumerate_blocks
from sparkdl.data import Column
from sparkdl.errors import ClusterError, DataError, ShapeError
from sparkdl.optim.checkpoint.checkpoints import Checkpoints
from sparkdl.optim.checkpoint.files import LocalFiles
from sparkdl.optim.checkpoint.hadoop import files_at
from sparkdl.optim.checkpoint.halves import writer

from . import oracle

pytestmark = pytest.mark.usefixtures("by_value")
PICTURE = Column("x", shape=(1, 8, 8))
ROWS = 203


@pytest.fixture(scope="module")
def arrays():
    return oracle.data(ROWS)


@pytest.fixture(scope="module")
def frame(local, arrays):
    x, y = arrays
    return local.createDataFrame(pd.DataFrame({"x": [row.ravel().tolist() for row in x], "label": y})).cache()


def trainer(**options):
    options = {"batch_size": 30, "max_epochs": 2, "seed": 5, "progress": False, **options}
    return optim.Trainer(oracle.model(), nn.NLLLoss(), optim.SGD(lr=0.05, momentum=0.9), **options)


def weights(trained):
    return trained.model.state_dict()


def same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.fixture(scope="module")
def expected(arrays):
    """History and weights of training on the arrays."""
    one = trainer()
    history = one.fit(arrays, validation=arrays, metrics=[optim.Top1Accuracy(), optim.Loss()])
    return history, weights(one)


def without_seconds(history):
    return [{k: v for k, v in line.items() if k != "seconds"} for line in history]


@pytest.mark.parametrize("tasks", [None, 1, 2])
def test_a_dataframe_gives_the_same_bits_as_arrays(frame, expected, tasks):
    one = trainer(tasks=tasks)
    history = one.fit(
        frame, features=PICTURE, label="label", validation=frame, metrics=[optim.Top1Accuracy(), optim.Loss()]
    )
    same(weights(one), expected[1])
    assert without_seconds(history) == without_seconds(expected[0])
    assert history.visits == {"rows": ROWS, "once": ROWS, "never": 0, "more": 0}
    figures = one.evaluate(frame, metrics=[optim.Loss(), optim.Top1Accuracy()])
    assert list(figures.items()) == [("Loss", history[-1]["Loss"]), ("Top1Accuracy", history[-1]["Top1Accuracy"])]


def test_partitions_make_no_difference(local, frame, expected):
    from pyspark.sql import functions as F

    whole = frame.withColumn("place", F.when(F.rand(3) < 0.97, 0).otherwise(1))
    uneven = whole.repartition(7, "place")  # most rows in one partition, few in another, the rest empty
    for other in (frame.repartition(1), frame.orderBy(F.rand(1)), uneven):
        one = trainer()
        one.fit(other, features=PICTURE, label="label")
        same(weights(one), expected[1])


def test_every_kind_of_column(local, frame, arrays, expected):
    from pyspark.ml.functions import array_to_vector
    from pyspark.ml.linalg import SparseVector, VectorUDT
    from pyspark.sql import functions as F

    x, y = arrays
    dense = frame.withColumn("x", array_to_vector("x"))
    to_sparse = F.udf(lambda v: SparseVector(64, [(i, float(a)) for i, a in enumerate(v)]), VectorUDT())
    sparse = frame.withColumn("x", to_sparse("x"))
    floats = frame.withColumn("x", F.col("x").cast("array<float>"))
    for each in (dense, sparse, floats):
        one = trainer()
        one.fit(each, features=PICTURE, label="label")
        same(weights(one), expected[1])

    flat = nn.Sequential(nn.Reshape((1, 8, 8)), oracle.model())
    numbers = frame.select("label", *[F.col("x")[i].alias(f"p{i}") for i in range(64)])
    one = trainer()
    one.model = flat
    one.fit(numbers, features=[f"p{i}" for i in range(64)], label="label")
    same(dict(zip(expected[1], weights(one).values(), strict=True)), expected[1])

    pixels = np.clip(x * 20 + 128, 0, 255).astype(np.uint8)
    bytes_frame = local.createDataFrame(pd.DataFrame({"x": [p.tobytes() for p in pixels], "label": y}))
    one, two = trainer(), trainer()
    one.fit(bytes_frame, features=PICTURE, label="label")
    two.fit((pixels, y))
    same(weights(one), weights(two))


def test_weights_of_rows(frame, arrays):
    from pyspark.sql import functions as F

    x, y = arrays
    one, two = trainer(), trainer()
    one.fit(frame.withColumn("w", F.col("label") % 3), features=PICTURE, label="label", weight="w")
    two.fit((x, y, y % 3))
    same(weights(one), weights(two))


def cases():
    from pyspark.sql import functions as F

    label = F.col("label")
    return {
        "no such column": (lambda df: df, {"features": "pixels"}, "no column 'pixels'; the columns are x, label"),
        "text": (lambda df: df.withColumn("x", F.lit("a")), {}, "'x' is text"),
        "length": (
            lambda df: df.withColumn("x", F.when(label == 3, F.array(F.lit(1.0))).otherwise(F.col("x"))), {},
            r"'x': expected 64 values.*got 1\b",
        ),
        "shape": (lambda df: df, {"features": "x"}, r"features 'x', rows of shape \(64,\): .*Conv2d.* takes"),
        "no label": (lambda df: df, {"label": None}, r"label \(none was given\): NLLLoss"),
        "null": (lambda df: df.withColumn("label", F.when(label == 3, None).otherwise(label)), {}, "label.*null"),
        "NaN": (
            lambda df: df.withColumn("label", F.when(label == 3, F.lit(float("nan"))).otherwise(label)),
            {}, "label.*[nN]a[nN]",
        ),
        "range": (lambda df: df.withColumn("label", label + 1), {}, "label.*0 to 9, got 10"),
        "empty": (lambda df: df.limit(0), {}, "no rows"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["no such column", "text", "length", "shape", "no label", "null", "NaN", "range", "empty"]
)
def test_bad_columns_get_one_clear_error_that_names_them(local, frame, name):
    change, columns, words = cases()[name]
    with pytest.raises((DataError, ShapeError), match=words):
        trainer().fit(change(frame), **{"features": PICTURE, "label": "label", **columns})


def test_rows_of_validation_and_evaluation_are_checked_too(frame, arrays):
    from pyspark.sql import functions as F

    wrong, one = frame.withColumn("label", F.col("label") + 1), trainer()
    with pytest.raises(DataError, match="validation label 'label': .*0 to 9, got 10"):
        one.fit(frame, features=PICTURE, label="label", validation=wrong)
    with pytest.raises(DataError, match="label 'label': .*0 to 9, got 10"):
        one.evaluate(wrong, metrics=[optim.Loss()])
    with pytest.raises(DataError, match="same kind .* DataFrame to train on and tuple to validate on"):
        one.fit(frame, features=PICTURE, label="label", validation=arrays)


def test_rows_beyond_the_memory_budget_train_to_the_same_bits(local, frame, expected):
    local.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", 20)
    try:
        one = trainer(memory_budget=20_000, tasks=2)
        history = one.fit(frame, features=PICTURE, label="label")
    finally:
        local.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")
    same(weights(one), expected[1])
    assert all(report["spilled"] > 0 for report in history.costs)
    with pytest.raises(DataError, match="spark.sql.execution.arrow.maxRecordsPerBatch to .* raise memory_budget"):
        trainer(memory_budget=2_000).fit(frame, features=PICTURE, label="label")


def test_more_tasks_than_slots_are_refused(frame):
    with pytest.raises(ClusterError, match="2 slots"):
        trainer(tasks=3).fit(frame, features=PICTURE, label="label")


class Broken(nn.Layer):
    """A user's layer with a fault."""

    def forward(self, x, ctx):
        raise ZeroDivisionError("the user's own fault")


def test_a_fault_of_the_user_stops_at_once_with_his_traceback(local, frame):
    one = trainer()
    one.model = nn.Sequential(oracle.model(), Broken())
    with pytest.raises(ZeroDivisionError, match="the user's own fault") as caught:
        one.fit(frame, features=PICTURE, label="label")
    notes = "\n".join(caught.value.__notes__)
    assert "in forward" in notes and "in layer" in notes


def test_going_on_from_a_checkpoint_in_the_middle_of_an_epoch(frame, expected, tmp_path):
    every = {"checkpoint": tmp_path, "checkpoint_every": optim.several_iteration(4)}
    first = trainer(tasks=2, max_epochs=None, end=optim.max_iteration(9), monitor="loss", monitor_mode="min", **every)
    first.fit(frame, features=PICTURE, label="label")
    assert sorted(os.listdir(tmp_path)) == ["best.ckpt", *(f"step-{step:010d}.ckpt" for step in (4, 8, 9))]
    assert Checkpoints(LocalFiles(tmp_path)).best().progress.iteration == 7
    second = trainer()
    second.fit(frame, features=PICTURE, label="label", resume=tmp_path)
    same(weights(second), expected[1])


def test_checkpoints_on_a_hadoop_file_system(local, frame, arrays, expected, tmp_path, caplog):
    folder = f"file://{tmp_path}/checkpoints"
    every = {"checkpoint": folder, "checkpoint_every": optim.several_iteration(4), "keep": 2}
    first = trainer(max_epochs=None, end=optim.max_iteration(9), **every)
    first.fit(frame, features=PICTURE, label="label")
    names = sorted(path.name for path in (tmp_path / "checkpoints").glob("[!.]*"))
    assert names == ["step-0000000008.ckpt", "step-0000000009.ckpt"]  # in the middle of the second epoch
    second = trainer(tasks=1)  # another number of tasks
    second.fit(frame, features=PICTURE, label="label", resume=folder)
    same(weights(second), expected[1])
    newest = tmp_path / "checkpoints" / names[1]
    newest.write_bytes(newest.read_bytes()[:-1])
    third = trainer()
    third.fit(frame, features=PICTURE, label="label", resume=folder)
    same(weights(third), expected[1])
    assert names[1] in caplog.text  # the damaged one is named
    files = files_at(folder)
    dead = writer(1)._replace(process=2**22 + 1).half("step-0000000010.ckpt")  # above all numbers of processes
    strange = writer(1)._replace(machine="0123456789abcdef").half("step-0000000010.ckpt")
    files.write("aside", b"some", half=".aside.tmp")
    for name in (dead, strange):
        files.write(name, b"half")
    assert {"aside", dead, strange} <= set(files.names()) and ".aside.tmp" not in files.names()
    fourth = trainer(max_epochs=None, end=optim.max_iteration(10), **every)
    fourth.fit(frame, features=PICTURE, label="label", resume=folder)
    assert {"aside", strange} == {name for name in files.names() if not name.startswith("step")}
    here = trainer()
    here.fit(arrays, resume=folder)
    same(weights(here), expected[1])
    with pytest.raises(DataError, match="checkpoints of another run"):
        trainer(**every).fit(frame, features=PICTURE, label="label")


def test_checkpoints_know_what_the_drivers_context_was_told_since_it_began(local, frame, expected, tmp_path):
    """A mount table, or the keys of an object store."""
    settings = local.sparkContext._jsc.hadoopConfiguration()
    settings.set("fs.viewfs.mounttable.default.link./mounted", f"file://{tmp_path}")
    try:
        folder = "viewfs:///mounted/checkpoints"
        trainer(checkpoint=folder).fit(frame, features=PICTURE, label="label")
        assert list((tmp_path / "checkpoints").glob("step-*"))
        second = trainer()
        second.fit(frame, features=PICTURE, label="label", resume=folder)
        same(weights(second), expected[1])
        assert "viewfs" not in repr(vars(files_at(folder, here=False))["_settings"])  # not for any eye
    finally:
        settings.unset("fs.viewfs.mounttable.default.link./mounted")


def test_no_block_of_a_run_is_left(local, frame):
    ours = [name for name in enumerate_blocks(local) if name.startswith("broadcast_") and len(name.split("_")[1]) > 15]
    assert ours == []


def test_tasks_go_the_ways_that_were_timed_in_the_driver(local, monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((16, 32, 8, 8), dtype=np.float32), rng.integers(0, 2, 16)

    def trained(data, **columns):
        nn.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.Flatten(), nn.Linear(2048, 2))
        fit = optim.Trainer(
            model, nn.CrossEntropyLoss(), optim.SGD(lr=0.01), batch_size=16, max_epochs=1, progress=False
        )
        fit.fit(data, **columns)
        return model.state_dict()

    by_rule = trained((x, y))
    key = ("forward", "float32", (3, 3), (1, 1), (1, 1), 1, 32, 32, (8, 8), (8, 8))
    monkeypatch.setitem(kernel._table, "choices", {repr(key): "direct"})
    timed = trained((x, y))
    assert not np.array_equal(by_rule["0.weight"], timed["0.weight"])  # Winograd's sums round in another order
    rows = local.createDataFrame(pd.DataFrame({"x": [row.ravel().tolist() for row in x], "label": y}))
    same(timed, trained(rows, features=Column("x", shape=(32, 8, 8)), label="label"))
    monkeypatch.setitem(kernel._table, "choices", {})
    same(by_rule, trained(rows, features=Column("x", shape=(32, 8, 8)), label="label"))  # the same Python workers
