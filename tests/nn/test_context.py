"""Leaves: gradients and sums do not depend on how the virtual shards are dealt out to tasks, bit for bit."""

import threading

import numpy as np
import pytest

from sparkdl import nn
from sparkdl.nn.context import Run
from sparkdl.tree import fold, shards_of
from tests.nn.nets import Scaled, context, split_run

BOUNDS = [0, 3, 3, 7, 12, 13, 20, 20, 26]  # eight leaves, two of them empty
TASKS = (1, 2, 3, 4, 8)


class Tied(nn.Module):
    """One weight used three times, another once."""

    def __init__(self):
        self.one, self.two = Scaled(5), Scaled(5)

    def forward(self, x):
        return self.one(self.one(self.two(x)) * 0.37) + self.one(x)


def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((26, 5), dtype=np.float32), rng.standard_normal((26, 5), dtype=np.float32)


@pytest.mark.parametrize("make", [lambda: Scaled(5), Tied, lambda: nn.Linear(5, 5)])
def test_gradients_do_not_depend_on_the_number_of_tasks(make):
    model, (x, dy) = make(), data()
    outputs, dxs, grads, _ = split_run(model, [x], [dy], BOUNDS, 1)
    for tasks in TASKS[1:]:
        other_outputs, other_dxs, other, _ = split_run(model, [x], [dy], BOUNDS, tasks)
        assert np.array_equal(outputs[0], other_outputs[0])
        assert np.array_equal(dxs[0], other_dxs[0])
        for name in grads:
            assert np.array_equal(grads[name], other[name]), (name, tasks)


def test_tied_gradients_are_the_sum_over_uses():
    model, (x, dy) = Tied().double(), [each.astype(np.float64) for each in data()]
    _, _, grads, _ = split_run(model, [x], [dy], BOUNDS, 3)
    model(x)
    model.backward(dy)
    for name, p in model.named_parameters():
        np.testing.assert_allclose(grads[name], p.grad, rtol=1e-12)


def merged_by_tasks(sums, tasks):
    """``ctx.merge`` in ``tasks`` threads that hand whole subtrees to each other."""
    shards, blocks, results = len(sums), {}, {}
    barrier = threading.Barrier(tasks)

    def work(task):
        first, stop = shards_of(task, tasks, shards)

        def merge_tasks(parts):
            blocks.update(zip(run.trees, parts, strict=True))
            barrier.wait(10)
            return fold(blocks, np.add, 0, shards)

        bounds = np.arange(stop - first + 1)
        run = Run(bounds=bounds, first=first, shards=shards, merge_tasks=merge_tasks)
        results[task] = run.merge(sums[first:stop])

    threads = [threading.Thread(target=work, args=(task,)) for task in range(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[task] for task in range(tasks)]


@pytest.mark.parametrize("tasks", TASKS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_merge_gives_all_tasks_the_same_bits(tasks, dtype):
    sums = np.random.default_rng(1).standard_normal((8, 50)).astype(dtype)
    wanted = Run(bounds=np.arange(9), shards=8).merge(sums)
    np.testing.assert_allclose(wanted, sums.sum(0), rtol=1e-4)
    for result in merged_by_tasks(sums, tasks):
        assert result.dtype == dtype
        assert np.array_equal(result, wanted)


def test_leaf_sums_and_empty_leaves():
    ctx = context(26, bounds=BOUNDS)
    x = np.ones((26, 2), np.float32)
    sums = ctx.leaf_sums(lambda rows: x[rows].sum(0), 2)
    assert sums.dtype == np.float64
    assert sums[:, 0].tolist() == np.diff(BOUNDS).tolist()
    assert [rows.stop - rows.start for rows in ctx.leaves()] == [3, 4, 5, 1, 7, 6]


def test_grad_leaves_equals_grad():
    x = np.random.default_rng(2).standard_normal((26, 3), dtype=np.float32)
    results = []
    for whole in (True, False):
        ctx, p = context(26, bounds=BOUNDS), nn.Parameter(np.zeros(3, np.float32))
        if whole:
            leaves = np.stack([x[a:b].sum(0) for a, b in zip(BOUNDS, BOUNDS[1:], strict=False)])
            ctx.grad_leaves(p, leaves)
        else:
            ctx.grad(p, lambda out, rows: x[rows].sum(0, out=out))
        results.append(p.grad)
    assert np.array_equal(*results)


def test_nothing_is_kept_when_no_backward_will_come():
    ctx = context(2, training=False)
    ctx.save(np.ones(2))
    assert ctx.saved == ()


def test_outputs_of_pictures_lie_channels_last():
    y = context(2).empty((2, 3, 4, 5))
    assert y.shape == (2, 3, 4, 5)
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous
    assert context(2).empty((2, 3), np.int32).dtype == np.int32


def test_penalties_add_up():
    ctx = context(26, bounds=BOUNDS)
    ctx.penalize(np.ones(8))
    ctx.penalize(np.ones(8))
    assert ctx.run.penalty.tolist() == [2] * 8
