"""Parts of one's own, all defined in this script: layers, a loss, an update rule, a schedule, a metric.

    python examples/own_parts.py [--master local-cluster[2,1,1024]]

Nothing of it is installed on the executors: Spark carries it there. Training here and there gives the same bits.
"""

import argparse
import math
import os
import sys

import numpy as np
from pyspark.sql import SparkSession

from sparkdl import nn, optim


class Gate(nn.Layer):
    """``y = x / (1 + exp(-a x))`` with one learned ``a`` per feature: a layer with forward and backward of its own."""

    def __init__(self, features):
        super().__init__()
        self.features = features
        self.a = nn.Parameter(np.ones(features, np.float32))

    def forward(self, x, ctx):
        if x.ndim != 2 or x.shape[1] != self.features:
            raise ValueError(f"{self!r} takes (batch, {self.features}), got {x.shape}.")
        s = 1 / (1 + np.exp(-self.a.data * x))
        ctx.save(x, s)
        return x * s

    def backward(self, dy, ctx):
        x, s = ctx.saved
        slope = dy * x * s * (1 - s)
        ctx.grad(self.a, lambda out, rows: np.sum(slope[rows] * x[rows], axis=0, out=out))
        return dy * s + slope * self.a.data


# a layer out of one scalar function and its derivative, compiled where it runs
Wave = nn.elementwise_layer(
    lambda x, speed: x + math.sin(speed * x), lambda x, speed: 1 + speed * math.cos(speed * x), name="Wave", speed=0.5
)


class LogCosh(nn.ElementwiseLoss):
    """``log(cosh(y - t))``, the mean over all values."""

    def terms(self, y, target):
        return np.logaddexp(y - target, target - y) - y.dtype.type(math.log(2)), None

    def slope(self, y, target):
        return np.tanh(y - target)


class SignMomentum(optim.UpdateRule):
    """``m = beta m + g``, ``w -= lr sign(m)``."""

    slots = ("m",)

    def __init__(self, lr=0.01, beta=0.9, **shared):
        self.beta = beta
        super().__init__(lr, **shared)

    def apply(self, w, g, state, step, s):
        m = state["m"]
        m *= w.dtype.type(s.options["beta"])
        m += g
        w -= w.dtype.type(s.lr) * np.sign(m)


class Harmonic(optim.Schedule):
    """``lr / (1 + epoch)``."""

    def __call__(self, lr, progress):
        return lr / (1 + progress.epoch)


class Within(optim.SumMetric):
    """The share of values that are off by less than ``limit``."""

    def __init__(self, limit=0.5, name=None):
        self.limit = limit
        super().__init__(name)

    def terms(self, output, target, weight):
        near = np.abs(output - target.reshape(output.shape)) < self.limit
        return near, np.ones(near.shape)


def net():
    nn.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 16), Gate(16), nn.Linear(16, 8), Wave(speed=0.8), nn.Linear(8, 1))


def train(data, validation, **columns):
    trainer = optim.Trainer(
        net(), LogCosh(), SignMomentum(0.005, schedule=Harmonic()), batch_size=64, max_epochs=4, seed=1, progress=False
    )
    history = trainer.fit(data, validation=validation, metrics=[Within(0.5)], **columns)
    return trainer.model, history


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--master", default="local[2]")
    master = options.parse_args().master
    for layer, width in ((Gate(3), 3), (Wave(), 3)):
        nn.gradcheck(layer, np.random.default_rng(0).standard_normal((5, width)))  # proves their backward

    rng = np.random.default_rng(0)
    x = rng.standard_normal((2000, 4)).astype(np.float32)
    y = (np.sin(x[:, :1]) + x[:, 1:2] * x[:, 2:3]).astype(np.float32)
    here, history = train((x, y), (x, y))
    print("here:    ", [f"{share:.3f}" for share in history["Within"]], "of the values off by less than 0.5")

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = SparkSession.builder.master(master).config("spark.ui.showConsoleProgress", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    rows = list(zip(x.tolist(), y[:, 0].tolist(), strict=True))
    frame = spark.createDataFrame(rows, "x array<float>, y float").repartition(4)
    there, history = train(frame, frame, features="x", label="y")
    print("on Spark:", [f"{share:.3f}" for share in history["Within"]])
    pairs = zip(here.parameters(), there.parameters(), strict=True)
    print("the same weights" if all((a.value == b.value).all() for a, b in pairs) else "other weights")
    spark.stop()


if __name__ == "__main__":
    main()
