"""What the training engine costs beside the arithmetic.

    python benchmarks/engine.py [overhead] [feed] [first] [memory] [--rounds 5] [--nets lenet vgg11] [--threads 1]

overhead   seconds per step of LeNet and VGG-11 through the Trainer (arrays; a DataFrame on one Spark task) over those of a
           bare loop: the same kernels, one leaf, no virtual shards, nothing watched
feed       rows/s out of a DataFrame of 200,000 rows in a Spark task, shuffled, against PyTorch's DataLoader on the same
           arrays
first      seconds from the call of ``fit`` to the end of the first step, the first time in a session and the second
memory     what the resident memory of a task's Python worker grows by while the Trainer trains on a partition four times
           its budget for rows

Answers are compared before anything is timed. Engines are processes of their own that take turns; ratios are of blocks
of the same round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.harness import LOAD, Engine, Rounds, report, rounds  # noqa: E402
from benchmarks.lenet import our_model as lenet  # noqa: E402

LR, MOMENTUM = 0.01, 0.9
TARGET = 1.10  # time of a step over the bare loop's
SHAPES = {"lenet": (1, 28, 28), "vgg11": (3, 32, 32)}
BATCH = {"lenet": 128, "vgg11": 64}
STEPS = {"lenet": 200, "vgg11": 4}  # of a block
EPOCHS = 5
FEED = 200_000, 256, 128  # rows, numbers per row, rows of a batch


def vgg11() -> Any:
    """VGG-11 (configuration A) for 32 x 32 pictures."""
    from sparkdl import nn

    nn.manual_seed(0)
    layers: list[Any] = []
    channels = 3
    for width in (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"):
        if width == "M":
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10), nn.LogSoftmax())


NETS: dict[str, Callable[[], Any]] = {"lenet": lenet, "vgg11": vgg11}


def data(net: str, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Random pictures and labels: the time of a step does not depend on what is in them."""
    rng, count = np.random.default_rng(0), steps * BATCH[net]
    return rng.random((count, *SHAPES[net]), dtype=np.float32), rng.integers(0, 10, count)


def bare_steps(model: Any, x: np.ndarray, y: np.ndarray, batch: int, shuffle: bool = True) -> tuple[float, list[float]]:
    """Training without an engine, on shuffled rows: seconds, and the loss of every step."""
    from sparkdl import nn, optim
    from sparkdl.nn.context import Context, Run
    from sparkdl.nn.flat import Flat

    model.train()
    flat, planned, loss = Flat(model), nn.Planned(model), nn.NLLLoss()
    rule = optim.SGD(lr=LR, momentum=MOMENTUM)
    w, g = flat.weights, flat.grads[0]
    state = {slot: np.zeros_like(w) for slot in rule.slots}
    runs = rule.segments(flat.segments, 0, w.size, optim.Progress())
    losses = []
    began = time.perf_counter()
    order = np.random.default_rng(1).permutation(len(x)) if shuffle else np.arange(len(x))
    for number, a in enumerate(range(0, len(x), batch)):
        rows, target = x[order[a : a + batch]], y[order[a : a + batch]]
        run = Run.single(len(rows), training=True, step=number, grads=flat.by_parameter)
        flat.clear()
        done = planned.forward((rows,), run)
        ctx = Context(run, 0, True, (True,), flat.dtype)
        total, count = loss.forward(done.outputs[0], target, None, ctx)
        done.backward([loss.backward(ctx)])
        flat.settle(run.grads)
        g /= g.dtype.type(count.sum())
        rule.update(w, g, state, number + 1, runs)
        losses.append(float(total.sum() / count.sum()))
    return time.perf_counter() - began, losses


def trainer(net: str, epochs: int, **options: Any) -> Any:
    from sparkdl import nn, optim

    return optim.Trainer(
        NETS[net](), nn.NLLLoss(), optim.SGD(lr=LR, momentum=MOMENTUM), batch_size=BATCH[net], max_epochs=epochs,
        progress=False, **options,
    )  # fmt: skip


def steady(history: Any) -> float:
    """Seconds of an epoch, the median without the first two: kernels are loaded then, and Spark's JVM starts a job."""
    return statistics.median(history["seconds"][2:])


def bare(net: str, threads: int) -> Callable[[], dict]:
    from sparkdl import kernel

    kernel.set_num_threads(threads)
    x, y = data(net, STEPS[net])
    model = NETS[net]()
    bare_steps(model, x[: 3 * BATCH[net]], y[: 3 * BATCH[net]], BATCH[net])
    return lambda: {"seconds": bare_steps(model, x, y, BATCH[net])[0] / STEPS[net]}


def on_arrays(net: str, threads: int) -> Callable[[], dict]:
    """Through the Trainer."""
    from sparkdl import kernel

    kernel.set_num_threads(threads)
    x, y = data(net, STEPS[net])
    return lambda: {"seconds": steady(trainer(net, EPOCHS).fit((x, y))) / STEPS[net]}


def session(cores: int = 2) -> Any:
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master(f"local[{cores}]").config("spark.ui.enabled", "false").config(
        "spark.driver.memory", "4g").getOrCreate()  # fmt: skip
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def frame_of(spark: Any, x: np.ndarray, y: np.ndarray) -> Any:
    import pyarrow as pa

    flat = x.reshape(len(x), -1)
    pixels = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), flat.shape[1])
    frame = spark.createDataFrame(pa.table({"x": pixels, "y": pa.array(y)})).cache()
    frame.count()
    return frame


def on_spark(net: str, threads: int) -> Callable[[], dict]:
    frame = frame_of(session(), *data(net, STEPS[net]))
    columns = {"features": {"x": SHAPES[net]}, "label": "y"}
    return lambda: {
        "seconds": steady(trainer(net, EPOCHS, tasks=1, threads=threads).fit(frame, **columns)) / STEPS[net]
    }


def in_turns(engines: list[Engine], count: int, load: float) -> tuple[Rounds, int]:
    """Quiet rounds and how many were thrown away; the engines are closed then."""
    try:
        return rounds(engines, count, load=load)
    finally:
        for engine in engines:
            engine.close()


def check_overhead(net: str) -> None:
    """The bare loop's losses are the Trainer's, on the same batches from the same weights."""
    x, y = data(net, 4)
    expected = np.mean(bare_steps(NETS[net](), x, y, BATCH[net], shuffle=False)[1])
    found = trainer(net, 1, shuffle=False).fit((x, y))[0]["loss"]
    print(f"{net}: mean loss of 4 steps {found:.6f} by the Trainer, {expected:.6f} by the bare loop")
    if not abs(found - expected) < 1e-4 * abs(expected):
        raise SystemExit("the engines do not compute the same thing: nothing to compare")


def overhead(nets: list[str], count: int, load: float, threads: int) -> bool:
    met = True
    for net in nets:
        check_overhead(net)
        makers = {"bare loop": bare, "Trainer, arrays": on_arrays, "Trainer, one Spark task": on_spark}
        engines = [Engine(name, make, net=net, threads=threads) for name, make in makers.items()]
        kept, thrown = in_turns(engines, count, load)
        print(f"seconds per step of {net}, batch {BATCH[net]}, {threads} threads (target: at most {TARGET} x the bare loop)")
        ratios = report(kept, thrown, "bare loop")
        met &= all(ratio <= TARGET for ratio in ratios.values())
    return met


def feed_rows() -> tuple[np.ndarray, np.ndarray]:
    rows, width, _ = FEED
    x = np.arange(rows, dtype=np.float32)[:, None] + np.linspace(0, 0.5, width, dtype=np.float32)
    return x, np.arange(rows)


class FeedTask:
    """In a Spark task: reads its rows, then goes through epochs batch by batch; seconds of each, and sums that prove it."""

    def __init__(self, plan: Any, epochs: int) -> None:
        self.plan, self.epochs = plan, epochs

    def __call__(self, batches: Any) -> Any:
        import pyarrow as pa

        from sparkdl.data.order import EpochPlan
        from sparkdl.data.prefetch import Prefetch

        began = time.perf_counter()
        feed, _ = self.plan.decode(batches, task=0, tasks=1)
        seconds, sums = [time.perf_counter() - began], []
        for epoch in range(self.epochs):
            began, total = time.perf_counter(), 0
            order = EpochPlan(feed.counts, FEED[2], 0, epoch)
            with Prefetch(feed, (order.batch(step) for step in range(order.steps))) as ahead:
                for _, rows in ahead:
                    total += int(rows.target.sum())
            seconds.append(time.perf_counter() - began)
            sums.append(total)
        yield pa.RecordBatch.from_arrays([pa.array(seconds), pa.array([0, *sums])], names=["seconds", "sum"])


def our_feed() -> Callable[[], dict]:
    from sparkdl.data.frame import prepare

    spark = session(1)
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "2000")
    frame, plan = prepare(frame_of(spark, *feed_rows()), "x", "y", tasks=1)

    def block() -> dict:
        from benchmarks import engine  # tasks import the class by this name

        found = frame.mapInArrow(engine.FeedTask(plan, 3), "seconds double, sum long").collect()
        expected = FEED[0] * (FEED[0] - 1) // 2
        if [row.sum for row in found[1:]] != [expected] * 3:
            raise RuntimeError(f"the epochs did not give every row once: {found}")
        seconds = statistics.median(row.seconds for row in found[1:])
        return {"seconds": seconds, "read": found[0].seconds}

    return block


def their_feed(workers: int) -> Callable[[], dict]:
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    torch.set_num_threads(1)
    x, y = feed_rows()
    rows = TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
    loader = DataLoader(rows, FEED[2], shuffle=True, num_workers=workers, persistent_workers=workers > 0)

    def block() -> dict:
        began = time.perf_counter()
        total = sum(int(labels.sum()) for _, labels in loader)
        seconds = time.perf_counter() - began
        if total != FEED[0] * (FEED[0] - 1) // 2:
            raise RuntimeError("an epoch did not give every row once")
        return {"seconds": seconds}

    return block


def feed(count: int, load: float) -> None:
    engines = [
        Engine("sparkdl, DataFrame", our_feed),
        Engine("DataLoader", their_feed, workers=0),
        Engine("DataLoader, 1 worker", their_feed, workers=1),
    ]
    kept, thrown = in_turns(engines, count, load)
    print(f"seconds for {FEED[0]:,} rows of {FEED[1]} numbers in shuffled batches of {FEED[2]}")
    report(kept, thrown, "sparkdl, DataFrame")
    for name in kept[0] if kept else ():
        print(f"  {name:34s} {FEED[0] / statistics.median(r[name]['seconds'] for r in kept):12,.0f} rows/s")
    if kept:
        read = statistics.median(r["sparkdl, DataFrame"]["read"] for r in kept)
        print(f"  reading and decoding them before the first epoch, once: {read:.2f} s")


class Stamp:
    """A trigger that ends training after a step, and writes down when that was."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, progress: Any) -> bool:
        if progress.iteration == 1:
            Path(self.path).write_text(str(time.time()))
        return progress.iteration == 1


def first_steps(folder: str) -> Callable[[], dict]:
    """A session of its own: seconds to the first step, of the first fit and of the second."""
    from benchmarks import engine

    spark = session()
    frame = frame_of(spark, *data("lenet", 40))
    seconds = {}
    for name in ("first", "second"):
        path = os.path.join(folder, name)
        one = trainer("lenet", 1)
        one.end = engine.Stamp(path)
        began = time.time()
        one.fit(frame, features={"x": SHAPES["lenet"]}, label="y")
        seconds[name] = float(Path(path).read_text()) - began
    return lambda: {"seconds": seconds["first"], **seconds}


def first(count: int) -> None:
    import tempfile

    found = []
    for _ in range(count):
        with tempfile.TemporaryDirectory() as folder:
            engine = Engine("first step", first_steps, folder=folder)
            try:
                found.append(engine.block())
            finally:
                engine.close()
    print("seconds from fit() to the end of the first step, LeNet on local[2], 5,120 rows:")
    for name in ("first", "second"):
        times = [each[name] for each in found]
        print(f"  {name} fit of a session: median {statistics.median(times):.2f}, max {max(times):.2f}")


class Memory:
    """A trigger that ends training after ``epochs`` and tells of the process that it runs in, a task's Python worker: its
    resident memory now and at most since it was told last, and the bytes of rows in files.
    """

    def __init__(self, path: str, epochs: int) -> None:
        self.path, self.epochs = path, epochs

    def __call__(self, progress: Any) -> bool:
        ended = progress.epoch >= self.epochs
        if ended and not os.path.exists(self.path):
            lines = (line.split() for line in open("/proc/self/status"))
            sizes = {line[0]: int(line[1]) * 1024 for line in lines if line[0] in ("VmRSS:", "VmHWM:")}
            files = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
            spilled = sum(os.stat(each).st_size for each in files if "sparkdl-rows-" in _target(each))
            facts = {"pid": os.getpid(), "now": sizes["VmRSS:"], "most": sizes["VmHWM:"], "spilled": spilled}
            Path(self.path).write_text(json.dumps(facts))
            Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
        return ended


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except FileNotFoundError:  # the listing's own
        return ""


def memory() -> bool:
    """A fit of few rows, after which Python, the kernels and the model are there; then, in the same worker, the whole."""
    import tempfile

    from pyspark.sql import functions as F

    from benchmarks import engine
    from sparkdl import nn, optim

    spark = session(1)
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "2000")
    rows, width, batch = FEED
    budget = rows * width * 4 // 4
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for count in (8 * batch, rows):
            frame = spark.range(count).select(
                F.transform(F.sequence(F.lit(1), F.lit(width)), lambda i: ((F.col("id") + i) / rows).cast("float")).alias("x"),
                (F.col("id") % 10).alias("y"),
            )
            model = nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 10), nn.LogSoftmax())
            path = os.path.join(folder, str(count))
            history = optim.Trainer(
                model, nn.NLLLoss(), optim.SGD(lr=LR), batch_size=batch, end=engine.Memory(path, 2), tasks=1, threads=1,
                memory_budget=budget, progress=False,
            ).fit(frame, features="x", label="y")  # fmt: skip
            if not history.exactly_once or len(history) != 2:
                raise SystemExit("two epochs did not use every row once each: nothing to measure")
            found.append(json.loads(Path(path).read_text()))
    spark.stop()
    before, after = found
    if before["pid"] != after["pid"]:
        raise SystemExit("the two fits ran in different workers: nothing to compare")
    grown = after["most"] - before["now"]
    print(
        f"training on a partition of {rows * width * 4 >> 20} MiB with a budget of {budget >> 20} MiB, two epochs: "
        f"{after['spilled'] >> 20} MiB in files; beyond the {before['now'] >> 20} MiB of Python, kernels and model the worker "
        f"holds at most {grown >> 20} MiB = {grown / budget:.2f} x the budget"
    )
    return grown <= 1.25 * budget


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["overhead", "feed", "first", "memory"])
    parser.add_argument("--nets", nargs="+", default=list(NETS), choices=list(NETS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--load", type=float, default=LOAD, help="cores that other work may take in a round")
    given = parser.parse_args()
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parent.parent)  # for the tasks
    os.environ["PYSPARK_PYTHON"] = sys.executable
    met = True
    if "overhead" in given.parts:
        met &= overhead(given.nets, given.rounds, given.load, given.threads)
    if "feed" in given.parts:
        feed(given.rounds, given.load)
    if "first" in given.parts:
        first(max(given.rounds // 2, 1))
    if "memory" in given.parts:
        met &= memory()
    if not met:
        raise SystemExit("a target was missed")


if __name__ == "__main__":
    main()
