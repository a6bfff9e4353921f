"""Run by test_samebits.py: nets trained on ``local[8]`` by several numbers of tasks and threads.

Prints a line of JSON: the hashes of the weights, by net and way.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import oracle

from sparkdl import nn, optim
from sparkdl.data import Column

ROWS = 330


def lenet():
    nn.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(6, 12, 2), nn.Tanh(), nn.Flatten(),
        nn.Linear(48, 20), nn.Tanh(), nn.Linear(20, 10), nn.LogSoftmax(),
    )  # fmt: skip


def normalised():
    nn.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.3),
        nn.Linear(72, 10), nn.LogSoftmax(),
    )  # fmt: skip


NETS = {"lenet": lenet, "normalised": normalised}
TASKS = (1, 2, 3, 4, 8)
WAYS = [(n, t, (i + t) % 2 == 0) for (i, n), t in itertools.product(enumerate(TASKS), (1, 2))]
"""Tasks, threads of each, whether out of a shuffle: every number with every number, and each with and without it."""


def train(net, data, columns=None, **options) -> str:
    trainer = optim.Trainer(
        NETS[net](), nn.NLLLoss(), optim.Adam(lr=0.01), batch_size=50, max_epochs=2, seed=7, progress=False, **options
    )
    trainer.fit(data, **(columns or {}))
    return hashlib.sha256(b"".join(a.tobytes() for a in trainer.model.state_dict().values())).hexdigest()


def main() -> None:
    import faults
    from pyspark.sql import functions as F

    spark = faults.session(sys.argv[1], "local[8]")
    x, y = oracle.data(ROWS)
    frame = faults.rows(spark, x, y).cache()
    columns = {"features": Column("x", shape=(1, 8, 8)), "label": "label"}
    found = {}
    for net in NETS:
        for tasks, threads, shuffled in WAYS:
            data = frame.repartition(16, F.rand(tasks)) if shuffled else frame
            found[f"{net} {tasks} {threads} {shuffled}"] = train(net, data, columns, tasks=tasks, threads=threads)
    print(json.dumps(found))
    spark.stop()


if __name__ == "__main__":
    main()
