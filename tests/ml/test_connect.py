"""A Spark Connect session on two executors, whose client has no JVM: order of rows, training, also where an executor
is killed, scoring, saving and loading."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import io
import sys
import time
import numpy as np
import pandas as pd
from pyspark import cloudpickle
from pyspark.ml import Pipeline, PipelineModel
from pyspark.sql import SparkSession
from sparkdl import ml, nn, optim
from tests.data import test_frame_anywhere as rows_in_order
from tests.ml.conftest import net, points
from tests.optim import faults, samebits

spark = SparkSession.builder.remote("local-cluster[2,1,1024]").getOrCreate()
exec(rows_in_order.PROGRAM)  # so that workers get the function by value
assert {digests(spark, tasks) for tasks in (1, 2)} == {rows_in_order.expected()}

x, y = points()
rows = spark.createDataFrame(pd.DataFrame({"features": [row.tolist() for row in x], "label": y.astype(float)}))
classifier = ml.NNClassifier(model=net(), maxEpochs=2, batchSize=16)
here, there = (classifier.copy({classifier.trainLocally: where}).fit(rows) for where in ("always", "never"))
for name, value in here.getModel().state_dict().items():
    assert np.array_equal(value, there.getModel().state_dict()[name]), name

def pictures(rows):
    data = faults.oracle.data(rows)
    return data, faults.rows(spark, *data)


data, frame = pictures(samebits.ROWS)
assert samebits.train("lenet", frame, faults.COLUMNS, tasks=2) == samebits.train("lenet", data)

cloudpickle.register_pickle_by_value(faults)
data, frame = pictures(faults.ROWS)
undisturbed = faults.train(data)[0]
for what in ("kill an executor", "kill a worker"):
    weights, history = faults.train(frame, faults.Strike(sys.argv[1], what, tasks=2), faults.COLUMNS, tasks=2)
    assert weights == undisturbed, what
    assert [restart["step"] for restart in history.restarts] == [20], (what, history.restarts)

path = sys.argv[1] + "/model"
there.save(path)
there.write().overwrite().save(path)
again = ml.NNClassifierModel.load(path)
assert again.uid == there.uid and again.summary.totalEpochs == 2
scored, expected = ([row.prediction for row in model.transform(rows).collect()] for model in (again, here))
assert scored == expected and len(scored) == len(x)

class Terminal(io.StringIO):
    def isatty(self):
        return True


class Slowly:
    def __call__(self, progress):
        time.sleep(0.1)
        return progress.epoch >= 2


sys.stderr, terminal = Terminal(), sys.stderr
lines = []
trainer = optim.Trainer(net(), nn.CrossEntropyLoss(), optim.SGD(lr=0.1), batch_size=8, end=Slowly(), tasks=2,
                        watch=optim.LivePage(sys.argv[1] + "/page.html", histograms=4))
trainer.fit(rows, features="features", label="label", on_epoch=lambda progress, line: lines.append(line["epoch"]))
sys.stderr, shown = terminal, sys.stderr.getvalue()
assert lines == [1, 2]  # heard of while tasks hold every slot
assert any(f"epoch   1 [" in part and "loss" in part for part in shown.split("\\r")), shown
assert "samples/s" in shown and "epoch   2  loss" in shown, shown
page = open(sys.argv[1] + "/page.html").read()
assert all('"kind":"' + kind in page for kind in ("look", "histograms", "epoch", "end"))
assert "executors of Spark" in page

pipeline = Pipeline(stages=[classifier]).fit(rows)
pipeline.write().overwrite().save(sys.argv[1] + "/pipeline")
assert isinstance(PipelineModel.load(sys.argv[1] + "/pipeline").stages[0], ml.NNClassifierModel)
spark.stop()
"""


def test_training_scoring_saving_and_loading(spark_processes, tmp_path):
    pytest.importorskip("grpc", reason="Spark Connect's client is not installed (pyspark[connect])")
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, timeout=600, env=environment,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
