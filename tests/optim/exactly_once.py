"""A training run whose tasks are threads: the loop and the exchange that Spark's tasks run, over the memory store."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from members import as_threads

from sparkdl import nn, optim
from sparkdl.data.feed import Feed
from sparkdl.data.order import tasks_shards
from sparkdl.data.stores import Dense
from sparkdl.optim.exchange.allreduce import AllReduce
from sparkdl.optim.exchange.member import Member
from sparkdl.optim.loop import Loop


def data(counts, seed=0):
    """Rows for shards of these sizes: inputs, targets, weights (0, 1 and 2), and hashes that deal them so."""
    rng, total = np.random.default_rng(seed), sum(counts)
    x, y = rng.standard_normal((total, 3)).astype(np.float32), rng.standard_normal((total, 1)).astype(np.float32)
    hashes = np.repeat(np.arange(len(counts)), counts) + len(counts) * np.arange(total)
    return x, y, rng.integers(0, 3, total).astype(np.float64), hashes.astype(np.int64)


class Seen(nn.Layer):
    """Hands its input on, and remembers the rows of every batch: what was really computed with."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def forward(self, x, ctx):
        self.batches.append(x.copy())
        return x

    def backward(self, dy, ctx):
        return dy


def net():
    nn.manual_seed(1)
    return nn.Linear(3, 1)


def watched():
    return nn.Sequential(Seen(), net())


def epochs_of(runs, epochs):
    """The rows that the nets of all tasks saw in each epoch, sorted."""
    each = [run.model[0].batches for _, _, run in runs]
    steps = len(each[0]) // epochs
    spans = [slice(epoch * steps, (epoch + 1) * steps) for epoch in range(epochs)]
    return [in_order(np.concatenate([x for batches in each for x in batches[span]])) for span in spans]


def in_order(rows):
    return rows[np.lexsort(rows.T)]


def train(counts, tasks, *, watch=False, loop=Loop, keeps=(), resume=None, **options):
    """History, weights and loop of every task; ``keeps`` are rank 0's snapshots, ``resume`` is one to go on from."""
    x, y, weight, hashes = data(counts)
    shards = len(counts)
    options = {"batch_size": 7, "max_epochs": 2, "seed": 3, "progress": False, "shards": shards, **options}

    def member(store):
        model = watched() if watch else net()
        trainer = optim.Trainer(model, nn.MSELoss(), optim.SGD(lr=0.01, momentum=0.5), **options)
        first, last = tasks_shards(store.rank, tasks, shards)
        mine = np.flatnonzero((hashes % shards >= first) & (hashes % shards < last))
        columns = [Dense(x[mine])], [Dense(y[mine])], Dense(weight[mine])
        feed = Feed(*columns, hashes[mine], shards=shards, first=first, last=last)
        mine = keeps if store.rank == 0 else [replace(keep, save=None) for keep in keeps]
        run = loop(
            replace(trainer.job(()), validate=lambda progress: False), feed, AllReduce(timeout=60.0),
            Member(store.rank, tasks, shards, store.teams), store, keeps=mine, resume=resume,
        )  # fmt: skip
        done = run.run()
        return optim.History(done.history), run.model.state_dict(), run

    return as_threads(member, tasks)
