"""Small tables and nets for the stages' tests."""

import numpy as np
import pandas as pd
import pytest

from sparkdl import nn

ROWS, FEATURES, CLASSES = 90, 4, 3


def points(rows=ROWS, seed=0):
    """Points around one centre per class: features (rows, 4) and labels."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, CLASSES, rows)
    centres = np.random.default_rng(99).normal(size=(CLASSES, FEATURES)) * 3
    return (centres[y] + rng.normal(size=(rows, FEATURES))).astype(np.float32), y


def net(outputs=CLASSES, seed=1):
    nn.manual_seed(seed)
    return nn.Sequential(fc1=nn.Linear(FEATURES, 8), act=nn.Tanh(), fc2=nn.Linear(8, outputs))


def to_frame(spark, x, y):
    """``id``, ``features`` (ML vector), ``label`` (double) and ``split`` (every fifth row is for validation)."""
    from pyspark.ml.functions import array_to_vector

    rows = pd.DataFrame(
        {"id": np.arange(len(x)), "x": [row.astype(float).tolist() for row in x], "label": y.astype(float)}
    )
    frame = spark.createDataFrame(rows).withColumn("features", array_to_vector("x")).drop("x")
    return frame.selectExpr("id", "features", "label", "id % 5 = 0 AS split")


@pytest.fixture(scope="session")
def table(local):
    return to_frame(local, *points()).cache()
