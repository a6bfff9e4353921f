"""Any named value can be fetched and any fed."""

import numpy as np
import pytest

from sparkdl import nn
from sparkdl.errors import ShapeError

X = np.random.default_rng(0).random((4, 6), dtype=np.float32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        nn.manual_seed(0)
        self.first, self.act, self.last = nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2)

    def forward(self, x):
        return self.last(self.act(self.first(x)))


def test_values_from_the_inputs_on():
    model = Net().eval()
    got = model.run({"x": X}, ["act", "first", "last"])
    assert list(got) == ["act", "first", "last"]
    np.testing.assert_array_equal(got["last"], model(X))
    np.testing.assert_array_equal(got["first"], model.first(X))
    np.testing.assert_array_equal(got["act"], np.asarray(model.act(model.first(X))))


def test_values_from_an_inner_edge_on_need_no_input():
    model = Net().eval()
    h = np.ones((3, 5), np.float32)
    np.testing.assert_array_equal(model.run({"act": h}, ["last"])["last"], model.last(h))


def test_what_is_not_needed_is_not_computed():
    class Breaks(nn.Layer):
        def forward(self, x, ctx):
            raise AssertionError("this layer is not on the way")

    model = nn.Sequential(nn.Linear(6, 5), Breaks())
    assert model.run({"x": X}, ["0"])["0"].shape == (4, 5)


def test_several_inputs_and_uses_by_name():
    a, b = nn.Input((6,), "a"), nn.Input((6,), "b")
    shared = nn.Linear(6, 6)
    graph = nn.Graph([a, b], [shared(a) * shared(b)], names={id(shared): "fc"}).eval()
    first = graph.run({"a": X, "b": 2 * X}, ["fc", "fc:2"])
    np.testing.assert_array_equal(first["fc:2"], shared(2 * X))
    np.testing.assert_array_equal(graph.run({"a": X}, ["fc"])["fc"], first["fc"])
    with pytest.raises(ShapeError, match="to compute fc:2, b must be fed too; fed: a"):
        graph.run({"a": X}, ["fc:2"])


@pytest.mark.parametrize(
    "feeds, fetches, words",
    [
        ({}, ["last"], "feeds is empty"),
        ({"x": X}, ["nowhere"], "no value named 'nowhere'; the names are x, first, act, last"),
        ({"y": X}, ["last"], "no value named 'y'"),
        ({"x": X, "act": np.zeros((3, 5))}, ["last"], "axis 0"),
    ],
)
def test_errors(feeds, fetches, words):
    with pytest.raises(ShapeError, match=words):
        Net().run(feeds, fetches)
