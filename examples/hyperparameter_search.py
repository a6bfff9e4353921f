"""A search over hyper-parameters with Spark's own CrossValidator: kinds of wine from 13 measurements.

    python examples/hyperparameter_search.py
"""

import os
import sys

import pandas as pd
from pyspark.ml import Pipeline
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.feature import StandardScaler, VectorAssembler
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
from pyspark.sql import SparkSession
from sklearn.datasets import load_wine

from sparkdl import ml, models, nn


def main() -> None:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = SparkSession.builder.master("local[*]").config("spark.ui.showConsoleProgress", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    data = load_wine()
    names = [f"x{i}" for i in range(13)]
    rows = spark.createDataFrame(pd.DataFrame(data.data, columns=names).assign(label=data.target)).cache()
    train, test = rows.randomSplit([0.8, 0.2], seed=1)

    nn.manual_seed(1)
    narrow, wide = models.mlp((13, 4, 3)), models.mlp((13, 32, 3))
    net = ml.NNClassifier(batchSize=16, maxEpochs=10, seed=1)
    pipeline = Pipeline(
        stages=[
            VectorAssembler(inputCols=names, outputCol="numbers"),
            StandardScaler(inputCol="numbers", outputCol="features", withMean=True),
            net,
        ]
    )
    grid = ParamGridBuilder().addGrid(net.model, [narrow, wide]).addGrid(net.learningRate, [1e-3, 1e-2]).build()
    search = CrossValidator(
        estimator=pipeline,
        estimatorParamMaps=grid,
        evaluator=MulticlassClassificationEvaluator(metricName="accuracy"),
        numFolds=3,
        parallelism=2,  # folds are prepared and scored side by side; fits wait for each other's slots
        seed=1,
    )
    found = search.fit(train)
    for params, accuracy in zip(grid, found.avgMetrics, strict=True):
        width = 4 if params[net.model] is narrow else 32
        print(f"width {width:2d}  learning rate {params[net.learningRate]:<6g}  accuracy {accuracy:.3f}")
    print(f"on rows that were not searched: {search.getEvaluator().evaluate(found.transform(test)):.3f}")
    spark.stop()


if __name__ == "__main__":
    main()
