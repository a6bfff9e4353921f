"""Convolutions made ready: each way gives the sum that a loop over taps gives."""

import numpy as np
import pytest

from sparkdl.nn.kernels import bf16, conv_few, conv_taps
from sparkdl.nn.kernels.conv_ready import Ready

CASES = [  # pictures, in, size, out, window, stride, padding
    (1, 24, (4, 4), 128, 3, 1, 1),
    (2, 7, (2, 2), 256, 3, 1, 1),
    (1, 8, (5, 3), 192, 5, 2, (2, 1)),
    (1, 6, (1, 2), 192, 3, 1, ((2, 0), (1, 1))),
    (3, 32, (9, 9), 128, 3, 1, 1),
    (1, 9, (6, 6), 20, 3, 1, 1),
]


def pairs(padding):
    both = (padding, padding) if np.isscalar(padding) else padding
    return tuple((p, p) if np.isscalar(p) else p for p in both)


def naive(x, w, bias, stride, pads):
    padded = np.pad(x.astype(np.float64), [(0, 0), *pads, (0, 0)])
    grid = [(n - w.shape[0]) // stride + 1 for n in padded.shape[1:3]]
    y = np.zeros((len(x), *grid, w.shape[3])) + bias
    for i in range(w.shape[0]):
        for j in range(w.shape[1]):
            seen = padded[:, i : i + stride * grid[0] : stride, j : j + stride * grid[1] : stride]
            y += np.einsum("nhwc,co->nhwo", seen, w[i, j])
    return y


@pytest.mark.parametrize("compute", ["float32", "bfloat16"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_is_the_sum_over_taps(case, compute):
    n, channels, size, out, window, stride, padding = case
    rng = np.random.default_rng(0)
    x = rng.integers(-8, 8, (n, *size, channels)).astype(np.float32)  # exact in bfloat16, and so are all sums
    w = rng.integers(-8, 8, (window, window, channels, out)).astype(np.float32)
    bias = rng.integers(-8, 8, out).astype(np.float32)
    wanted = naive(x, w, bias, stride, pairs(padding))
    for relu in (False, True):
        ready = Ready(w, bias, (stride, stride), pairs(padding), (1, 1), 1, relu)
        y = np.empty(wanted.shape, np.float32)
        with bf16.using(compute):
            for _ in range(2):  # prepared, and then as prepared
                ready(y.transpose(0, 3, 1, 2), x.transpose(0, 3, 1, 2))
                np.testing.assert_allclose(y, np.maximum(wanted, 0) if relu else wanted, atol=0.02, rtol=0)
        assert ready.__getstate__()["_prepared"] == {}


@pytest.mark.parametrize("case", CASES[:4], ids=str)
def test_few_pixels_tap_by_tap_have_the_bits_of_all_taps(case):
    n, channels, size, out, window, stride, padding = case
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, *size, channels)).astype(np.float32)
    w = rng.standard_normal((window * window, channels, out)).astype(np.float32)
    pads = pairs(padding)
    grid = tuple((s + sum(p) - window) // stride + 1 for s, p in zip(size, pads, strict=True))
    taps = conv_taps.taps_of((window, window), (stride, stride), (pads[0][0], pads[1][0]), (1, 1), grid, size)
    panels = conv_taps.packed(w, 1)
    if panels is None:  # a vector more or less of channels, by the instruction set
        pytest.skip("these weights are not packed here")
    assert conv_few.suits(taps, n, 1)
    few, all_ = np.empty((2, n, *grid, out), np.float32)
    conv_few.prepare(few, x, None, taps, True, panels)(few, x)
    conv_taps.prepare(all_, x, w, None, taps, 1, True, panels)(all_, x)
    assert np.array_equal(few, all_)
