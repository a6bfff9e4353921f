"""Equal uses of layers run once: the same outputs and gradients, and never where two uses must stay two."""

import numpy as np
import pytest

from sparkdl import nn
from sparkdl.nn.context import Run
from sparkdl.nn.graph import program_of
from sparkdl.nn.merge import merge_alike
from sparkdl.nn.plan import planned
from sparkdl.nn.program import Pass

X = np.random.default_rng(0).standard_normal((6, 8))


class Twice(nn.Module):
    """Two branches that begin alike and end differently."""

    def __init__(self, first, second):
        super().__init__()
        self.first, self.second, self.last = first, second, nn.Linear(8, 8)

    def forward(self, x):
        a, b = self.last(self.first(x)), self.last(self.second(x))
        return a * b + nn.Sigmoid()(a) - nn.Sigmoid()(b)


def count(model):
    program = program_of(model, [X])
    return len(program.steps), len(merge_alike(program).steps)


def shared():
    layer = nn.Linear(8, 8)
    return layer, layer


PAIRS = {  # the first layers of both branches, and how many uses go: first, last and sigmoid, or none
    "alike": (lambda: (nn.Tanh(), nn.Tanh()), 3),
    "one layer with weights": (shared, 3),
    "other settings": (lambda: (nn.LeakyReLU(0.1), nn.LeakyReLU(0.2)), 0),
    "other layers": (lambda: (nn.Tanh(), nn.Sigmoid()), 0),
    "dropout": (lambda: (nn.Dropout(0.5), nn.Dropout(0.5)), 0),
    "noise": (lambda: (nn.GaussianNoise(0.5), nn.GaussianNoise(0.5)), 0),
    "random slopes": (lambda: (nn.RReLU(), nn.RReLU()), 0),
    "penalties": (lambda: (nn.L1Penalty(0.1), nn.L1Penalty(0.1)), 0),
    "made of modules": (lambda: (nn.Recompute(nn.Tanh()), nn.Recompute(nn.Sigmoid())), 0),
    "one that draws inside": (lambda: 2 * (nn.Recompute(nn.Dropout(0.5)),), 0),
    "statistics": (lambda: (nn.BatchNorm1d(8), nn.BatchNorm1d(8)), 0),
    "weights of their own": (lambda: (nn.Linear(8, 8), nn.Linear(8, 8)), 0),
}


@pytest.mark.parametrize("case", PAIRS)
def test_only_what_is_alike_is_merged(case):
    pair, gone = PAIRS[case]
    before, after = count(Twice(*pair()))
    assert before - after == gone


def test_one_batchnorm_used_twice_stays_two_uses_for_its_statistics():
    norm = nn.BatchNorm1d(8)
    before, after = count(Twice(norm, norm))
    assert before == after


def test_merged_programs_give_the_same_outputs_and_gradients():
    model = Twice(nn.Tanh(), nn.Tanh()).to("float64").train()
    dy = np.random.default_rng(1).standard_normal((6, 8))

    def results(program):
        model.zero_grad()
        run = Run.single(6, training=True)
        done = Pass(program, [X], run, model.dtype)
        dx = done.backward([dy])[0]
        return [done.outputs[0], dx, *(p.gradient.copy() for p in model.parameters())]

    program = program_of(model, [X])
    whole, merged = results(program), results(planned(program))
    assert len(planned(program).steps) < len(program.steps)
    for a, b in zip(whole, merged, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_an_output_that_is_merged_away_is_still_an_output():
    x = nn.Input((8,))
    model = nn.Graph([x], [nn.Tanh()(x), nn.Tanh()(x)])
    a, b = model.predict(X.astype(np.float32))
    assert a.tobytes() == b.tobytes() and len(planned(program_of(model, [X.astype(np.float32)])).steps) == 1
