"""The fused layer against the three that it stands for."""

import numpy as np
import pytest

from sparkdl import kernel, nn
from sparkdl.nn.context import Run
from sparkdl.nn.fusion import fused
from sparkdl.nn.graph import program_of
from sparkdl.nn.plan import rewrite
from sparkdl.nn.program import Pass

CASES = {
    "lenet, first": lambda: (nn.Conv2d(1, 6, 5), nn.Tanh(), nn.MaxPool2d(2)),
    "lenet, second": lambda: (nn.Conv2d(6, 12, 5), nn.MaxPool2d(2), nn.Tanh()),
    "caffe": lambda: (nn.Conv2d(20, 50, 5), nn.MaxPool2d(2), nn.ReLU()),
    "padding": lambda: (nn.Conv2d(3, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
    "stride": lambda: (nn.Conv2d(4, 18, 3, stride=2, padding=(1, 0), bias=False), nn.ReLU(), nn.MaxPool2d(2)),
    "odd sizes": lambda: (nn.Conv2d(2, 5, (2, 3)), nn.MaxPool2d(2)),
}


def run(model, x, dy, dtype, plan, bounds=(0, 2, 2, 5, 6)):
    model.to(dtype)
    program = program_of(model, (x,))
    if plan:
        program = rewrite(program)
        assert [type(s.layer).__name__ for s in program.steps] == ["ConvPool"]
    done = Pass(
        program, [x.astype(dtype)],
        Run(training=True, rows=np.arange(len(x)), bounds=np.array(bounds), shards=len(bounds) - 1), np.dtype(dtype),
    )  # fmt: skip
    for p in model.parameters():
        p.touched = False
    y = done.outputs[0]
    if dy is None:
        return y
    (dx,) = done.backward([dy.astype(dtype)])
    return y, dx, [np.array(p.gradient) for p in model.parameters()]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_computes_what_the_separate_layers_compute(name, dtype):
    nn.manual_seed(1)
    model = nn.Sequential(*CASES[name]()).train()
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6, model["0"].in_channels, 13, 16))
    y = run(model, x, None, dtype, False)
    dy = rng.standard_normal(y.shape)
    expected, actual = run(model, x, dy, dtype, False), run(model, x, dy, dtype, True)
    tolerance = dict(rtol=0, atol=3e-5 if dtype is np.float32 else 1e-11)
    for a, b in zip([*actual[:2], *actual[2]], [*expected[:2], *expected[2]], strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


def test_an_image_and_a_leaf_have_the_same_bits_anywhere():
    nn.manual_seed(1)
    model = nn.Sequential(*CASES["lenet, second"]()).train()
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((6, 6, 12, 12)), rng.standard_normal((6, 12, 4, 4))
    y, dx, gradients = run(model, x, dy, np.float32, True)
    before = kernel.num_threads()
    kernel.set_num_threads(1)
    try:
        one = run(model, x, dy, np.float32, True)
        part = run(model, x[2:5], dy[2:5], np.float32, True, bounds=(0, 3))
    finally:
        kernel.set_num_threads(before)
    assert np.array_equal(one[0], y) and np.array_equal(one[1], dx)
    assert all(map(np.array_equal, one[2], gradients))
    assert np.array_equal(part[0], y[2:5]) and np.array_equal(part[1], dx[2:5])


def test_it_stands_back_where_it_does_not_fit():
    for layers in (
        (nn.Conv2d(4, 4, 3, groups=2), nn.ReLU(), nn.MaxPool2d(2)),
        (nn.Conv2d(4, 4, 3), nn.ReLU(), nn.MaxPool2d(3)),
        (nn.Conv2d(4, 4, 3), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)),
        (nn.Conv2d(128, 128, 3), nn.ReLU(), nn.MaxPool2d(2)),
    ):
        assert fused(list(layers)) is None
