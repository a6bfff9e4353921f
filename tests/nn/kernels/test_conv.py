"""Convolutions against a naive sum in float64, for every parameter; same bits for any batch and number of threads."""

import itertools

import numpy as np
import pytest

from sparkdl import kernel
from sparkdl.nn.kernels import conv

CASES = [  # batch, in, height, width, out, kernel, stride, padding, dilation, groups
    (3, 1, 28, 28, 6, (5, 5), (1, 1), (0, 0), (1, 1), 1),
    (2, 6, 12, 12, 12, (5, 5), (1, 1), (0, 0), (1, 1), 1),
    (2, 20, 12, 12, 50, (5, 5), (1, 1), (0, 0), (1, 1), 1),
    (2, 3, 9, 11, 64, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (2, 3, 21, 19, 64, (7, 7), (2, 2), (3, 3), (1, 1), 1),
    (1, 64, 8, 8, 80, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (9, 130, 2, 2, 128, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (2, 8, 10, 7, 12, (3, 3), (2, 2), (1, 1), (1, 1), 1),
    (2, 8, 10, 7, 12, (3, 2), (3, 2), (2, 0), (2, 3), 1),
    (2, 16, 7, 7, 32, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    (2, 16, 7, 7, 32, (1, 1), (2, 2), (0, 0), (1, 1), 1),
    (2, 16, 7, 7, 32, (1, 1), (2, 2), (1, 1), (1, 1), 1),
    (2, 12, 9, 9, 24, (3, 3), (1, 1), (1, 1), (1, 1), 3),
    (2, 12, 9, 9, 24, (3, 3), (2, 2), (1, 1), (1, 1), 12),
    (2, 18, 9, 9, 18, (3, 3), (1, 1), (1, 1), (1, 1), 18),
    (2, 18, 9, 9, 18, (3, 3), (2, 2), (1, 1), (1, 1), 18),
    (2, 4, 1, 30, 6, (1, 5), (1, 2), (0, 2), (1, 1), 2),
    (1, 2, 40, 200, 3, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (2, 5, 6, 6, 7, (3, 3), (1, 1), ((0, 2), (2, 1)), (1, 1), 1),
    (3, 32, 9, 14, 48, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (3, 64, 7, 6, 32, (3, 3), (1, 1), (0, 0), (1, 1), 1),
    (5, 160, 4, 5, 176, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (6, 24, 2, 2, 80, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (3, 5, 3, 2, 20, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (2, 8, 60, 70, 70, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    (2, 20, 50, 51, 30, (3, 3), (2, 2), (1, 1), (1, 1), 1),
    (1, 3, 3, 3, 4, (5, 5), (1, 1), (2, 2), (1, 1), 1),
]


def naive(x, w, bias, stride, padding, dilation, groups):
    """w in OIHW; float64 sums, one tap at a time."""
    pads = [(p, p) if np.isscalar(p) else p for p in padding]
    xp = np.pad(x.astype(np.float64), [(0, 0), (0, 0), *pads])
    out, each, kh, kw = w.shape
    oh = (xp.shape[2] - (kh - 1) * dilation[0] - 1) // stride[0] + 1
    ow = (xp.shape[3] - (kw - 1) * dilation[1] - 1) // stride[1] + 1
    y = np.zeros((len(x), out, oh, ow))
    for g, i, j in itertools.product(range(groups), range(kh), range(kw)):
        a, b = i * dilation[0], j * dilation[1]
        part = xp[:, g * each : (g + 1) * each, a : a + (oh - 1) * stride[0] + 1 : stride[0]]
        part = part[..., b : b + (ow - 1) * stride[1] + 1 : stride[1]]
        o = slice(g * out // groups, (g + 1) * out // groups)
        y[:, o] += np.einsum("nchw,oc->nohw", part, w[o, :, i, j].astype(np.float64))
    return y + (0 if bias is None else bias.astype(np.float64)[:, None, None])


def naive_gradients(x, w, dy, stride, padding, dilation, groups):
    pads = [(p, p) if np.isscalar(p) else p for p in padding]
    xp = np.pad(x.astype(np.float64), [(0, 0), (0, 0), *pads])
    dxp, dw = np.zeros_like(xp), np.zeros(w.shape)
    (out, each, kh, kw), (oh, ow) = w.shape, dy.shape[2:]
    for g, i, j in itertools.product(range(groups), range(kh), range(kw)):
        a, b = i * dilation[0], j * dilation[1]
        c, o = slice(g * each, (g + 1) * each), slice(g * out // groups, (g + 1) * out // groups)
        rows = slice(a, a + (oh - 1) * stride[0] + 1, stride[0])
        at = (slice(None), c, rows, slice(b, b + (ow - 1) * stride[1] + 1, stride[1]))
        dxp[at] += np.einsum("nohw,oc->nchw", dy[:, o].astype(np.float64), w[o, :, i, j].astype(np.float64))
        dw[o, :, i, j] = np.einsum("nohw,nchw->oc", dy[:, o].astype(np.float64), xp[at])
    (top, _), (left, _) = pads
    return dxp[:, :, top : top + x.shape[2], left : left + x.shape[3]], dw


def channels_last(x):
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def case(parameters, dtype, seed=0):
    n, c, h, wd, out, kernel_size, *rest = parameters
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, c, h, wd)).astype(dtype)
    w = (rng.standard_normal((out, c // rest[-1], *kernel_size)) / np.sqrt(c * kernel_size[0])).astype(dtype)
    return x, w, rng.standard_normal(out).astype(dtype), rest


def close(a, b, dtype):
    scale = max(1.0, np.abs(b).max(initial=0))
    assert np.abs(a - b).max(initial=0) <= scale * (5e-5 if dtype is np.float32 else 1e-12)


@pytest.mark.parametrize("parameters", CASES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", [channels_last, np.ascontiguousarray], ids=["nhwc", "nchw"])
def test_against_the_naive_sum(parameters, dtype, layout):
    x, w, bias, rest = case(parameters, dtype)
    hwio = np.ascontiguousarray(w.transpose(2, 3, 1, 0))
    expected = naive(x, w, bias, *rest)
    x, y = layout(x), layout(np.full(expected.shape, np.nan, dtype))
    conv.forward(y, x, hwio, bias, *rest)
    close(y, expected, dtype)
    conv.forward(y, x, hwio, None, *rest)
    close(y, naive(x, w, None, *rest), dtype)

    dy = layout(np.random.default_rng(1).standard_normal(expected.shape).astype(dtype))
    dx_expected, dw_expected = naive_gradients(x, w, dy, *rest)
    dx, dw = layout(np.full(x.shape, np.nan, dtype)), np.full(hwio.shape, np.nan, dtype)
    conv.backward_data(dx, dy, hwio, *rest)
    close(dx, dx_expected, dtype)
    conv.backward_weights(dw, x, dy, np.array([0, len(x)]), *rest)
    close(dw, dw_expected.transpose(2, 3, 1, 0), dtype)
    db = np.empty(len(bias), dtype)
    conv.backward_bias(db, dy, np.array([0, len(x)]))
    close(db, dy.astype(np.float64).sum((0, 2, 3)), dtype)


@pytest.mark.parametrize("parameters", [*CASES[:12], *CASES[-6:-1]], ids=str)
def test_an_image_does_not_depend_on_its_batch_nor_on_threads(parameters):
    x, w, bias, rest = case((7, *parameters[1:]), np.float32)
    hwio = np.ascontiguousarray(w.transpose(2, 3, 1, 0))
    shape = naive(x[:1], w, bias, *rest).shape[1:]
    y, alone = channels_last(np.empty((7, *shape), np.float32)), channels_last(np.empty((1, *shape), np.float32))
    conv.forward(y, channels_last(x), hwio, bias, *rest)
    dx, dx_alone = channels_last(np.empty_like(x)), channels_last(np.empty_like(x[:1]))
    conv.backward_data(dx, y, hwio, *rest)
    dw, dw_one = np.empty_like(hwio), np.empty_like(hwio)
    conv.backward_weights(dw, channels_last(x), y, np.array([1, 3, 6]), *rest)
    before = kernel.num_threads()
    kernel.set_num_threads(1)
    try:
        for i in range(7):
            conv.forward(alone, channels_last(x[i : i + 1]), hwio, bias, *rest)
            assert np.array_equal(alone[0], y[i])
            conv.backward_data(dx_alone, y[i : i + 1], hwio, *rest)
            assert np.array_equal(dx_alone[0], dx[i])
        conv.backward_weights(dw_one, x[1:6], np.ascontiguousarray(y[1:6]), np.array([0, 2, 5]), *rest)
    finally:
        kernel.set_num_threads(before)
    assert np.array_equal(dw, dw_one)


def test_an_empty_batch():
    w = np.ones((3, 3, 2, 4), np.float32)
    dw = np.ones_like(w)
    x, y = np.empty((0, 2, 5, 5), np.float32), np.empty((0, 4, 3, 3), np.float32)
    conv.forward(y, x, w, None, (1, 1), (0, 0), (1, 1), 1)
    conv.backward_data(x, y, w, (1, 1), (0, 0), (1, 1), 1)
    conv.backward_weights(dw, x, y, np.array([0, 0]), (1, 1), (0, 0), (1, 1), 1)
    assert not dw.any()
