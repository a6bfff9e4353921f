"""Run by test_submitted.py under spark-submit: trains LeNet on two executors while a cached DataFrame fills their
storage memory.

Executors have two cores each: one for the training task, one for the tasks that cache. Prints a line of JSON: the hash
of the weights, how many parts of the cached data did not fit, and what Spark says of authentication and encryption.
"""

import json
import random
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pandas as pd
import samebits
from pyspark.sql import SparkSession

from sparkdl.data import Column

SECURITY = "authenticate", "network.crypto.enabled", "io.encryption.enabled"


class Pause:
    """A trigger that, at one step, waits until a file is there."""

    def __init__(self, folder, step):
        self.folder, self.step = folder, step

    def __call__(self, progress):
        if progress.iteration == self.step:
            (Path(self.folder) / "waiting").touch()
            deadline = time.monotonic() + 120
            while not (Path(self.folder) / "filled").exists():
                if time.monotonic() > deadline:
                    raise TimeoutError("the storage was not filled")
                time.sleep(0.05)
        return False


def noise(i):
    """24 MiB that cannot be compressed."""
    return random.Random(i).randbytes(24 << 20)


def main(folder: str) -> None:
    spark = SparkSession.builder.getOrCreate()  # spark-submit says where and how
    spark.sparkContext.setLogLevel("ERROR")
    x, y = samebits.oracle.data(samebits.ROWS)
    frame = spark.createDataFrame(pd.DataFrame({"x": [row.ravel().tolist() for row in x], "label": y}))
    filler = spark.sparkContext.parallelize(range(16), 16).map(noise).cache()
    fitted: list[int] = []

    def fill():
        while not (Path(folder) / "waiting").exists():
            time.sleep(0.1)
        filler.count()
        status = spark.sparkContext._jsc.sc().getRDDStorageInfo()
        fitted.append(sum(info.numCachedPartitions() for info in status))
        (Path(folder) / "filled").touch()

    thread = threading.Thread(target=fill, daemon=True)
    thread.start()
    columns = {"features": Column("x", shape=(1, 8, 8)), "label": "label", "validation": frame}
    weights = samebits.train("lenet", frame, columns, tasks=2, validate=Pause(folder, 5))
    thread.join(10)
    conf = spark.sparkContext.getConf()
    secured = [conf.get(f"spark.{name}") for name in SECURITY]
    told = {"weights": weights, "left_out": 16 - fitted[0], "secured": secured, "master": conf.get("spark.master")}
    print(json.dumps(told))
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1])
