"""Small nets and contexts that several tests use."""

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


def split_run(model, xs, dys, bounds, tasks, input_grad=True, before=None):
    """One step over the leaves ``bounds`` dealt out to ``tasks``: outputs, input gradients, gradients by name.

    Runs each task's forward and backward by itself, then folds the rows of gradients up the tree. ``before(task)``
    may return the function that merges sums over tasks.
    """
    shards = len(bounds) - 1
    outputs, input_grads, blocks = [], [], {}
    for task in range(tasks):
        first, stop = shards_of(task, tasks, shards)
        if first == stop:
            continue
        a, b = bounds[first], bounds[stop]
        run = Run(
            training=True,
            seed=3,
            step=5,
            rows=np.arange(a, b),
            bounds=np.array(bounds[first : stop + 1], np.int64) - a,
            first=first,
            shards=shards,
            merge_tasks=before(task) if before else None,
        )
        rows = len(run.trees)
        run.grads = {id(p): np.zeros((rows, *p.data.shape), p.dtype) for p in model.parameters()}
        for p in model.parameters():
            p.touched = False
        part = [x[a:b] for x in xs]
        done = Pass(program_of(model, part), part, run, model.dtype, input_grad)
        outputs.append([np.ascontiguousarray(y) for y in done.outputs])
        input_grads.append(done.backward([dy[a:b] for dy in dys]))
        for name, p in model.named_parameters():
            for i, tree in enumerate(run.trees):
                blocks.setdefault(name, {})[tree] = run.grads[id(p)][i]
    folded = {name: fold(parts, np.add, 0, shards) for name, parts in blocks.items()}
    joined = [np.concatenate(each) for each in zip(*outputs, strict=True)]
    dxs = [None if each[0] is None else np.concatenate(each) for each in zip(*input_grads, strict=True)]
    return joined, dxs, folded
