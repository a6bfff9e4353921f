"""Flat vectors: all weights, gradients and buffers of a model in one array each."""

import numpy as np
import pytest

from sparkdl import nn
from sparkdl.nn.context import Run
from sparkdl.nn.flat import ALIGN, Flat
from sparkdl.nn.graph import program_of
from sparkdl.nn.program import Pass
from tests.nn.nets import Scaled


class Net(nn.Module):
    def __init__(self):
        self.a, self.b, self.c = Scaled(3), Scaled(3), Scaled(3)
        self.c.weight = self.a.weight
        self.register_buffer("count", np.array([7], np.int64))
        self.register_buffer("mean", np.float32([0.5, 0.25]))

    def forward(self, x):
        return self.c(self.b(self.a(x)))


def test_weights_move_and_stay_views():
    net = Net()
    before = net.state_dict()
    flat = Flat(net)
    assert [(s.name, s.start, s.stop) for s in flat.segments] == [("a.weight", 0, 3), ("b.weight", 16, 19)]
    assert flat.weights.ctypes.data % 64 == 0
    assert flat.trainable % ALIGN == 0
    for name, value in net.state_dict().items():
        assert np.array_equal(value, before[name])
    flat.weights[16] = 42
    assert net.b.weight.value[0] == 42
    assert net.c.weight is net.a.weight


def test_frozen_parameters_lie_behind_and_have_no_gradient():
    net = Net()
    net.a.weight.trainable = False
    flat = Flat(net)
    assert [s.name for s in flat.segments] == ["b.weight"]
    assert [(s.name, s.start) for s in flat.frozen] == [("a.weight", 16)]
    assert flat.grads.shape == (1, 16)


def test_gradients_lie_in_the_flat_vector_one_row_per_subtree():
    net, x = Net(), np.float32([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    flat = Flat(net, rows=2)
    run = Run(training=True, rows=np.arange(3), bounds=np.arange(4), first=0, shards=4, grads=flat.by_parameter)
    assert run.trees == ((0, 2), (2, 3))
    flat.clear()
    Pass(program_of(net, [x]), [x], run, net.dtype).backward([np.ones_like(x)])
    flat.settle()
    net.float()  # moves the weights out of the flat vector, for an independent figure
    rows = []
    for part in (x[:2], x[2:]):
        net.zero_grad()
        net(part)
        net.backward(np.ones_like(part))
        rows.append(net.b.weight.grad.copy())
    np.testing.assert_allclose(flat.grads[:, 16:19], rows)
    assert not flat.grads[:, 3:16].any()


def test_parameters_without_a_gradient_get_zeros():
    net = Net()
    flat = Flat(net)
    flat.grads[...] = np.nan
    flat.clear()
    flat.settle()
    assert flat.grads[0, :3].tolist() == [0, 0, 0]


def test_buffers_round_trip():
    net, other = Net(), Net()
    values = Flat(net).get_buffers()
    assert values.tolist() == [7, 0.5, 0.25]
    flat = Flat(other)
    flat.set_buffers(values * 2)
    assert other.count.tolist() == [14]
    assert other.mean.tolist() == [1, 0.5]
    assert other.count.dtype == np.int64


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_and_gradients_can_move_into_other_memory(dtype):
    net = Net().to(dtype)
    flat = Flat(net)
    before = net.state_dict()
    weights, grads = np.zeros(flat.trainable, dtype), np.zeros((1, flat.trainable), dtype)
    flat.move(weights, grads)
    net(np.ones((1, 3), dtype))
    net.backward(np.ones((1, 3), dtype))
    assert grads[0, :3].any()
    assert np.array_equal(weights[16:19], before["b.weight"])
    assert np.array_equal(net.b.weight.value, before["b.weight"])
