"""Graphs: nodes, operators, several inputs and outputs, sharing, tracing."""

import pickle

import numpy as np
import pytest

from sparkdl import nn
from sparkdl.errors import ShapeError, TraceError
from tests.nn.nets import Scaled

X = np.float32([[1, 2, 4], [3, 5, 7]])


def test_operators_and_their_gradients():
    x, y = nn.Input(name="x"), nn.Input(name="y")
    graph = nn.Graph([x, y], (2 - x) * y / 4 + x**2 - 3 * (x / y) + 1 / y - (-x))
    a, b = X, X[::-1].copy()

    def reference(a, b):
        return (2 - a) * b / 4 + a**2 - 3 * (a / b) + 1 / b + a

    np.testing.assert_allclose(graph(a, b), reference(a, b), rtol=1e-5)
    da, db = graph.backward(np.ones_like(X))
    np.testing.assert_allclose(da, -b / 4 + 2 * a - 3 / b + 1, rtol=1e-5)
    np.testing.assert_allclose(db, (2 - a) / 4 + 3 * a / b**2 - 1 / b**2, rtol=1e-5)


def test_matmul_reshape_and_flatten_on_nodes():
    x = nn.Input((6,))
    h = x.reshape(-1, 2, 3)
    graph = nn.Graph(x, (h @ h.reshape(-1, 3, 2)).flatten())
    a = np.arange(12, dtype=np.float32).reshape(2, 6)
    wanted = np.matmul(a.reshape(2, 2, 3), a.reshape(2, 3, 2)).reshape(2, 4)
    assert np.array_equal(graph(a), wanted)
    assert h.shape == (-1, 2, 3)
    with pytest.raises(TraceError, match="axis 0 is the batch"):
        x.reshape(3, -1)


def test_several_inputs_and_outputs_by_order_and_by_name():
    a, b = nn.Input(name="left"), nn.Input(name="right")
    graph = nn.Graph([a, b], [a + b, a - b])
    for given in ((X, 2 * X), ((X, 2 * X),), ([X, 2 * X],), ({"right": 2 * X, "left": X},)):
        total, difference = graph(*given)
        assert np.array_equal(total, 3 * X)
        assert np.array_equal(difference, -X)
    da, db = graph.backward(np.ones_like(X), None)
    assert da.tolist() == db.tolist() == np.ones_like(X).tolist()
    with pytest.raises(ShapeError, match=r"\['left', 'right'\]"):
        graph({"left": X, "wrong": X})


def test_one_module_in_several_places_and_several_graphs():
    x, scale = nn.Input(), Scaled(3)
    graph = nn.Graph(x, scale(scale(x)) + scale(x))
    assert len(list(graph.parameters())) == 1
    w = scale.weight.data
    assert np.array_equal(graph(X), X * w * w + X * w)
    graph.backward(np.ones_like(X))
    np.testing.assert_allclose(scale.weight.grad, (X * (2 * w + 1)).sum(0))
    outer = nn.Input()
    double = nn.Graph(outer, graph(graph(outer)))
    assert np.array_equal(double(X), graph(graph(X)))


def test_an_output_without_a_gradient_gets_none_through_it():
    x = nn.Input()
    first, second = Scaled(3), Scaled(3)
    graph = nn.Graph(x, [first(x), second(x)])
    graph(X)
    graph.backward(np.ones_like(X), None)
    assert first.weight.grad is not None
    assert second.weight.grad is None


def test_the_first_layers_input_gradient_is_skipped_when_nobody_wants_it():
    from sparkdl.nn.context import Run
    from sparkdl.nn.graph import program_of
    from sparkdl.nn.program import Pass

    seen = []

    class Spy(nn.Layer):
        def forward(self, x, ctx):
            return x + 0

        def backward(self, dy, ctx):
            seen.append(ctx.needs)
            return dy

    net = nn.Sequential(Spy(), Scaled(3), Spy())
    done = Pass(program_of(net, [X]), [X], Run.single(2, training=True), net.dtype, input_grad=False)
    assert done.backward([X]) == [None]
    assert seen == [(True,)]  # the first spy is not asked at all


def test_names_paths_and_replacement():
    x = nn.Input((3,), "x")
    hidden = Scaled(3)(x)
    graph = nn.Graph(x, nn.Identity()(hidden) + hidden)
    assert list(graph._modules) == ["scaled", "identity", "add"]
    graph.replace("scaled", nn.Identity())
    assert np.array_equal(graph(X), 2 * X)
    assert np.array_equal(graph.upto("identity")(X), X)


@pytest.mark.parametrize(
    "again",
    [lambda g: pickle.loads(pickle.dumps(g)), lambda g: nn.Graph.from_description(g.describe(), g._modules)],
)
def test_a_graph_can_be_written_down_and_made_again(again):
    x, y = nn.Input((3,), "x"), nn.Input(name="y")
    scale = Scaled(3)
    graph = nn.Graph([x, y], [scale(x) + scale(y), x - y])
    other = again(graph)
    assert other.input_names == ["x", "y"]
    assert len(list(other.parameters())) == 1
    for a, b in zip(graph(X, 2 * X), other(X, 2 * X), strict=True):
        assert np.array_equal(a, b)
    assert other.describe() == graph.describe()


def test_what_cannot_be_recorded_is_refused_with_advice():
    x, stray = nn.Input((3,), "x"), nn.Input(name="stray")
    with pytest.raises(TraceError, match="stray.*not among the graph's inputs"):
        nn.Graph(x, x + stray)
    for act in (bool, len, float, int, np.sin, lambda v: list(v), lambda v: v > 1):
        with pytest.raises(TypeError):
            act(x)
    with pytest.raises(TraceError, match="nodes and with ndarray at once"):
        nn.Add()(x, X)
    with pytest.raises(TraceError, match="shape of input 'stray' is unknown"):
        _ = stray.shape


def test_an_input_can_be_an_output():
    x = nn.Input()
    graph = nn.Graph(x, [x, x * 2])
    same, double = graph(X)
    assert np.array_equal(same, X)
    assert same is not X
    assert np.array_equal(graph.backward(np.ones_like(X), np.ones_like(X)), np.full_like(X, 3))


def test_users_forward_with_several_inputs_and_a_dict_of_outputs():
    class Net(nn.Module):
        def __init__(self):
            self.scale = Scaled(3)

        def forward(self, a, b):
            return self.scale(a), self.scale(b)

    net = Net()
    left, right = net(X, X + 1)
    assert np.array_equal(right, (X + 1) * net.scale.weight.data)
    assert np.array_equal(left, X * net.scale.weight.data)
    dx, dy = net.backward(X, None)
    assert dx.shape == X.shape
    assert dy is None


def test_a_model_serves_several_threads():
    from concurrent.futures import ThreadPoolExecutor

    net = nn.Sequential(Scaled(3), Scaled(3)).eval()
    inputs = [X * i for i in range(40)]
    with ThreadPoolExecutor(4) as pool:
        for x, y in zip(inputs, pool.map(net, inputs), strict=True):
            assert np.array_equal(y, x * net[0].weight.data ** 2)
