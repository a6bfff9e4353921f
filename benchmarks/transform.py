"""Rows/s of ``NNModel.transform`` against PyTorch through Spark's own ``predict_batch_udf``, in the same session.

    python benchmarks/transform.py [--rounds 3] [--lenet 60000] [--resnet 2000] [--master "local[2]"]

Both get the same rows and weights, cached in memory, and the same batch size; the answers are compared first. Rounds
are taken in turn, and ratios are of the two in the same round. An action is the sum of one output over all rows, which
makes every row be scored and sends nothing back.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [sys.path[0], os.environ.get("PYTHONPATH")]))


def torch_lenet() -> Any:
    """The same net as `sparkdl.models.lenet`."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(6, 12, 5), nn.Tanh(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(192, 100), nn.Tanh(), nn.Linear(100, 10),
    )  # fmt: skip


def torch_resnet18() -> Any:
    """ResNet-18, layers in the order of `sparkdl.models.resnet`'s.  Source: He et al. (2016), table 1."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, a: int, b: int, stride: int) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b)
            self.conv2, self.bn2 = nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b)
            self.down = None
            if stride != 1 or a != b:
                self.down = nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b))

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
            return torch.relu(y + (x if self.down is None else self.down(x)))

    blocks, a = [], 64
    for b, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        blocks += [Block(a, b, stride), Block(b, b, 1)]
        a = b
    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1), *blocks,
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000),
    )  # fmt: skip


def same_weights(ours: Any, theirs: Any) -> None:
    """Gives our net the weights of theirs: arrays of equal shapes, in order, parameters and buffers apart."""
    given = {k: v.numpy() for k, v in theirs.state_dict().items() if not k.endswith("num_batches_tracked")}
    state, free = {}, list(given.items())
    for name, array in ours.state_dict().items():
        last = name.rsplit(".", 1)[1]
        if last == "num_batches_tracked":
            state[name] = array
            continue
        at = next(i for i, (key, v) in enumerate(free) if v.shape == array.shape and key.rsplit(".", 1)[1] == last)
        state[name] = free.pop(at)[1]
    ours.load_state_dict(state)


def frame(spark: Any, rows: int, shape: tuple[int, ...]) -> Any:
    """Random pictures as arrays of float, cached."""
    x = np.random.default_rng(0).random((rows, int(np.prod(shape))), dtype=np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), x.shape[1])
    made = spark.createDataFrame(pa.table({"x": column})).repartition(4 * spark.sparkContext.defaultParallelism)
    made = made.cache()
    made.count()
    return made


def compare(spark: Any, name: str, ours: Any, theirs: Any, rows: int, shape: tuple[int, ...], options: Any) -> None:
    """Checks the answers, then prints rows/s of both and the ratio."""
    from pyspark.ml.functions import predict_batch_udf
    from pyspark.sql import functions as F
    from pyspark.sql.types import ArrayType, FloatType

    from sparkdl import ml

    same_weights(ours, theirs)
    weights = {k: v.numpy() for k, v in theirs.state_dict().items()}
    builder = {"lenet": torch_lenet, "resnet18": torch_resnet18}[name]

    def make() -> Any:
        import torch

        torch.set_num_threads(1)  # as our side: a task has one core
        net = builder()
        net.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in weights.items()})
        net.eval()

        def predict(x: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return net(torch.from_numpy(x)).numpy()

        return predict

    data = frame(spark, rows, shape)
    udf = predict_batch_udf(
        make, return_type=ArrayType(FloatType()), batch_size=options.batch, input_tensor_shapes=[list(shape)]
    )
    model = ml.NNModel(
        model=ours.eval(), featuresCol="x", featuresShape=list(shape), outputType="array", predictionCol="y",
        predictBatchSize=options.batch,
    )  # fmt: skip
    scored = {"sparkdl": model.transform(data), "torch": data.withColumn("y", udf("x"))}
    found = {key: np.float32([r.y for r in each.limit(64).select("y").collect()]) for key, each in scored.items()}
    difference = np.abs(found["sparkdl"] - found["torch"]).max() / np.abs(found["torch"]).max()
    print(f"{name}: largest difference {difference:.1e} of the largest output", flush=True)
    if not difference < 1e-4:
        raise SystemExit(f"{name}: the answers differ")

    def seconds(key: str) -> float:
        start = time.perf_counter()
        scored[key].agg(F.sum(F.col("y")[0])).collect()
        return time.perf_counter() - start

    for key in scored:
        seconds(key)  # compiles, imports, broadcasts
    times = [{key: seconds(key) for key in scored} for _ in range(options.rounds)]
    for key in scored:
        best, middle = min(t[key] for t in times), statistics.median(t[key] for t in times)
        print(f"  {key:8s} {rows / middle:10,.0f} rows/s median, {rows / best:10,.0f} best")
    ratios = sorted(t["torch"] / t["sparkdl"] for t in times)
    print(f"  sparkdl / torch: median {statistics.median(ratios):.2f}, from {ratios[0]:.2f} to {ratios[-1]:.2f}")
    data.unpersist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lenet", type=int, default=60000, help="rows; 0 leaves it out")
    parser.add_argument("--resnet", type=int, default=2000, help="rows; 0 leaves it out")
    parser.add_argument("--size", type=int, default=64, help="height and width of ResNet-18's pictures")
    parser.add_argument("--master", default="local[2]")
    options = parser.parse_args()
    import torch
    from pyspark import cloudpickle
    from pyspark.sql import SparkSession

    from sparkdl import models

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = (
        SparkSession.builder.master(options.master).config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.memory", "4g").config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
    )  # fmt: skip
    spark.sparkContext.setLogLevel("ERROR")
    torch.manual_seed(0)
    if options.lenet:
        compare(spark, "lenet", models.lenet(), torch_lenet(), options.lenet, (1, 28, 28), options)
    if options.resnet:
        side = options.size
        compare(spark, "resnet18", models.resnet(18), torch_resnet18(), options.resnet, (3, side, side), options)
    spark.stop()


if __name__ == "__main__":
    main()
