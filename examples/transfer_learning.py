"""Transfer learning: what a trained net knows of pictures, used for classes that it was not trained on.

    python examples/transfer_learning.py                                     a Keras file made here, of digits 0 to 4
    python examples/transfer_learning.py --model cnn.h5 --layer flatten      any Keras net for pictures (28, 28, 1)

The imported net is cut at an inner layer; its output there are the features of 5 to 9, on which a small net is trained.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.ml import Pipeline
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.sql import DataFrame, SparkSession

from sparkdl import ml, models, nn
from sparkdl.importers import load_keras, save_keras


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="Keras file of a net that takes (28, 28, 1)")
    parser.add_argument("--layer", default="fc1", help="where to cut it (default: %(default)s)")
    options = parser.parse_args()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = SparkSession.builder.master("local[*]").config("spark.ui.showConsoleProgress", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    pictures = digits(spark)
    with tempfile.TemporaryDirectory() as folder:
        path = options.model or pretrained(pictures.filter("digit < 5"), Path(folder) / "digits.keras")
        known = ml.NNModel(model=load_keras(path), featuresCol="picture", featuresShape=[28, 28, 1])

    new = pictures.filter("digit >= 5").selectExpr("picture", "digit - 5 AS label")
    train, test = new.randomSplit([0.2, 0.8], seed=1)  # few pictures to learn from
    features = known.upto(options.layer).setPredictionCol("features").setOutputType("vector")
    width = len(features.transform(train).first().features)
    nn.manual_seed(2)
    head = ml.NNClassifier(model=models.mlp((width, 32, 5)), learningRate=3e-3, batchSize=16, maxEpochs=30, seed=1)
    model = Pipeline(stages=[features, head]).fit(train)
    accuracy = MulticlassClassificationEvaluator(metricName="accuracy").evaluate(model.transform(test))
    print(f"{train.count()} pictures of new classes to learn from; right on {accuracy:.1%} of {test.count()} others")
    spark.stop()


def pretrained(pictures: DataFrame, path: Path) -> Path:
    """LeNet, trained on these pictures, as a Keras file."""
    nn.manual_seed(1)
    estimator = ml.NNClassifier(
        model=models.lenet(5), featuresCol="picture", featuresShape=[28, 28], labelCol="digit", learningRate=2e-3,
        maxEpochs=5, seed=1,
    )  # fmt: skip
    save_keras(estimator.fit(pictures).getModel(), path, [(1, 28, 28)])
    return path


def digits(spark: SparkSession) -> DataFrame:
    """scikit-learn's 8x8 digits scaled up to 28x28, values 0 to 1."""
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    data = load_digits()
    pixels = zoom(data.images / 16, (1, 3.5, 3.5), order=1, mode="nearest", grid_mode=True)
    rows = pixels.reshape(len(pixels), -1).astype(np.float32).tolist()
    return spark.createDataFrame(pd.DataFrame({"picture": rows, "digit": data.target})).cache()


if __name__ == "__main__":
    main()
