"""One full exchange (put slices, reduce, update, gather) between two Spark executors, next to PyTorch's gloo.

    python benchmarks/exchange.py [--rounds 12] [--sizes 60000 1000000 10000000]

Both engines run plain SGD on the same gradients: sparkdl between two tasks on ``local-cluster[2,1,2048]``, gloo as an
all-reduce between two processes with the update of the whole vector in each. The answers are compared first. Then the
engines work in turn, a block of steps each, while the other sleeps; the figure that counts is the median of the ratios
of neighbouring blocks. Times are of the slower task, per step. Both engines get the same number of steps to warm up
first: the executors' JVMs spend whole cores on compiling what a step runs for its first few thousand steps.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

STEPS = {60_000: 200, 1_000_000: 100, 10_000_000: 12}  # of a block
WARM = {60_000: 4000, 1_000_000: 800, 10_000_000: 40}  # steps before the first block
LR = 0.01
TOLERANCE = 1e-5


def gradient(size: int, rank: int) -> np.ndarray:
    return np.random.default_rng([size, rank]).standard_normal(size, dtype=np.float32)


class Turns:
    """Blocks of work by number, through files: a worker waits for its turn, the driver for its answer."""

    def __init__(self, folder: str, engine: str) -> None:
        self.folder, self.engine = Path(folder), engine

    def ask(self, number: int, order: dict) -> list[dict]:
        """Gives an order to both workers and waits for both answers."""
        self._write(f"{self.engine}-{number}", order)
        return [self._wait(f"{self.engine}-{number}-{rank}") for rank in range(2)]

    def order(self, number: int) -> dict:
        return self._wait(f"{self.engine}-{number}")

    def answer(self, number: int, rank: int, result: dict) -> None:
        self._write(f"{self.engine}-{number}-{rank}", result)

    def _write(self, name: str, content: dict) -> None:
        draft = self.folder / f".{name}"
        draft.write_text(json.dumps(content))
        draft.rename(self.folder / name)

    def _wait(self, name: str) -> dict:
        deadline = time.monotonic() + 300
        while not (self.folder / name).exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"nobody wrote {name} within 300 s")
            time.sleep(0.005)
        return json.loads((self.folder / name).read_text())


def work(turns: Turns, rank: int, prepare) -> None:  # type: ignore[no-untyped-def]
    """Serves orders: {"size", "steps"} runs steps and answers their times; {} ends."""
    ready: dict[int, tuple] = {}
    number = 0
    while order := turns.order(number):
        size = order["size"]
        if size not in ready:
            ready[size] = prepare(size)
        grads, weights, step = ready[size]
        g = gradient(size, rank)
        times = []
        for _ in range(order["steps"]):
            grads[:] = g
            started = time.perf_counter()
            step()
            times.append(time.perf_counter() - started)
        turns.answer(number, rank, {"times": times, "at": time.time()})
        if order.get("weights"):
            np.save(turns.folder / f"{turns.engine}-{size}-{rank}.npy", weights)
        number += 1


def sparkdl_task(folder: str, run: int):  # type: ignore[no-untyped-def]
    def stage(batches):  # type: ignore[no-untyped-def]
        import pyarrow as pa
        from pyspark import TaskContext

        from sparkdl.blockmanager.spark import connect
        from sparkdl.nn.flat import Segment
        from sparkdl.optim.exchange import AllReduce, Member
        from sparkdl.optim.rules.sgd import SGD

        for _ in batches:
            pass
        rank = TaskContext.get().partitionId()
        stores = []

        def prepare(size: int) -> tuple:
            store = connect(run + size, rank, 2)
            stores.append(store)
            member = Member(rank, 2, 8, store.teams)
            exchange = AllReduce().bind(
                member, store, np.zeros(size, np.float32), [Segment("w", 0, size)], SGD(lr=LR)
            )
            header = np.array([[0.0, 1.0, 0.0]])
            count = iter(range(1, 1 << 60))
            return exchange.grads, exchange.weights, lambda: exchange.step(exchange.grads, header, next(count))

        work(Turns(folder, "sparkdl"), rank, prepare)
        for store in stores:
            store.close()
        yield pa.RecordBatch.from_arrays([pa.array([rank])], names=["rank"])

    return stage


def gloo_process(folder: str, rank: int) -> None:
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)

    def prepare(size: int) -> tuple:
        grads, weights = torch.zeros(size), torch.zeros(size)

        def step() -> None:
            dist.all_reduce(grads)
            weights.add_(grads, alpha=-LR / 2)

        return grads.numpy(), weights.numpy(), step

    work(Turns(folder, "gloo"), rank, prepare)
    dist.destroy_process_group()


def slower(answers: list[dict]) -> list[float]:
    """Milliseconds per step, of the slower of the two tasks."""
    return [1e3 * max(pair) for pair in zip(*(answer["times"] for answer in answers), strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(STEPS))
    parser.add_argument("--gloo", metavar="FOLDER RANK", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.gloo:
        return gloo_process(arguments.gloo[0], int(arguments.gloo[1]))

    from pyspark.sql import SparkSession

    from sparkdl.blockmanager.bridge import session

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    root = str(Path(__file__).resolve().parents[1])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    spark = (
        SparkSession.builder.master("local-cluster[2,1,2048]")
        .config("spark.executor.memory", "2g")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.scheduler.minRegisteredResourcesRatio", "1.0")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    spark.sparkContext.parallelize(range(2), 2).count()  # the executors are up: their start is Spark's, not ours
    with tempfile.TemporaryDirectory() as folder:
        started = time.time()
        session.open_door(spark)
        opened = time.time()
        run = session.new_run() >> 1 << 1
        task = sparkdl_task(folder, run)
        frame = spark.range(0, 2, 1, 2).mapInArrow(task, "rank long", barrier=True)
        stage = threading.Thread(target=frame.collect)
        stage.start()
        ours, theirs = Turns(folder, "sparkdl"), Turns(folder, "gloo")
        gloo: list[subprocess.Popen] = []
        number = 2
        command = [sys.executable, __file__, "--gloo", folder]
        try:
            first = ours.ask(0, {"size": arguments.sizes[0], "steps": 1})
            print(
                f"time to the first step: {max(a['at'] for a in first) - started:.2f} s, of which the door's opening "
                f"{opened - started:.2f} s; load {os.getloadavg()[0]:.1f}"
            )
            cold = slower(ours.ask(1, {"size": arguments.sizes[0], "steps": 99, "weights": True}))
            print(f"first 100 steps at {arguments.sizes[0]:,} parameters: median {statistics.median(cold):.2f} ms")
            gloo = [subprocess.Popen([*command, str(rank)]) for rank in range(2)]
            theirs.ask(0, {"size": arguments.sizes[0], "steps": 1})
            theirs.ask(1, {"size": arguments.sizes[0], "steps": 99, "weights": True})
            for size in arguments.sizes:
                number = compare(ours, theirs, number, size, arguments.rounds)
        finally:
            for turns in (ours, theirs):
                turns._write(f"{turns.engine}-{number}", {})
        stage.join()
        for process in gloo:
            process.wait()
        for size in arguments.sizes:
            session.drop_everywhere(spark, run + size)
            assert not session.blocks_of(spark, run + size)
    spark.stop()


def compare(ours: Turns, theirs: Turns, number: int, size: int, rounds: int) -> int:
    """Checks the answers, then times; returns the next number."""
    steps, warm = STEPS.get(size, 20), WARM.get(size, 100)
    for turns in (ours, theirs):
        turns.ask(number, {"size": size, "steps": warm, "weights": True})
    vectors = [np.load(t.folder / f"{t.engine}-{size}-{rank}.npy") for t in (ours, theirs) for rank in range(2)]
    error = max(float(np.abs(vectors[0] - other).max()) for other in vectors[2:]) / float(np.abs(vectors[0]).max())
    if vectors[0].tobytes() != vectors[1].tobytes() or not error < TOLERANCE:
        raise AssertionError(f"{size:,} parameters: the engines' weights differ by {error:.1e} of the largest")
    pairs = []
    for _ in range(rounds):
        number += 1
        pairs.append([statistics.median(slower(t.ask(number, {"size": size, "steps": steps}))) for t in (ours, theirs)])
    a, b = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(x / y for x, y in pairs)
    best = [min(times) for times in zip(*pairs, strict=True)]
    print(
        f"{size:>11,} parameters: sparkdl {a:7.2f} ms (best {best[0]:.2f})   gloo {b:7.2f} ms (best {best[1]:.2f})   "
        f"ratio {ratio:.2f}   weights agree to {error:.0e}   load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    return number + 1


if __name__ == "__main__":
    main()
