"""Modules: attributes, walking, modes, state, pickling."""

import copy
import pickle

import numpy as np
import pytest

from sparkdl import nn
from sparkdl.errors import ShapeError, TraceError
from tests.nn.nets import Scaled


class Net(nn.Module):
    def __init__(self):
        self.first = Scaled(3)
        self.rest = nn.Sequential(Scaled(3), nn.Identity())
        self.register_buffer("seen", np.zeros(2, np.float32))

    def forward(self, x):
        return self.rest(self.first(x))


def test_attributes_are_found_and_named():
    net = Net()
    assert [n for n, _ in net.named_modules()] == ["", "first", "rest", "rest.0", "rest.1"]
    assert [n for n, _ in net.named_parameters()] == ["first.weight", "rest.0.weight"]
    assert [n for n, _ in net.named_buffers()] == ["seen"]
    assert net["rest.0"] is net.rest[0]
    assert [n for n, _ in net.named_children()] == ["first", "rest"]
    with pytest.raises(KeyError, match=r"no sub-module '7'.*it has: 0, 1"):
        net["rest.7"]


def test_a_replaced_attribute_leaves_no_trace():
    net = Net()
    net.first = nn.Identity()
    assert [n for n, _ in net.named_parameters()] == ["rest.0.weight"]
    del net.rest
    assert [n for n, _ in net.named_modules()] == ["", "first"]


def test_buffers_are_written_in_place():
    net = Net()
    memory = net.seen
    net.seen = np.ones(2)
    assert net.seen is memory
    assert memory.tolist() == [1, 1]


def test_forward_and_backward_on_arrays():
    net, x = Net(), np.float32([[1, 1, 1], [2, 0, 1]])
    assert net(x).tolist() == [[1, 4, 9], [2, 0, 9]]
    assert net.backward(np.ones((2, 3), np.float32)).tolist() == [[1, 4, 9]] * 2
    assert net.first.weight.grad.tolist() == [3, 2, 6]


def test_gradients_add_up_until_zero_grad():
    net, x = Net(), np.ones((1, 3), np.float32)
    for times in (1, 2):
        net(x)
        net.backward(x)
        assert net.first.weight.grad.tolist() == [times * i for i in (1, 2, 3)]
    net.zero_grad()
    assert net.first.weight.grad.tolist() == [0, 0, 0]


def test_outputs_are_the_users_own():
    x = np.ones((2, 3), np.float32)
    y = nn.Identity()(x)
    y[...] = 7
    assert x.max() == 1
    net = Net()
    first = net(x)
    kept = first.copy()
    net(x * 2)
    assert np.array_equal(first, kept)


def test_a_module_used_twice_has_its_weights_once_and_sums_gradients():
    class Twice(nn.Module):
        def __init__(self):
            self.scale = Scaled(2)

        def forward(self, x):
            return self.scale(self.scale(x))

    net, x = Twice(), np.ones((1, 2), np.float32)
    assert len(list(net.parameters())) == 1
    assert net(x).tolist() == [[1, 4]]
    net.backward(np.ones((1, 2), np.float32))
    assert net.scale.weight.grad.tolist() == [2, 4]  # d(w*w)/dw


def test_freeze_and_modes():
    net = Net().freeze("first")
    assert [p.trainable for p in net.parameters()] == [False, True]
    net(np.ones((1, 3), np.float32))
    net.backward(np.ones((1, 3), np.float32))
    assert net.first.weight.grad is None
    assert all(p.trainable for p in net.unfreeze().parameters())
    assert not any(m.training for m in net.eval().modules())
    with pytest.raises(RuntimeError, match=r"model.train\(\)"):
        net.eval()(np.ones((1, 3), np.float32))
        net.backward(np.ones((1, 3), np.float32))


def test_state_dict_round_trip_and_complaints():
    net, other = Net(), Net()
    net.first.weight.value = [5, 6, 7]
    net.seen = [1, 2]
    state = net.state_dict()
    assert sorted(state) == ["first.weight", "rest.0.weight", "seen"]
    other.load_state_dict(state)
    assert all(np.array_equal(a, b) for a, b in zip(state.values(), other.state_dict().values(), strict=True))
    state["first.weight"][0] = 99  # a copy
    assert net.first.weight.value[0] == 5
    with pytest.raises(KeyError, match=r"missing \['seen'\], not expected \['x'\]"):
        other.load_state_dict({**{k: v for k, v in state.items() if k != "seen"}, "x": 1})
    with pytest.raises(ShapeError, match=r"seen: expected \(2,\), got \(3,\)"):
        other.load_state_dict({**state, "seen": np.zeros(3)})
    assert other.first.weight.value[0] == 5  # nothing is loaded when something is wrong


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_pickling_keeps_ties_modes_and_views(again):
    net = Net()
    net.rest[0].weight = net.first.weight
    other = again(net.eval())
    assert other.rest[0].weight is other.first.weight
    assert not other.training
    other.seen = [3, 4]
    assert dict(other.named_buffers())["seen"].tolist() == [3, 4]
    x = np.ones((1, 3), np.float32)
    assert np.array_equal(net(x), other(x))


def test_dtype():
    net = Net().double()
    assert net.dtype == np.float64
    assert net(np.ones((1, 3))).dtype == np.float64
    assert net.seen.dtype == np.float64
    assert net.float()(np.ones((1, 3))).dtype == np.float32
    with pytest.raises(ShapeError, match="float32 or float64"):
        net.to(np.float16)


def test_whole_numbers_come_as_floats_and_get_no_gradient():
    net = Net()
    assert net(np.array([[1, 2, 3]], np.uint8)).dtype == np.float32
    assert net.backward(np.ones((1, 3))) is None
    with pytest.raises(ShapeError, match="dtype <U1"):
        net(np.array([["a", "b", "c"]]))


def test_replace_and_upto():
    net, x = Net(), np.ones((1, 3), np.float32)
    net(x)
    assert net.upto("first")(x).tolist() == [[1, 2, 3]]
    old = net.replace("rest.0", nn.Identity())
    assert isinstance(old, Scaled)
    assert net(x).tolist() == [[1, 2, 3]]
    assert net.upto("rest")(x).tolist() == [[1, 2, 3]]


def test_repr_shows_structure_and_hyper_parameters():
    assert repr(nn.Sequential(nn.Reshape((2, 3)), act=nn.Identity())) == (
        "Sequential(\n  (0): Reshape((2, 3))\n  (act): Identity()\n)"
    )


def test_errors_name_the_layer_and_its_input():
    net = nn.Sequential(nn.Identity(), shape=nn.Reshape((2, 2)))
    with pytest.raises(ShapeError, match="hold 3 values") as caught:
        net(np.ones((1, 3), np.float32))
    assert "in layer 'shape': Reshape((2, 2))" in caught.value.__notes__[0]
    assert "(1, 3)" in caught.value.__notes__[0]


def test_a_forward_that_looks_at_numbers_is_refused():
    class Branch(nn.Module):
        def forward(self, x):
            return x if x > 0 else -x

    with pytest.raises(TraceError, match="compare"):
        Branch()(np.ones((1, 2)))


def test_inputs_must_be_batches_of_one_length():
    with pytest.raises(ShapeError, match="axis 0 of every input is the batch"):
        nn.Add()(np.ones((2, 3)), np.ones((3, 3)))
    with pytest.raises(ShapeError, match="without an input"):
        nn.Identity()()


def test_backward_wants_a_forward_and_the_outputs_shape():
    layer = nn.Identity()
    with pytest.raises(RuntimeError, match="forward in training mode"):
        layer.backward(np.ones((1, 2)))
    layer(np.ones((1, 2)))
    with pytest.raises(ShapeError, match=r"\(1, 3\).*\(1, 2\)"):
        layer.backward(np.ones((1, 3)))


def test_predict_goes_by_batches_in_eval_mode_and_leaves_the_mode():
    net, x = Net(), np.arange(15, dtype=np.float32).reshape(5, 3)
    assert np.array_equal(net.predict(x, batch_size=2), net(x))
    assert net.training
    assert net.predict(x[:0]).shape == (0, 3)
