"""Streams: scoring, and training on each micro-batch exactly once."""

import numpy as np
import pytest

from sparkdl import ml
from tests.ml.conftest import net


def estimator():
    return ml.NNClassifier(model=net(), maxEpochs=1, learningRate=0.05, trainLocally="always")


def weights(trainer):
    return trainer.model.getModel().state_dict()


def same(a, b):
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])


@pytest.fixture
def files(table, tmp_path):
    for part in range(2):
        table.filter(f"id % 2 = {part}").coalesce(1).write.mode("append").parquet(str(tmp_path / "rows"))
    return tmp_path


def run(spark, table, folder, to):
    stream = spark.readStream.schema(table.schema).option("maxFilesPerTrigger", 1).parquet(str(folder / "rows"))
    query = to(stream).option("checkpointLocation", str(folder / "checkpoint")).trigger(availableNow=True).start()
    try:
        query.awaitTermination(120)
        assert query.exception() is None
    finally:
        query.stop()


def test_a_stream_is_scored(local, table, files):
    model = ml.NNModel(model=net(), outputType="array")
    run(local, table, files, lambda s: model.transform(s).writeStream.format("memory").queryName("scored"))
    assert local.table("scored").count() == table.count()


def test_each_batch_is_trained_on_once(local, table, files):
    done = ml.StreamTrainer(estimator(), files / "model")
    run(local, table, files, lambda s: s.writeStream.foreachBatch(done))
    assert done.batchId == 1

    again = ml.StreamTrainer(estimator(), files / "model")  # after a restart of the driver
    assert again.batchId == 1
    same(weights(again), weights(done))
    again(table, 1)  # Spark repeats what it cannot know to be done
    same(weights(again), weights(done))
    again(table, 2)
    assert again.batchId == 2
    assert not np.array_equal(weights(again)["fc1.weight"], weights(done)["fc1.weight"])


def test_the_folder_may_be_of_any_file_system_of_sparks(table, tmp_path):
    trainer = ml.StreamTrainer(estimator(), f"file:{tmp_path}/model")
    trainer(table, 0)
    again = ml.StreamTrainer(estimator(), tmp_path / "model")
    assert again.batchId == 0
    same(weights(again), weights(trainer))


def test_a_failure_before_the_commit_leaves_the_last_weights(table, tmp_path, monkeypatch):
    whole = ml.StreamTrainer(estimator(), tmp_path / "whole")
    broken = ml.StreamTrainer(estimator(), tmp_path / "broken")
    for trainer in (whole, broken):
        trainer(table, 0)
    whole(table, 1)
    monkeypatch.setattr(broken.files, "write", lambda name, data: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        broken(table, 1)
    restarted = ml.StreamTrainer(estimator(), tmp_path / "broken")
    assert restarted.batchId == 0
    restarted(table, 1)
    same(weights(restarted), weights(whole))
