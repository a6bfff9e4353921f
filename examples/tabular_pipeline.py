"""A pipeline on tabular data: Spark's feature stages, a net as the classifier, and AUC beside two of Spark's own.

    python examples/tabular_pipeline.py                  breast cancer, which ships with scikit-learn
    python examples/tabular_pipeline.py --data folder    binary.train and binary.test: label, then numbers, by tabs
"""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.ml import Pipeline
from pyspark.ml.classification import GBTClassifier, MultilayerPerceptronClassifier
from pyspark.ml.evaluation import BinaryClassificationEvaluator, MulticlassClassificationEvaluator
from pyspark.ml.feature import StandardScaler, VectorAssembler
from pyspark.sql import SparkSession

from sparkdl import ml, models, nn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with binary.train and binary.test")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--master", default="local[*]")
    options = parser.parse_args()
    train, test = files(options.data) if options.data else breast_cancer()

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = SparkSession.builder.master(options.master).config("spark.ui.showConsoleProgress", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    names = [name for name in train.columns if name != "label"]
    assembler = VectorAssembler(inputCols=names, outputCol="numbers")
    scaler = StandardScaler(inputCol="numbers", outputCol="features", withMean=True)
    prepare = Pipeline(stages=[assembler, scaler]).fit(spark.createDataFrame(train))
    frames = [prepare.transform(spark.createDataFrame(part)).select("features", "label") for part in (train, test)]
    rows, held_out = (frame.cache() for frame in frames)
    print(f"{rows.count():,} rows to train on, {held_out.count():,} to test, {len(names)} numbers each")

    nn.manual_seed(1)
    classifiers = {
        "sparkdl NNClassifier": ml.NNClassifier(
            model=models.mlp((len(names), 64, 32, 2), dropout=0.2), optimizer="adam", learningRate=2e-3,
            batchSize=64, maxEpochs=options.epochs, seed=1,
        ),
        "MultilayerPerceptronClassifier": MultilayerPerceptronClassifier(layers=[len(names), 64, 32, 2], seed=1),
        "GBTClassifier": GBTClassifier(seed=1),
    }  # fmt: skip
    print(f"{'':32s}{'AUC':>8s}{'accuracy':>10s}{'seconds':>9s}")
    for name, classifier in classifiers.items():
        start = time.perf_counter()
        model = classifier.fit(rows)
        seconds = time.perf_counter() - start
        scored = model.transform(held_out)
        auc = BinaryClassificationEvaluator().evaluate(scored)
        accuracy = MulticlassClassificationEvaluator(metricName="accuracy").evaluate(scored)
        print(f"{name:32s}{auc:8.4f}{accuracy:10.4f}{seconds:9.1f}", flush=True)
    spark.stop()


def files(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two files of numbers by tabs, the label first."""
    parts = [pd.read_csv(folder / f"binary.{part}", sep="\t", header=None) for part in ("train", "test")]
    for part in parts:
        part.columns = ["label", *[f"x{i}" for i in range(1, part.shape[1])]]
    return parts[0], parts[1]


def breast_cancer() -> tuple[pd.DataFrame, pd.DataFrame]:
    """569 tumours, 30 measurements each; a fifth for the test."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    table = pd.DataFrame(data.data, columns=[f"x{i}" for i in range(1, 31)]).assign(label=data.target)
    held_out = np.random.default_rng(0).random(len(table)) < 0.2
    return table[~held_out], table[held_out]


if __name__ == "__main__":
    main()
