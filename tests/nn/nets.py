"""Small nets and contexts that several tests use."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from sparkdl import nn
from sparkdl.nn.context import Context, Run
from sparkdl.nn.graph import program_of
from sparkdl.nn.program import Pass
from sparkdl.tree import fold, shards_of


class Scaled(nn.Layer):
    """``y = x * weight``: the smallest layer with a weight."""

    def __init__(self, size):
        super().__init__()
        self.size = size
        self.weight = nn.Parameter(np.arange(1, size + 1, dtype=np.float32))

    def forward(self, x, ctx):
        ctx.save(x)
        return x * self.weight.data

    def backward(self, dy, ctx):
        (x,) = ctx.saved
        ctx.grad(self.weight, lambda out, rows: (x[rows] * dy[rows]).sum(0, out=out))
        return dy * self.weight.data


def context(batch, training=True, bounds=None, needs=(True,), dtype=np.float32, **kwargs):
    """A context for one use of a layer outside any graph."""
    bounds = np.array([0, batch] if bounds is None else bounds, np.int64)
    run = Run(training=training, rows=np.arange(batch), bounds=bounds, shards=len(bounds) - 1, **kwargs)
    return Context(run, 1, training, needs, np.dtype(dtype))


def split_run(model, xs, dys, bounds, tasks, input_grad=True):
    """One training step over the leaves ``bounds`` dealt out to ``tasks``, each a thread with a copy of the model.

    Returns outputs, input gradients, gradients by name (folded up the tree) and buffers by name.
    """
    shards, board = len(bounds) - 1, Board(tasks, len(bounds) - 1)
    with ThreadPoolExecutor(tasks) as pool:
        parts = list(pool.map(lambda t: _task(model, xs, dys, bounds, t, tasks, input_grad, board), range(tasks)))
    outputs, input_grads, blocks, buffers = zip(*parts, strict=True)
    folded = {
        name: fold({tree: g for block in blocks for tree, g in block[name].items()}, np.add, 0, shards)
        for name in blocks[0]
    }
    for other in buffers[1:]:
        for name, value in buffers[0].items():
            assert np.array_equal(value, other[name]), f"buffer {name} differs between tasks"
    joined = [np.concatenate(each) for each in zip(*outputs, strict=True)]
    dxs = [None if each[0] is None else np.concatenate(each) for each in zip(*input_grads, strict=True)]
    return joined, dxs, folded, buffers[0]


class Board:
    """Where tasks lay down their sums and read each other's."""

    def __init__(self, tasks, shards):
        self.shards, self.barrier, self.blocks = shards, threading.Barrier(tasks), {}

    def merge(self, trees, parts):
        self.blocks.update(zip(trees, parts, strict=True))
        self.barrier.wait(20)
        total = fold(dict(self.blocks), np.add, 0, self.shards)
        if self.barrier.wait(20) == 0:
            self.blocks.clear()
        self.barrier.wait(20)
        return total


def _task(model, xs, dys, bounds, task, tasks, input_grad, board):
    model = copy.deepcopy(model)
    shards = len(bounds) - 1
    first, stop = shards_of(task, tasks, shards)
    a, b = bounds[first], bounds[stop]
    run = Run(
        training=True,
        seed=3,
        step=5,
        rows=np.arange(a, b),
        bounds=np.array(bounds[first : stop + 1], np.int64) - a,
        first=first,
        shards=shards,
    )
    run.merge_tasks = lambda parts: board.merge(run.trees, parts)
    run.grads = {id(p): np.zeros((len(run.trees), *p.data.shape), p.dtype) for p in model.parameters()}
    for p in model.parameters():
        p.touched = False
    part = [x[a:b] for x in xs]
    done = Pass(program_of(model, part), part, run, model.dtype, input_grad)
    outputs = [np.array(y) for y in done.outputs]
    dxs = done.backward([dy[a:b] for dy in dys])
    blocks = {
        name: {tree: run.grads[id(p)][i] for i, tree in enumerate(run.trees)} for name, p in model.named_parameters()
    }
    return outputs, dxs, blocks, dict(model.named_buffers())
