"""Images/s of LeNet-5 training (conv 6@5x5, tanh, pool, conv 12@5x5, tanh, pool, 100, tanh, 10; batch 128): sparkdl on
Spark ``local[2]``, PyTorch in one process with two threads, and PyTorch under Spark's TorchDistributor.

    python benchmarks/lenet.py [--rounds 5] [--rows 60000] [--epochs 4]

One process per engine, rounds in turn. The time of a round is the median of its steady epochs, data in memory. Losses
of the first steps on the same batches from the same weights are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.harness import Engine, report, rounds  # noqa: E402

BATCH, LR, MOMENTUM = 128, 0.05, 0.9


def data(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Random pictures and labels of MNIST's shape: the time of a step does not depend on what is in them."""
    rng = np.random.default_rng(0)
    return rng.random((rows, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, rows)


def our_model():
    from sparkdl import nn

    nn.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(6, 12, 5), nn.Tanh(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(192, 100), nn.Tanh(), nn.Linear(100, 10), nn.LogSoftmax(),
    )  # fmt: skip


def their_model():
    import torch
    from torch import nn

    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(6, 12, 5), nn.Tanh(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(192, 100), nn.Tanh(), nn.Linear(100, 10), nn.LogSoftmax(1),
    )  # fmt: skip


def check_losses(steps: int = 20) -> None:
    """Both engines on the same batches from the same weights."""
    import torch

    from sparkdl import nn, optim

    x, y = data(BATCH * steps)
    ours, theirs = our_model(), their_model()
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    optimizer = torch.optim.SGD(theirs.parameters(), lr=LR, momentum=MOMENTUM)
    expected = []
    for a in range(0, len(x), BATCH):
        optimizer.zero_grad()
        batch, labels = torch.from_numpy(x[a : a + BATCH]), torch.from_numpy(y[a : a + BATCH])
        loss = torch.nn.functional.nll_loss(theirs(batch), labels)
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
    trainer = optim.Trainer(
        ours, nn.NLLLoss(), optim.SGD(lr=LR, momentum=MOMENTUM), batch_size=BATCH, shuffle=False, progress=False
    )
    history = trainer.fit((x, y))
    difference = max(
        float(np.abs(p - q.detach().numpy()).max())
        for p, q in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
    )
    print(f"mean loss of {steps} steps: sparkdl {history[0]['loss']:.7f}, PyTorch {np.mean(expected):.7f}; "
          f"largest difference of a weight {difference:.1e}")  # fmt: skip
    if not (abs(history[0]["loss"] - np.mean(expected)) < 1e-5 and difference < 1e-4):
        raise SystemExit("the engines do not compute the same thing: nothing to compare")


def sparkdl_on_spark(rows: int, epochs: int):
    """One block: a whole fit on local[2]; seconds of its steady epochs."""
    from pyspark.sql import SparkSession

    from sparkdl import nn, optim

    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").config(
        "spark.driver.memory", "4g").getOrCreate()  # fmt: skip
    spark.sparkContext.setLogLevel("ERROR")
    x, y = data(rows)
    import pyarrow as pa

    pixels = pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), 784)
    frame = spark.createDataFrame(pa.table({"image": pixels, "label": pa.array(y)})).cache()
    frame.count()

    def block() -> dict:
        rule = optim.SGD(lr=LR, momentum=MOMENTUM)
        trainer = optim.Trainer(
            our_model(), nn.NLLLoss(), rule, batch_size=BATCH, max_epochs=epochs, progress=False
        )
        began = time.perf_counter()
        history = trainer.fit(frame, features={"image": (1, 28, 28)}, label="label")
        whole = time.perf_counter() - began
        steady = statistics.median(history["seconds"][1:])
        return {"seconds": steady, "images/s": rows / steady, "fit": whole, "costs": history.costs}

    return block


def train_torch(rows: int, epochs: int, form: str, threads: int, rank: int = 0, size: int = 1) -> list[float]:
    """Seconds per epoch of a plain PyTorch loop on arrays in memory (its own share of them, under DDP)."""
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(threads)
    x, y = data(rows)
    model = their_model()
    x, y = torch.from_numpy(x)[rank::size], torch.from_numpy(y)[rank::size]
    if form == "channels_last":
        model = model.to(memory_format=torch.channels_last)
    if size > 1:
        model = torch.nn.parallel.DistributedDataParallel(model)
    run = torch.compile(model) if form == "compile" else model
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    share, seconds = BATCH // size, []
    for _ in range(epochs):
        began = time.perf_counter()
        order = torch.randperm(len(x))
        for a in range(0, len(x) - share + 1, share):
            rows_ = order[a : a + share]
            batch = x[rows_]
            if form == "channels_last":
                batch = batch.contiguous(memory_format=torch.channels_last)
            optimizer.zero_grad(set_to_none=True)
            F.nll_loss(run(batch), y[rows_]).backward()
            optimizer.step()
        seconds.append(time.perf_counter() - began)
    return seconds


def torch_alone(rows: int, epochs: int, form: str, threads: int = 2):
    def block() -> dict:
        steady = statistics.median(train_torch(rows, epochs, form, threads)[1:])
        return {"seconds": steady, "images/s": rows / steady}

    block()  # torch.compile compiles once
    return block


def _distributed(rows: int, epochs: int) -> list[float]:
    import torch.distributed as dist

    dist.init_process_group("gloo")
    seconds = train_torch(rows, epochs, "channels_first", 1, int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    dist.destroy_process_group()
    return seconds


def torch_distributor(rows: int, epochs: int):
    """PyTorch's DistributedDataParallel on two processes, started by Spark."""
    from pyspark.ml.torch.distributor import TorchDistributor
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")

    from benchmarks import lenet  # its tasks import the function by this name

    def block() -> dict:
        launcher = TorchDistributor(num_processes=2, local_mode=False, use_gpu=False)
        seconds = launcher.run(lenet._distributed, rows, epochs)
        steady = statistics.median(seconds[1:])
        return {"seconds": steady, "images/s": rows / steady}

    return block


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=60000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--only", nargs="*", help="names of engines to run beside sparkdl")
    given = parser.parse_args()
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parent.parent)  # for the tasks
    os.environ["PYSPARK_PYTHON"] = sys.executable
    check_losses()
    size = {"rows": given.rows, "epochs": given.epochs}
    makers = {
        "sparkdl local[2]": (sparkdl_on_spark, {}),
        "PyTorch channels_first": (torch_alone, {"form": "channels_first"}),
        "PyTorch channels_last": (torch_alone, {"form": "channels_last"}),
        "PyTorch compile": (torch_alone, {"form": "compile"}),
        "PyTorch TorchDistributor": (torch_distributor, {}),
    }
    engines = []
    for name, (make, options) in makers.items():
        if name.startswith("sparkdl") or not given.only or name in given.only:
            try:
                engines.append(Engine(name, make, **size, **options))
            except RuntimeError as error:
                print(f"{name}: left out: {str(error).strip().splitlines()[-1]}")
    try:
        kept, thrown = rounds(engines, given.rounds)
    finally:
        for engine in engines:
            engine.close()
    print(f"seconds per steady epoch of {given.rows} images, batch {BATCH}:")
    ratios = report(kept, thrown, "sparkdl local[2]")
    for name in kept[0] if kept else ():
        print(f"  {name:34s} {statistics.median(r[name]['images/s'] for r in kept):12,.0f} images/s")
    alone = [name for name in ratios if name != "PyTorch TorchDistributor"]
    if alone:
        paired = [min(r[n]["seconds"] for n in alone) / r["sparkdl local[2]"]["seconds"] for r in kept]
        print(f"against the best PyTorch of each round: median {statistics.median(paired):.2f}, min {min(paired):.2f}")


if __name__ == "__main__":
    main()
