"""What watching costs: seconds per epoch with the live page, a browser's questions and histograms, over seconds without.

    python -m benchmarks.watching                     arrays
    python -m benchmarks.watching --master local[2]   a DataFrame on executors

Runs with and without are interleaved, and their weights compared: they must be the same to the last bit.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path
from statistics import median

import numpy as np

from sparkdl import nn, optim

ROWS, BATCH = 4096, 128


def net():
    nn.manual_seed(1)
    return nn.Sequential(
        nn.Reshape((1, 28, 28)), nn.Conv2d(1, 6, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(6, 12, 5), nn.Tanh(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(192, 100), nn.Tanh(), nn.Linear(100, 10), nn.LogSoftmax(),
    )  # fmt: skip


class Browser(threading.Thread):
    """Asks for new events once a second, as an open page does."""

    def __init__(self, page: optim.LivePage) -> None:
        super().__init__(daemon=True)
        self.page, self.over = page, threading.Event()

    def run(self) -> None:
        since = 0
        while not self.over.wait(1.0):
            if self.page.url is not None:
                url = self.page.url.replace("/?", "/events?") + f"&generation=0&since={since}"
                try:
                    with urllib.request.urlopen(url) as answer:
                        since += answer.read().count(b'"kind":')
                except OSError:  # training has ended in between
                    continue


def run(data, epochs: int, watched: bool, folder: Path, fit) -> tuple[float, bytes]:
    """Median seconds of the epochs but the first, and the weights."""
    model = net()
    page = optim.LivePage(folder / "page.html") if watched else None
    trainer = optim.Trainer(
        model, nn.NLLLoss(), optim.SGD(lr=0.05), batch_size=BATCH, max_epochs=epochs, seed=1, progress=False,
        watch=page or False,
    )  # fmt: skip
    browser = Browser(page) if page else None
    if browser is not None:
        browser.start()
    history = trainer.fit(data, **fit)
    if browser is not None:
        browser.over.set()
        browser.join()
    return median(history["seconds"][1:]), b"".join(p.tobytes() for p in model.state_dict().values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--master")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=8)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(ROWS, 784)).astype(np.float32), rng.integers(0, 10, ROWS)
    data, fit, spark = (x, y), {}, None
    if options.master:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        from pyspark.sql import SparkSession

        spark = SparkSession.builder.master(options.master).config("spark.ui.enabled", "false").getOrCreate()
        spark.sparkContext.setLogLevel("ERROR")
        rows = [(row.tolist(), int(label)) for row, label in zip(x, y, strict=True)]
        data, fit = spark.createDataFrame(rows, "x array<float>, y int").cache(), {"features": "x", "label": "y"}
        data.count()
    seconds: dict[bool, list[float]] = {False: [], True: []}
    weights = set()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            for watched in (False, True):
                took, bits = run(data, options.epochs, watched, Path(folder), fit)
                seconds[watched].append(took)
                weights.add(bits)
    assert len(weights) == 1, "watching has changed the weights"
    ratios = [on / off for off, on in zip(seconds[False], seconds[True], strict=True)]
    print(f"seconds per epoch of {ROWS:,} rows: {median(seconds[False]):.3f} alone, {median(seconds[True]):.3f} watched")
    print(f"watched over alone: {median(ratios):.3f} (from {min(ratios):.3f} to {max(ratios):.3f}); same bits")
    if spark is not None:
        spark.stop()


if __name__ == "__main__":
    main()
