"""Products of factors in bfloat16: exact products of rounded factors, summed in float32, whatever does them."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from sparkdl import nn, optim
from sparkdl.nn.kernels import bf16, conv, gemm, leaves

SHAPES = [(1, 1, 1), (7, 5, 3), (37, 300, 83), (3, 513, 700), (130, 64, 129), (600, 257, 64)]


def rounded(x):
    """To the nearest number of 8 bits, ties to even, by arithmetic: no bits are looked at."""
    mantissa, exponent = np.frexp(x.astype(np.float64))
    return np.ldexp(np.round(mantissa * 256) / 256, exponent).astype(np.float32)


def arrays(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def both_ways(monkeypatch, run):
    """What ``run`` gives with the instruction, where the CPU has it, and without it."""
    with bf16.using("bfloat16"):
        there = run()
        monkeypatch.setattr(bf16, "in_hardware", lambda: False)
        return there, run()


@pytest.mark.parametrize("turned", [False, True], ids=["b", "b.T"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_product_is_that_of_the_rounded_factors(shape, turned, monkeypatch):
    m, k, n = shape
    a, b, bias = arrays((m, k), (n, k) if turned else (k, n), (n,))
    b = b.T if turned else b

    def run():
        c = np.empty((m, n), np.float32)
        gemm.affine(c, a, b, bias)
        return c

    there, here = both_ways(monkeypatch, run)
    exact = rounded(a).astype(np.float64) @ rounded(b) + bias
    np.testing.assert_allclose(here, exact, rtol=0, atol=1e-5 * np.sqrt(k) * max(1, np.abs(exact).max()))
    assert np.array_equal(there, here)


@pytest.mark.parametrize("bounds", [(0, 5, 5, 12, 13), (0, 1), (0, 64, 128, 129), (0, 3000, 6001)], ids=str)
def test_a_gradient_is_summed_leaf_by_leaf(bounds, monkeypatch):
    bounds = np.array(bounds)
    x, dy = arrays((bounds[-1], 70), (bounds[-1], 150))

    def run():
        out = np.empty((70, 150), np.float32)
        leaves.product(out, x, dy, bounds)
        return out

    there, here = both_ways(monkeypatch, run)
    exact = rounded(x).T.astype(np.float64) @ rounded(dy)
    np.testing.assert_allclose(here, exact, rtol=0, atol=1e-5 * np.abs(exact).max())
    assert np.array_equal(there, here)


@pytest.mark.parametrize("kernel, stride, channels", [(1, 1, 6), (1, 2, 64), (3, 2, 8), (5, 1, 20)], ids=str)
def test_a_convolution_by_sums_over_taps(kernel, stride, channels, monkeypatch):
    pad, out, size = kernel // 2, 70, 9
    x, w, bias = arrays((4, channels, size, size), (kernel, kernel, channels, out), (out,))
    grid = (size + 2 * pad - kernel) // stride + 1
    (dy,) = arrays((4, out, grid, grid), seed=1)
    options = (stride, stride), (pad, pad), (1, 1), 1

    def run():
        y, dx, dw = np.empty_like(dy), np.empty_like(x), np.empty_like(w)
        conv.forward(y, x, w, bias, *options)
        conv.backward_data(dx, dy, w, *options)
        conv.backward_weights(dw, x, dy, np.array([0, 1, 4]), *options)
        return y, dx, dw

    there, here = both_ways(monkeypatch, run)
    assert all(np.array_equal(a, b) for a, b in zip(there, here, strict=True))

    def exact(x, w, dy):
        """The same sums with a loop over taps, in float64."""
        padded = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (pad, pad), (pad, pad)])
        y, dpadded, dw = np.zeros(dy.shape), np.zeros(padded.shape), np.zeros(w.shape)
        for i in range(kernel):
            for j in range(kernel):
                at = np.s_[:, :, i : i + stride * grid : stride, j : j + stride * grid : stride]
                y += np.einsum("nchw,co->nohw", padded[at], w[i, j].astype(np.float64))
                dpadded[at] += np.einsum("nohw,co->nchw", dy.astype(np.float64), w[i, j])
                dw[i, j] = np.einsum("nchw,nohw->co", padded[at], dy.astype(np.float64))
        return y, dpadded[:, :, pad : pad + size, pad : pad + size], dw

    y, dx, dw = exact(rounded(x), rounded(w), rounded(dy))
    wanted = y + bias[:, None, None], dx, dw if kernel == 1 else exact(x, w, dy)[2]  # of larger windows: float32
    for got, each in zip(here, wanted, strict=True):
        np.testing.assert_allclose(got, each, rtol=0, atol=1e-5 * np.abs(each).max())


def test_other_products_keep_all_bits():
    a, b = arrays((8, 40), (40, 9))
    c = np.empty((8, 9), np.float32)
    with bf16.using("bfloat16"), bf16.using("float32"):
        gemm.matmul(c, a, b)
    assert np.abs(c - a.astype(np.float64) @ b).max() < 1e-5
    double = np.empty((8, 9))
    with bf16.using("bfloat16"):
        gemm.matmul(double, a.astype(np.float64), b.astype(np.float64))
    assert np.abs(double - a.astype(np.float64) @ b).max() < 1e-13


def test_what_is_not_finite_stays_so():
    a = np.float32([[np.nan, 1], [np.inf, 1], [3.4e38, 1], [-np.inf, 2]])
    c = np.empty((4, 1), np.float32)
    with bf16.using("bfloat16"):
        gemm.matmul(c, a, np.ones((2, 1), np.float32))
    assert np.isnan(c[0, 0]) and c[1, 0] == c[2, 0] == np.inf and c[3, 0] == -np.inf  # the largest rounds up


def net():
    nn.manual_seed(0)
    return nn.Sequential(nn.Linear(12, 40), nn.ReLU(), nn.Linear(40, 3))


def fitted(model, **options):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((96, 12)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 0)
    history = optim.Trainer(
        model, nn.CrossEntropyLoss(), optim.SGD(lr=0.2), batch_size=16, max_epochs=12, progress=False, **options
    ).fit((x, y))
    return history["loss"], np.concatenate([p.data.ravel() for p in model.parameters()])


def test_a_model_learns_with_factors_in_bfloat16():
    (_, plain), (losses, weights) = fitted(net()), fitted(net().compute_in("bfloat16"))
    assert losses[-1] < 0.5 * losses[0]
    assert weights.dtype == np.float32 and 0 < np.abs(weights - plain).max() < 0.1
    assert np.any(weights != rounded(weights))  # the weights themselves have all their bits


def test_its_numbers_do_not_depend_on_threads_or_parts():
    wanted = fitted(net().compute_in("bfloat16"))[1]
    for options in ({"micro_batches": 4}, {"threads": 1}, {"threads": 2}):
        assert np.array_equal(fitted(net().compute_in("bfloat16"), **options)[1], wanted), options


def test_it_goes_with_the_model(tmp_path):
    model = net().compute_in("bfloat16").eval()
    (x,) = arrays((5, 12))
    y = model(x)
    assert not np.array_equal(y, net().eval()(x))
    model.save(tmp_path)
    for other in (nn.load(tmp_path), pickle.loads(pickle.dumps(model))):
        assert other.compute == "bfloat16" and np.array_equal(other(x), y)
    assert np.array_equal(nn.Inference(model)(x), y) and np.array_equal(model.predict(x), y)
    assert np.array_equal(model.compute_in("float32")(x), net().eval()(x))


def test_other_types_are_refused():
    with pytest.raises(ValueError, match="'float32' or 'bfloat16', got 'float16'"):
        net().compute_in("float16")


CODE = """
import sys
import numpy as np
from sparkdl.nn.kernels import bf16, gemm
a, b = np.load(sys.argv[1] + "/a.npy"), np.load(sys.argv[1] + "/b.npy")
c = np.empty((len(a), b.shape[1]), np.float32)
with bf16.using("bfloat16"):
    gemm.matmul(c, a, b)
np.save(sys.argv[1] + "/c.npy", c)
"""


def test_a_machine_without_the_instruction_has_the_same_bits(tmp_path):
    a, b = arrays((37, 301), (301, 83))
    np.save(tmp_path / "a.npy", a)
    np.save(tmp_path / "b.npy", b)
    env = {**os.environ, "SPARKDL_ISA": "avx2"}
    done = subprocess.run([sys.executable, "-c", CODE, str(tmp_path)], env=env, capture_output=True, text=True)
    if "no avx2" in done.stderr:
        pytest.skip("this CPU has no AVX2")
    assert done.returncode == 0, done.stderr
    here = np.empty((37, 83), np.float32)
    with bf16.using("bfloat16"):
        gemm.matmul(here, a, b)
    assert np.array_equal(np.load(tmp_path / "c.npy"), here)
