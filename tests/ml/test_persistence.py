"""Every stage saved and loaded, alone and in pipelines, here and in a process of its own; and without Spark."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.feature import VectorAssembler

from sparkdl import ml, nn, optim
from sparkdl.errors import FormatError
from tests.ml.conftest import net, points

FRESH = """
import sys
from pathlib import Path
from pyspark.ml import PipelineModel
from pyspark.sql import SparkSession
from sparkdl import ml
spark = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
         .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1").getOrCreate())
model = PipelineModel.load(sys.argv[1])
frame = spark.read.parquet(sys.argv[2])
model.transform(frame).select("id", "prediction").write.parquet(sys.argv[3])
print("EPOCHS", model.stages[-1].summary.totalEpochs)
for path in sorted(Path(sys.argv[4]).iterdir()):
    stage = getattr(ml, path.name).load(str(path))
    params = sorted((p.name, repr(v)) for p, v in stage._paramMap.items() if p.name != "model")
    print("STAGE", path.name, stage.uid, params)
spark.stop()
"""
NO_SPARK = """
import sys
import numpy as np
from sparkdl.ml import Predictor
from sparkdl import nn
x = np.load(sys.argv[2])
y = Predictor.load(sys.argv[1])(x)
assert np.array_equal(y, nn.load(sys.argv[1] + "/net").eval()(x))
np.save(sys.argv[3], y)
assert "pyspark" not in sys.modules
"""


def run(program, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/")
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


STAGES = {
    "estimator": lambda: ml.NNEstimator(model=net(), loss=nn.SmoothL1Loss(), optimizer=optim.SGD(lr=0.1, momentum=0.9)),
    "classifier": lambda: ml.NNClassifier(
        model=net(), loss=nn.CrossEntropyLoss(weight=[1.0, 2.0, 3.0]), metrics=["AUC"], thresholds=[0.1, 0.2, 0.3],
        optimizer=optim.Adam(lr=optim.SGD(lr=0.2).lr, schedule=optim.StepLR(3)), featuresCols={"x": "a"},
    ),
    "regressor": lambda: ml.NNRegressor(model=net(1), optimizer="adamw", learningRate=0.3),
    "model": lambda: ml.NNModel(model=net(), outputCols=["a"], featuresShape=[4], outputLayer="act"),
    "classifier model": lambda: ml.NNClassifierModel(model=net(), thresholds=[0.5, 0.4, 0.3]),
    "regressor model": lambda: ml.NNRegressorModel(model=net(1)),
    "without a model": lambda: ml.NNClassifier(maxEpochs=2),
}  # fmt: skip


@pytest.mark.parametrize("name", STAGES)
def test_every_stage(local, tmp_path, name):
    stage = STAGES[name]()
    path = str(tmp_path / "stage")
    stage.save(path)
    found = type(stage).load(path)
    assert type(found) is type(stage) and found.uid == stage.uid
    assert {p.name for p in found._paramMap} == {p.name for p in stage._paramMap}
    for param, value in stage._paramMap.items():
        again = found.getOrDefault(param.name)
        if param.name == "model":
            for key, array in value.state_dict().items():
                np.testing.assert_array_equal(again.state_dict()[key], array)
        else:
            assert repr(again) == repr(value), param.name
    with pytest.raises(Exception, match="exists"):
        stage.save(path)
    stage.write().overwrite().save(path)
    assert not list(Path(path).rglob("*.pkl"))
    other = ml.NNModel if not isinstance(stage, ml.NNModel) else ml.NNClassifier
    with pytest.raises(FormatError, match=type(stage).__name__):
        other.load(path)


def test_a_pipeline_model_and_every_stage_in_a_process_of_its_own(local, table, tmp_path):
    from pyspark.ml.functions import vector_to_array

    rows = table.withColumn("a", vector_to_array("features")).selectExpr(
        "id", "label", *[f"a[{i}] AS f{i}" for i in range(4)]
    )
    assembler = VectorAssembler(inputCols=[f"f{i}" for i in range(4)], outputCol="features")
    classifier = ml.NNClassifier(model=net(), maxEpochs=2, trainLocally="always")
    pipeline = Pipeline(stages=[assembler, classifier])
    pipeline.write().overwrite().save(str(tmp_path / "pipeline"))
    again = Pipeline.load(str(tmp_path / "pipeline"))
    assert again.getStages()[1].getMaxEpochs() == 2
    model = again.fit(rows)
    model.write().overwrite().save(str(tmp_path / "model"))
    rows.write.parquet(str(tmp_path / "rows"))
    stages = [make() for make in STAGES.values()]
    (tmp_path / "stages").mkdir()
    for stage in stages:
        stage.write().overwrite().save(str(tmp_path / "stages" / type(stage).__name__))
    last = {type(stage).__name__: stage for stage in stages}
    out = run(FRESH, tmp_path / "model", tmp_path / "rows", tmp_path / "scored", tmp_path / "stages")
    assert "EPOCHS 2" in out
    assert len(last) == 6
    for name, stage in last.items():
        params = sorted((p.name, repr(v)) for p, v in stage._paramMap.items() if p.name != "model")
        assert f"STAGE {name} {stage.uid} {params}" in out
    there = {r.id: r.prediction for r in local.read.parquet(str(tmp_path / "scored")).collect()}
    here = {r.id: r.prediction for r in model.transform(rows).collect()}
    assert there == here and len(here) == table.count()
    assert isinstance(PipelineModel.load(str(tmp_path / "model")).stages[1], ml.NNClassifierModel)


def test_a_stage_is_read_without_spark(local, tmp_path):
    model = ml.NNClassifierModel(model=net())
    model.save(str(tmp_path / "stage"))
    x, _ = points()
    np.save(tmp_path / "x.npy", x)
    run(NO_SPARK, tmp_path / "stage", tmp_path / "x.npy", tmp_path / "y.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), net().eval()(x))


class Doubled(nn.Layer):
    """A user's own layer."""

    def forward(self, x, ctx):
        return x * 2


class Own(nn.MSELoss):
    """A user's own loss."""


def test_users_own_classes_are_registered(local, tmp_path):
    from sparkdl.ml.registry import _known

    stage = ml.NNEstimator(model=nn.Sequential(Doubled()), loss=Own())
    stage.save(str(tmp_path / "stage"))
    with pytest.raises(FormatError, match="Own|Doubled"):
        ml.NNEstimator.load(str(tmp_path / "stage"))
    try:
        ml.register(Doubled), ml.register(Own)
        found = ml.NNEstimator.load(str(tmp_path / "stage"))
        assert isinstance(found.getLoss(), Own) and isinstance(found.getModel()[0], Doubled)
        with pytest.raises(ValueError, match="already"):
            ml.register(type("Own", (nn.MSELoss,), {"__module__": "elsewhere"}))
    finally:
        _known.clear()
