"""NNClassifier next to Spark's own classifiers: AUC, accuracy and seconds on 7,000 and 500 collisions (HIGGS).

    python benchmarks/higgs.py --data folder       binary.train and binary.test: label, then 28 numbers, by tabs

The split is that of the two files. Numbers are standardised for the first rows of the table. For the others each
becomes a few between 0 and 1, how far it has come through each interval between its quantiles ("piecewise linear", one
affine layer with fixed weights and a clamp), which lets a net see thresholds as trees do. Trees need neither.

Source: Gorishniy, Rubachev, Babenko (2022), "On embeddings for numerical features", section 3.2.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [sys.path[0], os.environ.get("PYTHONPATH")]))


def encoder(x: np.ndarray, intervals: int) -> Any:
    """A net without trained weights: each column of ``x`` to its places in the intervals between its quantiles."""
    from sparkdl import nn

    rows, offsets = [], []
    for j in range(x.shape[1]):
        edges = np.unique(np.quantile(x[:, j], np.linspace(0, 1, intervals + 1)))
        for low, high in zip(edges[:-1], edges[1:], strict=True):
            rows.append(np.eye(1, x.shape[1], j)[0] / (high - low))
            offsets.append(-low / (high - low))
    affine = nn.Linear(x.shape[1], len(rows))
    affine.load_state_dict({"weight": np.array(rows), "bias": np.array(offsets)})
    return nn.Sequential(affine=affine.freeze(), clamp=nn.Clamp(0.0, 1.0))


def frame(spark: Any, table: np.ndarray) -> Any:
    """``numbers`` (ML vector) and ``label``, of a table whose first column is the label."""
    from pyspark.ml.functions import array_to_vector

    rows = spark.createDataFrame([(row[1:].tolist(), float(row[0])) for row in table], ["x", "label"])
    return rows.select(array_to_vector("x").alias("numbers"), "label").cache()


def score(estimator: Any, train: Any, test: Any) -> tuple[float, float, float]:
    """AUC and accuracy on ``test``, and the seconds that fitting took."""
    from pyspark.ml.evaluation import BinaryClassificationEvaluator, MulticlassClassificationEvaluator

    start = time.perf_counter()
    model = estimator.fit(train)
    seconds = time.perf_counter() - start
    scored = model.transform(test).cache()
    accuracy = MulticlassClassificationEvaluator(metricName="accuracy").evaluate(scored)
    return BinaryClassificationEvaluator().evaluate(scored), accuracy, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(os.environ.get("SPARKDL_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=root / "datasets" / "higgs_lightgbm")
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--seeds", type=int, default=1, help="how often each is trained")
    options = parser.parse_args()
    from pyspark.ml.classification import GBTClassifier, MultilayerPerceptronClassifier
    from pyspark.ml.feature import StandardScaler
    from pyspark.sql import SparkSession

    from sparkdl import ml, models, nn, optim

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = (
        SparkSession.builder.master(options.master).config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
    )  # fmt: skip
    spark.sparkContext.setLogLevel("ERROR")
    tables = [np.loadtxt(options.data / f"binary.{part}") for part in ("train", "test")]
    train, test = (frame(spark, table) for table in tables)
    count = tables[0].shape[1] - 1
    scaler = StandardScaler(inputCol="numbers", outputCol="features", withMean=True).fit(train)
    encoded = ml.NNModel(model=encoder(tables[0][:, 1:], 16), featuresCol="numbers", predictionCol="features")
    width = encoded.getNet()["affine"].out_features

    def net(sizes: tuple[int, ...], seed: int, **params: Any) -> Any:
        nn.manual_seed(seed)
        rule = optim.AdamW(lr=1e-3, weight_decay=0.1)
        return ml.NNClassifier(model=models.mlp(sizes, dropout=0.6), optimizer=rule, seed=seed, **params)

    def perceptron(sizes: tuple[int, ...], seed: int) -> Any:
        return MultilayerPerceptronClassifier(layers=list(sizes), seed=seed)

    def ensemble(seed: int) -> Any:
        member = net((width, 256, 128, 2), seed, batchSize=128, maxEpochs=20)
        return ml.NNEnsemble(estimator=member, size=5)

    rows = {
        "NNClassifier, standardised": (scaler, lambda s: net((count, 64, 32, 2), s, batchSize=64, maxEpochs=20)),
        "MultilayerPerceptronClassifier, standardised": (scaler, lambda s: perceptron((count, 64, 32, 2), s)),
        "NNClassifier, piecewise linear": (
            encoded, lambda s: net((width, 256, 128, 2), s, batchSize=128, maxEpochs=20)
        ),
        "MultilayerPerceptronClassifier, piecewise linear": (encoded, lambda s: perceptron((width, 64, 32, 2), s)),
        "NNEnsemble of 5, piecewise linear": (encoded, ensemble),
        "GBTClassifier, standardised": (scaler, lambda s: GBTClassifier(seed=s)),
    }  # fmt: skip
    print(f"{len(tables[0]):,} rows to train on, {len(tables[1]):,} to test; middle of {options.seeds} seed(s)")
    print(f"{'':50s}{'AUC':>8s}{'accuracy':>10s}{'seconds':>9s}", flush=True)
    for name, (prepare, make) in rows.items():
        fitted, held_out = (prepare.transform(part).select("features", "label").cache() for part in (train, test))
        fitted.count(), held_out.count()
        auc, accuracy, seconds = np.median([score(make(seed), fitted, held_out) for seed in range(options.seeds)], axis=0)
        print(f"{name:50s}{auc:8.3f}{accuracy:10.3f}{seconds:9.1f}", flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
