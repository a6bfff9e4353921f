"""What is special about single layers."""

import math
import pickle

import numpy as np
import pytest

from sparkdl import nn
from sparkdl.errors import ShapeError
from sparkdl.nn.context import Run
from sparkdl.nn.graph import program_of
from sparkdl.nn.program import Pass
from tests.nn.nets import split_run

RNG = np.random.default_rng(0)


def step(layer, x, **kwargs):
    """One training run of ``layer``."""
    run = Run.single(len(x), training=True, **kwargs)
    return Pass(program_of(layer, [x]), [x], run, layer.dtype)


@pytest.mark.parametrize(
    "make, name, bound",
    [
        (lambda: nn.Linear(25, 400), "weight", 1 / 5),
        (lambda: nn.Linear(25, 400), "bias", 1 / 5),
        (lambda: nn.Conv2d(4, 100, (2, 2)), "weight", 1 / 4),
        (lambda: nn.Conv2d(8, 200, (2, 2), groups=2), "weight", 1 / 4),
        (lambda: nn.ConvTranspose2d(100, 4, (2, 2)), "weight", 1 / 4),
        (lambda: nn.Bilinear(25, 9, 30), "weight", 1 / 5),
    ],
)
def test_first_weights_are_pytorchs(make, name, bound):
    nn.manual_seed(3)
    values = dict(make().named_parameters())[name].value
    assert np.abs(values).max() <= bound
    assert np.abs(values).max() > 0.95 * bound
    assert abs(values.mean()) < 0.1 * bound


def test_first_weights_come_from_the_seed():
    def weights(seed):
        nn.manual_seed(seed)
        return nn.Linear(3, 3).weight.value

    assert np.array_equal(weights(1), weights(1))
    assert not np.array_equal(weights(1), weights(2))


def test_kernels_layout_and_pytorchs_shape():
    layer = nn.Conv2d(3, 4, (5, 2))
    assert layer.weight.shape == (4, 3, 5, 2)
    assert layer.weight.data.shape == (5, 2, 3, 4)
    assert layer.state_dict()["weight"].shape == (4, 3, 5, 2)


class TestDropout:
    x = np.ones((400, 50), np.float32)

    def test_keeps_the_mean_and_the_share(self):
        y = step(nn.Dropout(0.3), self.x).outputs[0]
        assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.7)}
        assert abs((y == 0).mean() - 0.3) < 0.01

    def test_draws_depend_on_seed_step_layer_and_row_alone(self):
        net = nn.Sequential(nn.Dropout(), nn.Identity())
        first = step(net, self.x, seed=1, step=2).outputs[0]
        assert np.array_equal(first, step(net, self.x, seed=1, step=2).outputs[0])
        for other in ({"seed": 2, "step": 2}, {"seed": 1, "step": 3}):
            assert abs((first == step(net, self.x, **other).outputs[0]).mean() - 0.5) < 0.02
        two = step(nn.Sequential(nn.Dropout(), nn.Dropout()), self.x, seed=1, step=2).outputs[0]
        assert abs((two != 0).mean() - 0.25) < 0.02  # the second layer draws anew
        run = Run(True, 1, 2, rows=np.arange(100, 150), bounds=np.array([0, 50]))
        part = Pass(program_of(net, [self.x[:50]]), [self.x[:50]], run, net.dtype).outputs[0]
        assert np.array_equal(part, first[100:150])

    def test_whole_channels_go(self):
        y = step(nn.Dropout2d(), np.ones((20, 30, 4, 5), np.float32)).outputs[0]
        assert np.array_equal(y.min((2, 3)), y.max((2, 3)))
        assert 0.4 < (y == 0).mean() < 0.6

    def test_alpha_dropout_keeps_mean_and_variance(self):
        x = RNG.standard_normal((400, 500)).astype(np.float32)
        y = step(nn.AlphaDropout(0.2), x).outputs[0]
        assert abs(y.mean()) < 0.01
        assert abs(y.std() - 1) < 0.01

    @pytest.mark.parametrize(
        "layer, mean, deviation",
        [(nn.GaussianNoise(0.5), 1, 0.5), (nn.GaussianDropout(0.2), 1, 0.5)],
    )
    def test_noise_has_its_moments(self, layer, mean, deviation):
        y = step(layer, np.ones((400, 500), np.float32)).outputs[0]
        assert abs(y.mean() - mean) < 0.01
        assert abs(y.std() - deviation) < 0.01

    def test_a_sampler_draws_from_its_distribution_in_both_modes(self):
        layer = nn.GaussianSampler()
        mean, log_variance = np.full((400, 500), 3.0), np.full((400, 500), math.log(4))
        for y in (layer.train()(mean, log_variance), layer.eval()(mean, log_variance)):
            assert abs(y.mean() - 3) < 0.02
            assert abs(y.std() - 2) < 0.02

    def test_rrelu_draws_slopes_between_its_bounds(self):
        y = step(nn.RReLU(0.1, 0.3), -np.ones((400, 50), np.float32)).outputs[0]
        assert -0.3 <= y.min() < -0.29
        assert -0.11 < y.max() <= -0.1


class TestBatchNorm:
    x = RNG.standard_normal((13, 3)).astype(np.float32) * 2 + 5

    def test_statistics_are_those_of_the_global_batch(self):
        layer, bounds = nn.BatchNorm1d(3), [0, 4, 4, 5, 13]
        y, _, _, buffers = split_run(layer, [self.x], [self.x], bounds, 3)
        wanted = (self.x - self.x.mean(0)) / np.sqrt(self.x.var(0) + 1e-5)
        np.testing.assert_allclose(y[0], wanted, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(buffers["running_mean"], 0.1 * self.x.mean(0), rtol=1e-5)
        np.testing.assert_allclose(buffers["running_var"], 0.9 + 0.1 * self.x.var(0, ddof=1), rtol=1e-5)

    def test_without_sync_each_shard_has_its_own(self):
        layer, bounds = nn.BatchNorm1d(3, sync=False), [0, 4, 4, 13]
        y = split_run(layer, [self.x], [self.x], bounds, 2)[0][0]
        for a, b in ((0, 4), (4, 13)):
            part = self.x[a:b]
            wanted = (part - part.mean(0)) / np.sqrt(part.var(0) + 1e-5)
            np.testing.assert_allclose(y[a:b], wanted, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("sync", [True, False])
    def test_a_single_value_is_normalised_by_running_statistics(self, sync):
        layer = nn.BatchNorm1d(3, sync=sync)
        layer.running_mean = [1, 2, 3]
        before = layer.state_dict()
        done = step(layer, self.x[:1])
        np.testing.assert_allclose(done.outputs[0], (self.x[:1] - [1, 2, 3]) / np.sqrt(1 + 1e-5), rtol=1e-5)
        (dx,) = done.backward([np.ones((1, 3), np.float32)])
        np.testing.assert_allclose(dx, np.full((1, 3), 1 / np.sqrt(1 + 1e-5)), rtol=1e-5)
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            assert np.array_equal(layer.state_dict()[name], before[name])

    def test_large_means_do_not_drown_the_variance(self):
        x = (1000 + RNG.standard_normal((500, 2))).astype(np.float32)
        y = step(nn.BatchNorm1d(2), x).outputs[0]
        np.testing.assert_allclose(y.std(0), 1, rtol=1e-3)

    def test_an_empty_global_batch_changes_nothing(self):
        layer = nn.BatchNorm1d(3)
        assert step(layer, self.x[:0]).outputs[0].shape == (0, 3)
        assert layer.num_batches_tracked == 0


class TestPenalties:
    x = np.float32([[1, -2], [3, 0.5]])

    def test_they_add_to_the_loss_in_training_alone(self):
        layer = nn.ActivityRegularization(0.5, 0.25)
        done = step(layer, self.x)
        assert done.run.penalty.tolist() == [0.5 * 6.5 + 0.25 * 14.25]
        assert np.array_equal(done.outputs[0], self.x)
        run = Run.single(2)
        Pass(program_of(layer, [self.x]), [self.x], run, layer.dtype)
        assert run.penalty is None
        assert step(layer.eval(), self.x).run.penalty is None

    def test_per_leaf(self):
        run = Run(training=True, rows=np.arange(2), bounds=np.array([0, 1, 1, 2]), shards=3)
        Pass(program_of(layer := nn.L1Penalty(1.0), [self.x]), [self.x], run, layer.dtype)
        assert run.penalty.tolist() == [3, 0, 3.5]

    def test_gradient_reversal(self):
        layer = nn.GradientReversal(0.5)
        assert np.array_equal(layer(self.x), self.x)
        assert np.array_equal(layer.backward(self.x), -0.5 * self.x)


def swish(x, beta):
    return x / (1 + math.exp(-beta * x))


def swish_slope(x, beta):
    s = 1 / (1 + math.exp(-beta * x))
    return s + beta * x * s * (1 - s)


Swish = nn.elementwise_layer(swish, swish_slope, name="Swish", beta=1.0)


class TestElementwiseLayer:
    x = RNG.standard_normal((3, 4)).astype(np.float32)

    def test_it_is_a_layer_like_any_other(self, tmp_path):
        layer = Swish(beta=2.0)
        np.testing.assert_allclose(layer(self.x), self.x / (1 + np.exp(-2 * self.x)), rtol=1e-5)
        assert repr(layer) == "Swish(beta=2.0)"
        assert repr(nn.Sequential(Swish())) == "Sequential(\n  (0): Swish()\n)"
        nn.gradcheck(layer, self.x)
        nn.Sequential(layer).save(tmp_path)
        for other in (pickle.loads(pickle.dumps(layer)), nn.load(tmp_path, layers={"Swish": Swish})):
            assert np.array_equal(other(self.x), layer(self.x))

    def test_functions_of_any_place_travel_by_value(self):
        cloudpickle = pytest.importorskip("pyspark.cloudpickle")
        power = 3
        Cube = nn.elementwise_layer(lambda x: x**power, lambda x: power * x ** (power - 1), name="Cube")
        layer = pickle.loads(cloudpickle.dumps(Cube()))
        np.testing.assert_allclose(layer(self.x), self.x**3, rtol=1e-5)
        nn.gradcheck(layer, self.x)

    def test_two_functions_of_one_name_do_not_meet_in_the_cache(self):
        first = nn.elementwise_layer(lambda x: x + 1, lambda x: 1.0)()
        second = nn.elementwise_layer(lambda x: x + 2, lambda x: 1.0)()
        assert np.array_equal(first(self.x), self.x + 1)
        assert np.array_equal(second(self.x), self.x + 2)

    def test_a_wrong_derivative_is_found(self):
        wrong = nn.elementwise_layer(lambda x: x * x, lambda x: x, name="Wrong")
        with pytest.raises(AssertionError, match=r"Wrong\(\): the derivative by input\[0, 0\]"):
            nn.gradcheck(wrong(), self.x)

    def test_arguments_must_agree(self):
        with pytest.raises(TypeError, match="must take x and 1 further numbers"):
            nn.elementwise_layer(swish, lambda x: x, beta=1.0)


def test_unconnected_channels_stay_unconnected():
    layer = nn.ConvMap2d(2, 2, [(0, 0), (1, 1)], 3)
    x = RNG.standard_normal((2, 2, 5, 5)).astype(np.float32)
    before = layer(x)
    layer.backward(np.ones_like(before))
    assert not layer.weight.gradient[0, 1].any()
    assert layer.weight.gradient[0, 0].any()
    x[:, 1] = 0
    assert np.array_equal(layer(x)[:, 0], before[:, 0])


def test_a_sparse_row_comes_from_scipys_csr():
    from scipy.sparse import random

    matrix = random(5, 8, 0.3, "csr", np.float32, random_state=1)
    places, values = nn.sparse_rows(matrix)
    layer = nn.SparseLinear(8, 3)
    wanted = matrix.toarray() @ layer.weight.value.T + layer.bias.value
    np.testing.assert_allclose(layer(places, values), wanted, rtol=1e-5, atol=1e-6)
    dense, values2 = nn.DenseToSparse()(matrix.toarray())
    np.testing.assert_allclose(layer(dense.astype(np.int64), values2), wanted, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="places run from 0 to 7"):
        layer(np.array([[8]]), np.array([[1.0]], np.float32))


def test_nan_goes_through_activations_and_pools():
    x = np.full((1, 1, 2, 2), np.nan, np.float32)
    for layer in (nn.ReLU(), nn.Hardtanh(), nn.Sigmoid(), nn.Tanh(), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.ELU()):
        assert np.isnan(layer(x)).all(), layer


def test_activations_do_not_overflow():
    x = np.float32([[-1e30, -200, 200, 1e30]])
    for name in ("Sigmoid", "LogSigmoid", "SiLU", "Softplus", "Mish", "GELU", "Tanh", "ELU", "SELU", "Softsign"):
        y = getattr(nn, name)()(x)
        assert not np.isnan(y).any(), name
        assert not np.isnan(nn.Softmax()(x)).any()
    assert nn.Sigmoid()(x).tolist() == [[0, 0, 1, 1]]


def test_masking_keeps_steps_with_any_other_value():
    x = np.float32([[[0, 0], [0, 1]]])
    layer = nn.Masking()
    assert layer(x).tolist() == x.tolist()
    assert layer.backward(np.ones_like(x)).tolist() == [[[0, 0], [1, 1]]]


def test_echo_prints(capsys):
    nn.Echo("here")(np.zeros((2, 3), np.float32))
    assert "here: (2, 3) float32" in capsys.readouterr().out


@pytest.mark.parametrize("shape", [(5, 7), (3, 4, 5), (2, 3, 4, 5), (2, 3, 2, 2, 3)])
def test_dropouts_kernel_draws_what_the_formula_says(shape):
    from sparkdl.nn.layers.draws import kept, uniform
    from tests.nn.nets import context

    ctx = context(shape[0], seed=5, step=6)
    x = np.zeros(shape, np.float32)
    assert np.array_equal(kept(ctx, x, 0.3, 2.0), 2.0 * (uniform(ctx, shape) >= 0.3))


def test_time_steps_of_sequences():
    layer, x = nn.CaffeTimeSteps(3), np.float32(np.arange(12).reshape(6, 2))
    y = layer.train()(x)
    np.testing.assert_array_equal(y, [[x[0], x[2], x[4]], [x[1], x[3], x[5]]])
    np.testing.assert_array_equal(layer.backward(y), x)
    with pytest.raises(ShapeError, match="a multiple of 3 samples"):
        layer(x[:4])
