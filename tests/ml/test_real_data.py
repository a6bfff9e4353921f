"""Stages trained on data of the real world."""

import numpy as np
import pandas as pd
import pytest
from pyspark.ml import Pipeline
from pyspark.ml.evaluation import BinaryClassificationEvaluator, MulticlassClassificationEvaluator
from pyspark.ml.feature import StandardScaler, VectorAssembler

from sparkdl import ml, models, nn
from tests.realdata import real_data


def test_handwritten_digits(local):
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn (the extra `examples`) is not installed")
    data = datasets.load_digits()
    rows = pd.DataFrame({"pixels": (data.data / 16).tolist(), "label": data.target})
    train, test = local.createDataFrame(rows).randomSplit([0.8, 0.2], seed=1)
    nn.manual_seed(1)
    classifier = ml.NNClassifier(
        model=models.mlp((64, 32, 10)), featuresCol="pixels", learningRate=5e-3, maxEpochs=10, trainLocally="always"
    )
    scored = classifier.fit(train).transform(test)
    assert MulticlassClassificationEvaluator(metricName="accuracy").evaluate(scored) > 0.93


def test_collisions_with_and_without_a_higgs_boson(local):
    folder = real_data("datasets/higgs_lightgbm")
    names = [f"x{i}" for i in range(28)]
    train, test = (
        local.createDataFrame(pd.DataFrame(np.loadtxt(folder / f"binary.{part}"), columns=["label", *names]))
        for part in ("train", "test")
    )
    nn.manual_seed(1)
    stages = [
        VectorAssembler(inputCols=names, outputCol="numbers"),
        StandardScaler(inputCol="numbers", outputCol="features", withMean=True),
        ml.NNClassifier(model=models.mlp((28, 64, 32, 2), dropout=0.2), learningRate=2e-3, batchSize=64, maxEpochs=10),
    ]
    scored = Pipeline(stages=stages).fit(train).transform(test)
    assert BinaryClassificationEvaluator().evaluate(scored) > 0.72
