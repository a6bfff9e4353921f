"""Convolutions, pooling, resizing and recurrent layers of random sizes and options, beside PyTorch, both ways."""

from __future__ import annotations

import numpy as np
import pytest

from sparkdl import nn

torch = pytest.importorskip("torch")
SEEDS = range(12)
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")


def same(layer, other, *xs, tolerance=3e-5):
    """Outputs and all gradients of ``layer`` and of PyTorch's ``other`` with the same state."""
    if hasattr(other, "load_state_dict"):
        other.load_state_dict({k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in layer.state_dict().items()})
    inputs = [torch.from_numpy(x.copy()).requires_grad_() for x in xs]
    wanted = other(*inputs)
    y = layer.train()(*xs)
    np.testing.assert_allclose(y, wanted.detach().numpy(), rtol=tolerance, atol=tolerance)
    dy = np.random.default_rng(1).standard_normal(y.shape).astype(np.float32)
    dxs = layer.backward(dy)
    wanted.backward(torch.from_numpy(dy))
    for dx, x in zip(dxs if isinstance(dxs, tuple) else (dxs,), inputs, strict=True):
        np.testing.assert_allclose(dx, x.grad.numpy(), rtol=10 * tolerance, atol=10 * tolerance)
    for name, parameter in getattr(other, "named_parameters", dict)() or ():
        ours = dict(layer.named_parameters())[name].gradient
        np.testing.assert_allclose(ours, parameter.grad.numpy(), rtol=20 * tolerance, atol=20 * tolerance, err_msg=name)


def picture(rng, channels, least):
    """A batch whose places are at least ``least``."""
    return rng.standard_normal(
        (int(rng.integers(1, 4)), channels, *(int(n + rng.integers(0, 6)) for n in least))
    ).astype(np.float32)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_convolutions(seed, rank):
    rng = np.random.default_rng(100 * rank + seed)
    groups = int(rng.choice([1, 1, 2, 3]))
    channels = [groups * int(rng.integers(1, 4)) for _ in range(2)]
    kernel, dilation = ([int(rng.integers(1, high)) for _ in range(rank)] for high in (5, 4))
    stride = [int(rng.integers(1, 4)) for _ in range(rank)]
    padding = "same" if rng.random() < 0.3 else [int(rng.integers(0, 4)) for _ in range(rank)]
    if padding == "same":
        stride = [1] * rank
    options = {
        "stride": tuple(stride), "dilation": tuple(dilation),
        "padding": padding if padding == "same" else tuple(padding),
        "groups": groups, "bias": bool(rng.random() < 0.5),
    }  # fmt: skip
    x = picture(rng, channels[0], [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)])
    name = f"Conv{rank}d"
    same(
        getattr(nn, name)(*channels, tuple(kernel), **options),
        getattr(torch.nn, name)(*channels, tuple(kernel), **options),
        x,
    )


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_transposed_convolutions(seed, rank):
    rng = np.random.default_rng(1000 * rank + seed)
    groups = int(rng.choice([1, 1, 2]))
    channels = [groups * int(rng.integers(1, 4)) for _ in range(2)]
    kernel, stride, dilation = (tuple(int(rng.integers(1, 4)) for _ in range(rank)) for _ in range(3))
    extra = tuple(int(rng.integers(0, max(s, d))) for s, d in zip(stride, dilation, strict=True))
    padding = tuple(int(rng.integers(0, d * (k - 1) + 1)) for k, d in zip(kernel, dilation, strict=True))
    options = {"stride": stride, "padding": padding, "output_padding": extra, "groups": groups, "dilation": dilation}
    x = picture(rng, channels[0], [3 + n for n in padding])
    name = f"ConvTranspose{rank}d"
    same(getattr(nn, name)(*channels, kernel, **options), getattr(torch.nn, name)(*channels, kernel, **options), x)


@pytest.mark.parametrize("kind", ["MaxPool", "AvgPool"])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_pooling(seed, rank, kind):
    rng = np.random.default_rng(10 * rank + seed)
    kernel, stride = (tuple(int(rng.integers(1, 5)) for _ in range(rank)) for _ in range(2))
    options = {
        "padding": tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel),
        "ceil_mode": bool(rng.random() < 0.5),
    }
    reach = kernel
    if kind == "MaxPool":
        options["dilation"] = tuple(int(rng.integers(1, 3)) for _ in range(rank))
        reach = [d * (k - 1) + 1 for k, d in zip(kernel, options["dilation"], strict=True)]
    else:
        options["count_include_pad"] = bool(rng.random() < 0.5)
        if rank > 1 and rng.random() < 0.3:
            options["divisor_override"] = 3
    x = picture(rng, 3, reach)
    x = rng.permutation(x.size).reshape(x.shape).astype(np.float32)  # no two are equal
    name = f"{kind}{rank}d"
    same(getattr(nn, name)(kernel, stride, **options), getattr(torch.nn, name)(kernel, stride, **options), x)


@pytest.mark.parametrize("kind", ["AdaptiveAvgPool", "AdaptiveMaxPool"])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_adaptive_pooling(seed, rank, kind):
    rng = np.random.default_rng(seed)
    x = picture(rng, 2, [1] * rank)
    size = tuple(int(rng.integers(1, 9)) for _ in range(rank))
    same(getattr(nn, f"{kind}{rank}d")(size), getattr(torch.nn, f"{kind}{rank}d")(size), x)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("seed", range(4))
def test_upsampling(seed, mode):
    rng = np.random.default_rng(seed)
    x = picture(rng, 2, [1, 2])
    size = tuple(int(rng.integers(1, 12)) for _ in range(2))
    options = {} if mode == "nearest" else {"align_corners": bool(seed % 2)}
    same(nn.Upsample(size, mode=mode, **options), torch.nn.Upsample(size, mode=mode, **options), x, tolerance=1e-4)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("seed", range(3))
def test_recurrent(seed, kind):
    """Every number of layers and directions; PyTorch runs each sample alone over its own length."""
    rng = np.random.default_rng(seed)
    sizes = {
        "input_size": int(rng.integers(1, 6)),
        "hidden_size": int(rng.integers(1, 6)),
        "num_layers": int(rng.integers(1, 4)),
    }
    sizes |= {"bias": bool(rng.random() < 0.7), "bidirectional": bool(rng.random() < 0.5)}
    ours, theirs = getattr(nn, kind)(**sizes), getattr(torch.nn, kind)(**sizes, batch_first=True)
    theirs.load_state_dict({k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in ours.state_dict().items()})
    x = rng.standard_normal((4, 5, sizes["input_size"])).astype(np.float32)
    lengths = np.array([5, 0, 1, 3])
    y = ours.train()(x, lengths)
    dy = rng.standard_normal(y.shape).astype(np.float32)
    for n, length in enumerate(lengths):
        dy[n, length:] = 0
    ours.zero_grad()
    ours(x, lengths)
    dx = ours.backward(dy)
    dx = dx[0] if isinstance(dx, tuple) else dx
    for n, length in enumerate(lengths):
        if not length:
            assert not dx[n].any()
            continue
        part = torch.from_numpy(x[n : n + 1, :length].copy()).requires_grad_()
        wanted = theirs(part)[0]
        np.testing.assert_allclose(y[n, :length], wanted[0].detach().numpy(), rtol=2e-5, atol=2e-6)
        wanted.backward(torch.from_numpy(dy[n : n + 1, :length].copy()))
        np.testing.assert_allclose(dx[n, :length], part.grad[0].numpy(), rtol=2e-4, atol=2e-5)
        assert not dx[n, length:].any()
    for name, parameter in theirs.named_parameters():
        np.testing.assert_allclose(
            dict(ours.named_parameters())[name].gradient, parameter.grad.numpy(), rtol=1e-3, atol=1e-4
        )
