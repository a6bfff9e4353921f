"""The gradient check finds what is wrong and says where."""

import numpy as np
import pytest

from sparkdl import nn
from tests.nn.nets import Scaled


class WrongInput(Scaled):
    def backward(self, dy, ctx):
        return super().backward(dy, ctx=ctx) * [1, 2, 1]


class WrongWeight(Scaled):
    def backward(self, dy, ctx):
        ctx.grad(self.weight, lambda out, rows: out.fill(0))
        return dy * self.weight.data


class WrongLoss(nn.MSELoss):
    def slope(self, y, target):
        return y - target


X = np.random.default_rng(0).standard_normal((2, 3))


def test_right_ones_pass_and_stay_as_they_were():
    layer = Scaled(3)
    assert nn.gradcheck(layer, X) < 1e-7
    assert layer.dtype == np.float32
    assert layer.weight.grad is None
    assert nn.gradcheck(nn.MSELoss(), X, X[::-1]) < 1e-7
    assert nn.gradcheck(nn.Sequential(Scaled(3), nn.Tanh(), nn.Linear(3, 2)), X) < 1e-6


@pytest.mark.parametrize(
    "thing, inputs, words",
    [
        (WrongInput(3), (X,), r"WrongInput\(3\): the derivative by input\[0, 1\] is .* after backward"),
        (WrongWeight(3), (X,), r"by weight\[0\] is 0 after"),
        (WrongLoss(), (X, X + 1), r"by output\[0, 0\] is -1 after backward, -2"),
        (nn.Sequential(nn.Tanh(), WrongWeight(3)), (X,), r"by 1\.weight\[0\]"),
    ],
)
def test_wrong_ones_are_named_with_the_first_wrong_entry(thing, inputs, words):
    with pytest.raises(AssertionError, match=words):
        nn.gradcheck(thing, *inputs)


def test_dropout_and_batch_statistics_are_held_still():
    nn.gradcheck(nn.Sequential(nn.Linear(3, 4), nn.Dropout(), nn.BatchNorm1d(4)), np.vstack([X, X * 2, X - 1]))
