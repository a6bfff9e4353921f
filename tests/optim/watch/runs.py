"""A small net and data whose training others watch."""

import numpy as np

from sparkdl import nn, optim


def data(rows=600):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(rows, 12)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] > 0).astype(np.int64)


def net():
    nn.manual_seed(3)
    return nn.Sequential(nn.Linear(12, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2), nn.LogSoftmax())


def trainer(**options):
    settings = {"batch_size": 64, "max_epochs": 3, "seed": 3, "progress": False, **options}
    return optim.Trainer(net(), nn.NLLLoss(), optim.SGD(lr=0.1, momentum=0.9), **settings)


def frame(spark, x, y, partitions=3):
    rows = [(row.tolist(), int(label)) for row, label in zip(x, y, strict=True)]
    return spark.createDataFrame(rows, "features array<float>, label int").repartition(partitions)


def bits(model):
    return b"".join(array.tobytes() for array in model.state_dict().values())


class Heard(optim.Callback):
    """Writes down what it hears."""

    workers = True

    def __init__(self, histograms=None, every_step=False):
        self.histograms, self.every_step = histograms, every_step
        self.begun, self.steps, self.counted, self.epochs, self.ends = [], [], {}, [], []

    def on_begin(self, run):
        self.begun.append(run)

    def on_step(self, progress, figures):
        self.steps.append((progress, figures))

    def on_histograms(self, step, histograms):
        self.counted[step] = histograms

    def on_epoch(self, progress, line):
        self.epochs.append(dict(line))

    def on_end(self, history, error):
        self.ends.append((history, error))
