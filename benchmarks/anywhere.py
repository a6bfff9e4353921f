"""LeNet trained wherever Spark runs: one hash of the weights.

    python -m benchmarks.anywhere                    all places, one after another
    python -m benchmarks.anywhere local standalone   some of them

here        arrays, without Spark
local       local[2]
cluster     local-cluster[2,1,1024], whose executors have no sparkdl until it comes to them
submit      a script under spark-submit
standalone  a master and a worker of their own, started by pyspark's spark-class, with spark.authenticate, network and
            local-disk encryption; the script under spark-submit
connect     a remote session of Spark Connect, on local-cluster[2,1,1024]

Every place also scores the training rows, through a UDF, and prints how many of them it gets right.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # of this process only: tasks do not inherit it

CLUSTER = "local-cluster[2,1,1024]"
PLACES = ("here", "local", "cluster", "submit", "standalone", "connect")
ROWS = 800


def lenet() -> Any:
    from sparkdl import nn

    nn.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(6, 12, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(192, 100), nn.Tanh(), nn.Linear(100, 10), nn.LogSoftmax(),
    )  # fmt: skip


def digits() -> tuple[np.ndarray, np.ndarray]:
    """The digits that ship with scikit-learn, each pixel three by three, in the middle of 28x28."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = np.zeros((ROWS, 1, 28, 28), np.float32)
    images[:, 0, 2:26, 2:26] = np.kron(data.images[:ROWS] / 16, np.ones((3, 3)))
    return images, data.target[:ROWS].astype(np.int64)


def train(spark: Any = None) -> str:
    """Hash of the weights after three epochs, and how many rows are scored right."""
    from sparkdl import nn, optim
    from sparkdl.data import Column

    x, y = digits()
    trainer = optim.Trainer(
        lenet(), nn.NLLLoss(), optim.SGD(lr=0.05, momentum=0.9), batch_size=64, max_epochs=3, seed=1,
        progress=spark is not None,
    )  # fmt: skip
    if spark is None:
        trainer.fit((x, y))
        right = (trainer.model.predict(x).argmax(1) == y).sum()
    else:
        import pandas as pd

        from sparkdl.ml import predict_udf

        df = spark.createDataFrame(pd.DataFrame({"image": [row.ravel().tolist() for row in x], "label": y}))
        trainer.fit(df, features=Column("image", shape=(1, 28, 28)), label="label")
        scored = df.select("label", predict_udf(trainer.model, spark, shape=(1, 28, 28))("image").alias("scores"))
        right = sum(int(np.argmax(row.scores) == row.label) for row in scored.collect())
    weights = b"".join(array.tobytes() for array in trainer.model.state_dict().values())
    return f"{hashlib.sha256(weights).hexdigest()} {right} of {ROWS} right"


def session(place: str) -> Any:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("anywhere").config("spark.ui.showConsoleProgress", "false")
    if place == "connect":
        return builder.config("spark.ui.enabled", "false").remote(CLUSTER).getOrCreate()
    if place in ("local", "cluster"):
        builder = builder.master("local[2]" if place == "local" else CLUSTER).config("spark.ui.enabled", "false")
        builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
    spark = builder.getOrCreate()  # under spark-submit it says where
    spark.sparkContext.setLogLevel("OFF")
    return spark


def run(place: str) -> str:
    """What a process of its own prints after it has trained there."""
    import pyspark

    from tests.optim.standalone import standalone

    script = [str(Path(__file__).resolve()), "--train", place]
    submit = str(Path(pyspark.__file__).parent / "bin" / "spark-submit")
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PYSPARK_PYTHON": sys.executable}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        command = [sys.executable, *script]
        if place == "submit":
            command = [submit, "--master", CLUSTER, "--conf", "spark.ui.enabled=false", *script]
        if place == "standalone":
            command = [submit, *stack.enter_context(standalone(folder)), *script]
        done = subprocess.run(command, env=env, capture_output=True, text=True)
    line = next((line for line in done.stdout.splitlines() if line.startswith("trained: ")), None)
    return line.removeprefix("trained: ") if line else f"failed\n{done.stderr[-4000:]}"


def main() -> None:
    if sys.argv[1:2] == ["--train"]:
        place = sys.argv[2]
        spark = None if place == "here" else session(place)
        print("trained:", train(spark), flush=True)
        if spark is not None:
            spark.stop()
        return
    found = {}
    for place in sys.argv[1:] or PLACES:
        began = time.perf_counter()
        found[place] = run(place)
        print(f"{place:<11}{time.perf_counter() - began:6.0f} s  {found[place]}", flush=True)
    same = len(set(found.values())) == 1
    print("one hash everywhere" if same else "NOT the same everywhere")
    sys.exit(not same)


if __name__ == "__main__":
    main()
