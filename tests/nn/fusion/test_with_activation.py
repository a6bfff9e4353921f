"""Affine maps and sums fused with the activation after them, against the separate layers."""

import copy

import numpy as np
import pytest

from sparkdl import nn
from sparkdl.nn.context import Run
from sparkdl.nn.graph import program_of
from sparkdl.nn.plan import rewrite
from sparkdl.nn.program import Pass


class Sum(nn.Module):
    """``relu(linear(x) + x)``, or with a second value that is stretched."""

    def __init__(self, stretched=False):
        super().__init__()
        self.linear, self.last, self.stretched = nn.Linear(40, 40), nn.ReLU(), stretched
        self.one = nn.Linear(40, 1)

    def forward(self, x):
        return self.last(self.linear(x) + (self.one(x) if self.stretched else x))


MODELS = {
    "LinearAct": lambda: nn.Sequential(nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 40), nn.ReLU()),
    "AddReLU": Sum,
    "AddReLU stretched": lambda: Sum(stretched=True),
}


def run(model, x, dy, plan):
    program = program_of(model, (x,))
    program = rewrite(program) if plan else program
    bounds = np.array([0, len(x) // 3, len(x) // 3, len(x)])
    kind = Run(training=True, rows=np.arange(len(x)), bounds=bounds, shards=3)
    done = Pass(program, [x], kind, x.dtype)
    for p in model.parameters():
        p.touched = False
    (dx,) = done.backward([dy])
    names = {type(step.layer).__name__ for step in program.steps}
    return names, [done.outputs[0], dx, *(np.array(p.gradient) for p in model.parameters())]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rows", [7, 2000])  # few, and so many that threads share the work
def test_it_computes_what_the_separate_layers_compute(name, rows):
    model = MODELS[name]().train()
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((rows, 40), dtype=np.float32) for _ in range(2))
    _, expected = run(copy.deepcopy(model), x, dy, False)
    names, actual = run(copy.deepcopy(model), x, dy, True)
    assert name.split()[0] in names
    for a, b in zip(actual, expected, strict=True):
        assert np.array_equal(a, b)
