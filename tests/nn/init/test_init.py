"""One row per initialiser: what its values must be like."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from sparkdl import nn
from sparkdl.nn import init

SHAPE = (40, 30, 3, 3)
IN, OUT = 270, 360
FLAT = (50, 30)


def uniform_within(bound):
    return stats.uniform(-bound, 2 * bound).cdf


def normal_of(std):
    return stats.norm(0, std).cdf


def cut(std, at):
    return stats.truncnorm(-at, at, 0, std).cdf


RANDOM = [  # name, options, shape, distribution of the values
    ("uniform", {}, FLAT, stats.uniform(0, 1).cdf),
    ("uniform", {"low": -3.0, "high": -1.0}, FLAT, stats.uniform(-3, 2).cdf),
    ("normal", {"mean": 2.0, "std": 0.5}, FLAT, stats.norm(2, 0.5).cdf),
    ("trunc_normal", {}, FLAT, cut(1, 2)),
    ("trunc_normal", {"mean": 1.0, "std": 2.0, "a": 0.0, "b": 2.0}, FLAT, stats.truncnorm(-0.5, 0.5, 1, 2).cdf),
    ("xavier_uniform", {"gain": 2.0}, SHAPE, uniform_within(2 * math.sqrt(6 / (IN + OUT)))),
    ("xavier_normal", {}, SHAPE, normal_of(math.sqrt(2 / (IN + OUT)))),
    ("kaiming_uniform", {}, SHAPE, uniform_within(math.sqrt(6 / IN))),
    ("kaiming_uniform", {"a": math.sqrt(5)}, SHAPE, uniform_within(1 / math.sqrt(IN))),
    ("kaiming_normal", {"mode": "fan_out", "nonlinearity": "tanh"}, SHAPE, normal_of(5 / 3 / math.sqrt(OUT))),
    ("kaiming_normal", {"mode": "fan_avg", "nonlinearity": "relu"}, SHAPE, normal_of(2 / math.sqrt(IN + OUT))),
    ("lecun_uniform", {}, SHAPE, uniform_within(math.sqrt(3 / IN))),
    ("lecun_normal", {}, SHAPE, normal_of(1 / math.sqrt(IN))),
    ("variance_scaling", {"scale": 2.0}, SHAPE, cut(math.sqrt(2 / IN) / 0.8796256610342398, 2)),
]
ELSEWHERE = {"zeros", "ones", "constant", "eye", "dirac", "sparse", "orthogonal", "bilinear"}
NOT_INITS = {"apply", "calculate_gain", "get"}


def test_every_public_initialiser_has_a_row():
    assert set(init.__all__) - NOT_INITS == {row[0] for row in RANDOM} | ELSEWHERE


@pytest.mark.parametrize(
    ("name", "options", "shape", "cdf"), RANDOM, ids=lambda v: str(v) if isinstance(v, str) else ""
)
def test_values_have_the_distribution(name, options, shape, cdf):
    f = getattr(init, name)
    w = f(shape, np.random.default_rng(1), **options)
    assert w.shape == shape and w.dtype == np.float32
    assert stats.kstest(w.ravel().astype(np.float64), cdf).pvalue > 1e-3
    np.testing.assert_array_equal(w, f(shape, np.random.default_rng(1), **options))
    assert f(shape, np.random.default_rng(1), **options, dtype=np.float64).dtype == np.float64


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (init.zeros((2, 3)), torch.zeros(2, 3)),
        (init.ones((2, 3)), torch.ones(2, 3)),
        (init.constant((2, 3), value=0.3), torch.full((2, 3), 0.3)),
        (init.eye((3, 5)), torch.nn.init.eye_(torch.empty(3, 5))),
        (init.dirac((4, 6, 3)), torch.nn.init.dirac_(torch.empty(4, 6, 3))),
        (init.dirac((6, 2, 3, 5), groups=2), torch.nn.init.dirac_(torch.empty(6, 2, 3, 5), 2)),
    ],
)
def test_weights_without_chance_are_pytorchs(mine, theirs):
    np.testing.assert_array_equal(mine, theirs.numpy())
    assert mine.dtype == np.float32


@pytest.mark.parametrize("shape", [(5, 8), (8, 5), (6, 6), (4, 3, 2, 2), (30, 3, 2, 2)])
def test_orthogonal(shape):
    w = init.orthogonal(shape, np.random.default_rng(0), gain=2.0, dtype=np.float64).reshape(shape[0], -1)
    square = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(square, 4 * np.eye(len(square)), atol=1e-12)


def test_sparse_has_the_given_share_of_zeros_in_each_column():
    w = init.sparse((50, 20), np.random.default_rng(0), sparsity=0.25)
    assert ((w == 0).sum(0) == 13).all()
    assert stats.kstest(w[w != 0].astype(np.float64), normal_of(0.01)).pvalue > 1e-3


@pytest.mark.parametrize("stride", [2, 3, 4])
def test_bilinear_upsamples_a_ramp_to_a_ramp(stride):
    kernel = 2 * stride - stride % 2
    w = torch.from_numpy(init.bilinear((1, 1, kernel, kernel)).copy())
    ramp = torch.arange(8.0).expand(8, 8)[None, None]
    y = torch.nn.functional.conv_transpose2d(ramp, w, stride=stride, padding=math.ceil((stride - 1) / 2))
    inner = y[0, 0, 2 * stride, 2 * stride : -2 * stride].numpy()
    np.testing.assert_allclose(np.diff(inner), 1 / stride, rtol=1e-5)


@pytest.mark.parametrize(
    "name", ["linear", "conv2d", "sigmoid", "tanh", "relu", "selu", "leaky_relu", "conv_transpose3d"]
)
def test_gains_are_pytorchs(name):
    assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    assert init.calculate_gain("leaky_relu", 0.3) == pytest.approx(torch.nn.init.calculate_gain("leaky_relu", 0.3))


def test_specs_name_initialisers():
    rng = np.random.default_rng
    np.testing.assert_array_equal(init.get("lecun_normal")((3, 4), rng(0)), init.lecun_normal((3, 4), rng(0)))
    by_dict = init.get({"name": "normal", "std": 0.1})((3, 4), rng(0))
    np.testing.assert_array_equal(by_dict, init.normal((3, 4), rng(0), std=0.1))
    assert (init.get(0.5)((2,), rng(0)) == 0.5).all() and init.get(init.ones) is init.ones
    for bad in ("glorot", "apply", None, {"std": 1}):
        with pytest.raises(ValueError, match="no initialiser is called"):
            init.get(bad)


def test_apply_draws_a_models_weights_by_pattern():
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    kept = model.state_dict()["1.weight"].copy()
    init.apply(model, {"0.weight": "orthogonal", "*.bias": 0.25}, np.random.default_rng(0))
    state = model.state_dict()
    np.testing.assert_array_equal(state["0.weight"], init.orthogonal((3, 4), np.random.default_rng(0)))
    assert (state["0.bias"] == 0.25).all() and (state["1.bias"] == 0.25).all()
    np.testing.assert_array_equal(state["1.weight"], kept)
    with pytest.raises(ValueError, match="matches no parameter"):
        init.apply(model, {"fc.*": "zeros"})


def test_the_librarys_own_generator_is_used_when_none_is_given():
    nn.manual_seed(3)
    a = init.normal((5,))
    nn.manual_seed(3)
    np.testing.assert_array_equal(a, init.normal((5,)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: init.xavier_uniform((3,)), "fans need a shape"),
        (lambda: init.orthogonal((3,)), r"\(out, in, \*kernel\)"),
        (lambda: init.eye((3, 3, 3)), "rows, columns"),
        (lambda: init.dirac((3, 3)), "dirac"),
        (lambda: init.bilinear((3, 3)), "bilinear"),
        (lambda: init.sparse((3, 3), sparsity=2), "sparsity must be in"),
        (lambda: init.sparse((3,), sparsity=0.5), "sparse: shape"),
        (lambda: init.normal((3,), std=-1), "std must be >= 0"),
        (lambda: init.uniform((3,), low=float("nan")), "low must be <= high"),
        (lambda: init.trunc_normal((3,), std=0), "std > 0"),
        (lambda: init.kaiming_normal((3, 3), mode="fan"), "mode must be"),
        (lambda: init.kaiming_normal((3, 3), nonlinearity="swish"), "nonlinearity must be"),
        (lambda: init.variance_scaling((3, 3), scale=0), "scale must be > 0"),
        (lambda: init.variance_scaling((3, 3), distribution="beta"), "distribution must be"),
    ],
)
def test_wrong_arguments_get_one_clear_message(make, words):
    with pytest.raises(ValueError, match=words):
        make()
