"""A stream that is scored, and a net that goes on learning from it, each micro-batch exactly once.

    python examples/streaming_scoring.py

Flowers (iris) arrive as files. One query trains on them; the net that comes out then scores the same files as a stream.
"""

import os
import sys
import tempfile
from pathlib import Path

import pandas as pd
from pyspark.sql import SparkSession
from sklearn.datasets import load_iris

from sparkdl import ml, models, nn


def main() -> None:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = SparkSession.builder.master("local[*]").config("spark.ui.showConsoleProgress", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    data = load_iris()
    rows = pd.DataFrame({"features": data.data.tolist(), "label": data.target}).sample(frac=1, random_state=0)
    with tempfile.TemporaryDirectory() as folder:
        files = f"{folder}/flowers"
        for a in range(0, len(rows), 50):
            spark.createDataFrame(rows[a : a + 50]).coalesce(1).write.mode("append").parquet(files)
        schema = "features array<double>, label bigint"
        stream = spark.readStream.schema(schema).option("maxFilesPerTrigger", 1).parquet(files)

        nn.manual_seed(1)
        estimator = ml.NNClassifier(model=models.mlp((4, 16, 3)), learningRate=0.02, batchSize=10, maxEpochs=10)
        trainer = ml.StreamTrainer(estimator, Path(folder) / "model")
        query = stream.writeStream.foreachBatch(trainer).option("checkpointLocation", f"{folder}/trained")
        query.trigger(availableNow=True).start().awaitTermination()
        print(f"trained on micro-batches 0 to {trainer.batchId}")

        restarted = ml.StreamTrainer(estimator, Path(folder) / "model")  # as after a restart of the driver
        assert restarted.batchId == trainer.batchId and restarted.model is not None
        scored = restarted.model.transform(stream).selectExpr("label = prediction AS right").groupBy("right").count()
        sink = scored.writeStream.format("memory").queryName("scores").outputMode("complete")
        sink.trigger(availableNow=True).start().awaitTermination()
        spark.table("scores").show()
    spark.stop()


if __name__ == "__main__":
    main()
