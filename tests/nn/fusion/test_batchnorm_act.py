"""Batch normalisation fused with what follows, against the separate layers; same bits on any number of threads."""

import copy

import numpy as np
import pytest

from sparkdl import kernel, nn
from sparkdl.nn.context import Run
from sparkdl.nn.graph import program_of
from sparkdl.nn.plan import rewrite
from sparkdl.nn.program import Pass

CASES = {
    "norm": lambda: [nn.BatchNorm2d(5)],
    "relu": lambda: [nn.BatchNorm2d(20), nn.ReLU()],
    "pool": lambda: [nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)],
    "no affine": lambda: [nn.BatchNorm2d(7, affine=False), nn.ReLU(), nn.MaxPool2d(2)],
    "no tracking": lambda: [nn.BatchNorm2d(7, track_running_stats=False), nn.ReLU()],
}


def run(model, x, dy, plan):
    program = program_of(model, (x,))
    program = rewrite(program) if plan else program
    assert not plan or [type(s.layer).__name__ for s in program.steps] == ["BatchNormAct"]
    bounds = np.array([0, 2, 2, 5, 6])
    done = Pass(program, [x], Run(training=True, rows=np.arange(6), bounds=bounds, shards=4), x.dtype)
    if dy is None:
        return done.outputs[0]
    for p in model.parameters():
        p.touched = False
    (dx,) = done.backward([dy])
    return [
        done.outputs[0],
        dx,
        *(np.array(p.gradient) for p in model.parameters()),
        *(np.array(b) for _, b in model.named_buffers()),
    ]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("training", [True, False])
def test_it_computes_what_the_separate_layers_compute(name, dtype, training):
    model = nn.Sequential(*CASES[name]()).to(dtype).train(training)
    rng = np.random.default_rng(0)
    for p in model.parameters():
        p.value = rng.standard_normal(p.shape)
    x = (rng.standard_normal((6, model["0"].num_features, 7, 9)) * 2 + 3).astype(dtype)
    dy = rng.standard_normal(run(copy.deepcopy(model), x, None, False).shape).astype(dtype)
    expected, actual = run(copy.deepcopy(model), x, dy, False), run(copy.deepcopy(model), x, dy, True)
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 if dtype is np.float32 else 1e-11)


def test_threads_do_not_change_a_bit():
    model = nn.Sequential(*CASES["pool"]()).train()
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((6, 64, 8, 8), dtype=np.float32), rng.standard_normal((6, 64, 4, 4), dtype=np.float32)
    many = run(copy.deepcopy(model), x, dy, True)
    before = kernel.num_threads()
    kernel.set_num_threads(1)
    try:
        one = run(copy.deepcopy(model), x, dy, True)
    finally:
        kernel.set_num_threads(before)
    assert all(map(np.array_equal, many, one))
