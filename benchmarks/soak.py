"""Training runs in which executors and Python workers are killed at random steps: all must end with the same weights.

    python -m benchmarks.soak --kills 20 --runs 4 --seed 1 [--most 25]

Prints a line per kill, with the seconds from the kill to the next step, and fails if a hash differs from that of
training on the same arrays in this process, or if a kill cost more than ``--most`` seconds (on a quiet machine none
should cost more than 15, and the time of the ten steps between snapshots).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sparkdl import nn, optim
from sparkdl.data import Column

ROWS, BATCH, STEPS, EVERY, TASKS = 800, 32, 250, 10, 3


class Kill:
    """A trigger that never fires; once at each step of ``plan`` it kills its worker or its executor with SIGKILL.

    The first task notes when it has done the first step of each attempt, as "on step tasks time".
    """

    def __init__(self, folder: str, plan: dict[int, tuple[int, str]]) -> None:
        self.folder, self.plan, self.began = folder, plan, False

    def __call__(self, progress: optim.Progress) -> bool:
        from pyspark import BarrierTaskContext

        context = BarrierTaskContext.get()
        tasks = len(context.getTaskInfos())
        if not self.began and context.partitionId() == 0:
            Path(self.folder, f"on {progress.iteration} {tasks} {time.time()}").touch()
        self.began = True
        rank, what = self.plan.get(progress.iteration, (-1, ""))
        mark = Path(self.folder) / str(progress.iteration)
        if rank < 0 or mark.exists() or context.partitionId() != rank % tasks:
            return False
        mark.write_text(f"{time.time()} {what}")
        os.kill(jvm() if what == "executor" else os.getpid(), signal.SIGKILL)
        time.sleep(600)
        return False


def jvm() -> int:
    """The executor's process: an ancestor of this worker."""
    pid = os.getpid()
    while b"java" not in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, ROWS)
    return (rng.standard_normal((10, 1, 8, 8))[y] + rng.standard_normal((ROWS, 1, 8, 8))).astype(np.float32), y


def train(rows: Any, kill: Kill | None = None, **columns: Any) -> tuple[str, optim.History]:
    nn.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.2),
        nn.Linear(72, 10), nn.LogSoftmax(),
    )  # fmt: skip
    trainer = optim.Trainer(
        model, nn.NLLLoss(), optim.Adam(lr=0.005), batch_size=BATCH, seed=1, end=optim.max_iteration(STEPS),
        progress=False, validate=kill, snapshot_every=optim.several_iteration(EVERY), tasks=TASKS, restarts=10,
    )  # fmt: skip
    history = trainer.fit(rows, validation=rows, **columns)
    return hashlib.sha256(b"".join(a.tobytes() for a in model.state_dict().values())).hexdigest(), history


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--master", default="local-cluster[3,1,1024]")
    parser.add_argument("--most", type=float, default=float("inf"))
    options = parser.parse_args()
    from pyspark import cloudpickle
    from pyspark.sql import SparkSession

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    builder = SparkSession.builder.master(options.master).config("spark.ui.enabled", "false")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
    spark = builder.config("spark.scheduler.minRegisteredResourcesRatio", "1.0").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    x, y = data()
    frame = spark.createDataFrame(pd.DataFrame({"x": [row.ravel().tolist() for row in x], "label": y}))
    expected, _ = train((x, y))
    draw, lost, equal = random.Random(options.seed), [], []
    for run in range(options.runs):
        count = options.kills * (run + 1) // options.runs - options.kills * run // options.runs
        steps = sorted(draw.sample(range(2, STEPS), count))
        plan = {step: (draw.randrange(TASKS), draw.choice(("executor", "worker"))) for step in steps}
        with tempfile.TemporaryDirectory() as folder:
            found, history = train(frame, Kill(folder, plan), features=Column("x", shape=(1, 8, 8)), label="label")
            marks = [(Path(folder) / str(step)).read_text().split() for step in steps]
            began = [path.name.split()[1:] for path in Path(folder).glob("on *")]
        for step, (struck, what) in zip(steps, marks, strict=True):
            at, on, tasks = min((float(at), on, tasks) for on, tasks, at in began if float(at) > float(struck))
            lost.append(at - float(struck))
            print(
                f"run {run + 1}: {what} killed at step {step}, step {on} done on {tasks} tasks after {lost[-1]:.1f} s",
                flush=True,
            )
        equal.append(found == expected and history.visits["more"] == 0)
        print(f"run {run + 1}: weights {'equal' if equal[-1] else 'DIFFER'}", flush=True)
    print(
        f"{options.kills} kills in {options.runs} runs, {sum(equal)} ended equal; seconds from a kill to the next step: "
        f"median {statistics.median(lost):.1f}, most {max(lost):.1f}"
    )
    spark.stop()
    sys.exit(not all(equal) or max(lost) > options.most)


if __name__ == "__main__":
    main()
