"""Rows for norms of oneself and one's neighbours, learned activations, functions of single values, penalties."""

import math

import numpy as np

from sparkdl import nn
from tests.nn.case import Case, positive

PICTURE = (2, 4, 5, 3)


def normalised(x, axes, eps=1e-5):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def root_mean_square(x, axes, eps):
    return x / np.sqrt((x**2).mean(axes, keepdims=True) + eps)


def shaped(a, x):
    return a.reshape(1, -1, *[1] * (x.ndim - 2))


def group_norm(layer, x):
    parts = x.reshape(len(x), layer.num_groups, -1)
    y = normalised(parts, 2, layer.eps).reshape(x.shape)
    return y * shaped(layer.weight.value, x) + shaped(layer.bias.value, x) if layer.affine else y


def response_norm(layer, x):
    y = np.zeros_like(x)
    for c in range(x.shape[1]):
        low, high = max(0, c - layer.size // 2), c + (layer.size - 1) // 2 + 1
        total = (x[:, low:high] ** 2).sum(1)
        y[:, c] = x[:, c] / (layer.k + layer.alpha / layer.size * total) ** layer.beta
    return y


def within_channel(layer, x):
    half, y = layer.size // 2, np.zeros_like(x)
    for i, j in np.ndindex(x.shape[2:]):
        part = x[:, :, max(0, i - half) : i + half + 1, max(0, j - half) : j + half + 1]
        scale = 1 + layer.alpha / layer.size**2 * (part**2).sum((2, 3))
        y[:, :, i, j] = x[:, :, i, j] / scale**layer.beta
    return y


def blurred(layer, v):
    """The weighted mean of all channels around each place; weights outside do not count."""
    kernel = np.ones((9, 9)) if layer.kernel is None else np.asarray(layer.kernel, float)
    kernel = np.outer(kernel, kernel) if kernel.ndim == 1 else kernel
    y, (height, width) = np.zeros((len(v), *v.shape[2:])), v.shape[2:]
    for i, j in np.ndindex(height, width):
        total = weight = 0
        for a, b in np.ndindex(kernel.shape):
            p, q = i + a - kernel.shape[0] // 2, j + b - kernel.shape[1] // 2
            if 0 <= p < height and 0 <= q < width:
                total, weight = total + kernel[a, b] * v[:, :, p, q].mean(1), weight + kernel[a, b]
        y[:, i, j] = total / weight
    return y[:, None], np.array([[inside(kernel, i, j, height, width) for j in range(width)] for i in range(height)])


def inside(kernel, i, j, height, width):
    a, b = np.indices(kernel.shape)
    p, q = i + a - kernel.shape[0] // 2, j + b - kernel.shape[1] // 2
    return kernel[(p >= 0) & (p < height) & (q >= 0) & (q < width)].sum() / kernel.sum()


def subtractive(layer, x):
    return x - blurred(layer, x)[0]


def divisive(layer, x):
    mean, share = blurred(layer, x**2)
    deviation = np.sqrt(mean * share) / share  # Torch7 divides the root of the plain sum by the share
    return x / np.where(deviation > layer.threshold, deviation, layer.threshold)


def p_norm(layer, x):
    return x / (abs(x) ** layer.p).sum(layer.dim, keepdims=True) ** (1 / layer.p)


def prelu(layer, x):
    w = layer.weight.value
    return np.where(x > 0, x, x * (w if len(w) == 1 else shaped(w, x)))


def srelu(layer, x):
    tl, al, ar = (getattr(layer, n).value for n in ("t_left", "a_left", "a_right"))
    tr = tl + abs(layer.t_right.value)
    return np.where(x >= tr, tr + ar * (x - tr), np.where(x <= tl, tl + al * (x - tl), x))


def rrelu(layer, x):
    return np.where(x > 0, x, x * (layer.lower + layer.upper) / 2)


def same(layer, x):
    return x


KERNEL = (1.0, 2.0, 1.0)

CASES = {
    "LayerNorm": Case(
        lambda: nn.LayerNorm(5),
        (3, 4, 5),
        lambda layer, x: normalised(x, 2) * layer.weight.value + layer.bias.value,
        torch=lambda t: t.nn.LayerNorm(5),
        tolerance=2e-5,
        bad=[((3, 4), r"\(batch, \*, 5\)")],
        refused=[(lambda: nn.LayerNorm(0), "normalized_shape")],
    ),
    "LayerNorm, several axes, without bias": Case(
        lambda: nn.LayerNorm((4, 5), 1e-3, bias=False),
        (3, 4, 5),
        lambda layer, x: normalised(x, (1, 2), 1e-3) * layer.weight.value,
        torch=lambda t: t.nn.LayerNorm((4, 5), 1e-3, bias=False),
        tolerance=2e-5,
    ),
    "LayerNorm, without weights": Case(
        lambda: nn.LayerNorm(5, elementwise_affine=False),
        (3, 5),
        lambda layer, x: normalised(x, 1),
        torch=lambda t: t.nn.LayerNorm(5, elementwise_affine=False),
        tolerance=2e-5,
    ),
    "RMSNorm": Case(
        lambda: nn.RMSNorm(5),
        (3, 4, 5),
        lambda layer, x: root_mean_square(x, (2,), np.finfo(layer.dtype).eps) * layer.weight.value,
        torch=lambda t: t.nn.RMSNorm(5),
        tolerance=2e-5,
        bad=[((3, 4), r"\(batch, \*, 5\)")],
        refused=[(lambda: nn.RMSNorm(0), "normalized_shape")],
    ),
    "RMSNorm, several axes, without weights": Case(
        lambda: nn.RMSNorm((4, 5), 1e-2, elementwise_affine=False),
        (3, 4, 5),
        lambda layer, x: root_mean_square(x, (1, 2), 1e-2),
        torch=lambda t: t.nn.RMSNorm((4, 5), 1e-2, elementwise_affine=False),
    ),
    "GroupNorm": Case(
        lambda: nn.GroupNorm(2, 4),
        PICTURE,
        group_norm,
        torch=lambda t: t.nn.GroupNorm(2, 4),
        tolerance=2e-5,
        bad=[((2, 3, 5, 3), r"\(batch, 4, \*\)")],
        refused=[(lambda: nn.GroupNorm(3, 4), "do not divide")],
    ),
    "GroupNorm, of vectors, without weights": Case(
        lambda: nn.GroupNorm(2, 4, affine=False),
        (3, 4),
        group_norm,
        torch=lambda t: t.nn.GroupNorm(2, 4, affine=False),
        tolerance=5e-5,
    ),
    "InstanceNorm1d": Case(
        lambda: nn.InstanceNorm1d(4),
        (3, 4, 6),
        group_norm,
        torch=lambda t: t.nn.InstanceNorm1d(4),
        tolerance=2e-5,
        bad=[((3, 5, 6), "batch, 4, length")],
    ),
    "InstanceNorm2d": Case(
        lambda: nn.InstanceNorm2d(4, affine=True),
        PICTURE,
        group_norm,
        torch=lambda t: t.nn.InstanceNorm2d(4, affine=True),
        tolerance=2e-5,
        bad=[((2, 4, 5), "height, width")],
    ),
    "InstanceNorm3d": Case(
        lambda: nn.InstanceNorm3d(2),
        (2, 2, 3, 2, 4),
        group_norm,
        torch=lambda t: t.nn.InstanceNorm3d(2),
        tolerance=2e-5,
    ),
    "LocalResponseNorm": Case(
        lambda: nn.LocalResponseNorm(3, 0.5, 0.7, 2.0),
        PICTURE,
        response_norm,
        torch=lambda t: t.nn.LocalResponseNorm(3, 0.5, 0.7, 2.0),
        bad=[((2, 4), "places")],
        refused=[(lambda: nn.LocalResponseNorm(0), "size must be a whole number >= 1")],
    ),
    "LocalResponseNorm, even": Case(
        lambda: nn.LocalResponseNorm(4, 0.5),
        PICTURE,
        response_norm,
        torch=lambda t: t.nn.LocalResponseNorm(4, 0.5),
    ),
    "WithinChannelLRN": Case(
        lambda: nn.WithinChannelLRN(3, 0.5),
        PICTURE,
        within_channel,
        bad=[((2, 4, 5), "height, width")],
        refused=[(lambda: nn.WithinChannelLRN(4), "odd")],
    ),
    "SubtractiveNorm": Case(
        lambda: nn.SubtractiveNorm(4, KERNEL),
        PICTURE,
        subtractive,
        bad=[((2, 3, 5, 3), "batch, 4")],
        refused=[(lambda: nn.SubtractiveNorm(4, (1.0, 2.0)), "odd")],
    ),
    "SubtractiveNorm, nine by nine": Case(lambda: nn.SubtractiveNorm(4), PICTURE, subtractive),
    "DivisiveNorm": Case(
        lambda: nn.DivisiveNorm(4, np.array([[1.0, 2, 1], [0, 3, 1], [1, 1, 1]])),
        PICTURE,
        divisive,
        bad=[((2, 3, 5, 3), "batch, 4")],
    ),
    "DivisiveNorm, mostly at the threshold": Case(lambda: nn.DivisiveNorm(4, KERNEL, 1.0), PICTURE, divisive),
    "ContrastiveNorm": Case(
        lambda: nn.ContrastiveNorm(4, KERNEL),
        PICTURE,
        lambda layer, x: divisive(layer, subtractive(layer, x)),
    ),
    "Normalize": Case(
        nn.Normalize,
        (3, 4),
        p_norm,
        torch=lambda t: t.nn.functional.normalize,
        bad=[((3,), "no axis 1")],
        refused=[(lambda: nn.Normalize(0), "p must be > 0"), (lambda: nn.Normalize(dim=0), "axis 0 is the batch")],
    ),
    "Normalize, p 3, last axis": Case(
        lambda: nn.Normalize(3.0, -1),
        (3, 4, 5),
        p_norm,
        torch=lambda t: lambda x: t.nn.functional.normalize(x, 3.0, -1),
    ),
    "Normalize, by the largest": Case(
        lambda: nn.Normalize(float("inf")),
        (3, 4),
        lambda layer, x: x / abs(x).max(1, keepdims=True),
        torch=lambda t: lambda x: t.nn.functional.normalize(x, float("inf")),
    ),
    "NormalizeScale": Case(
        lambda: nn.NormalizeScale(4, scale=20.0),
        PICTURE,
        lambda layer, x: x / np.sqrt((x**2).sum(1, keepdims=True)) * shaped(layer.weight.value, x),
        bad=[((2, 3, 5), r"\(batch, 4, \*\)")],
        tolerance=2e-5,
    ),
    "ScaleShift": Case(
        lambda: nn.ScaleShift((4,)),
        PICTURE,
        lambda layer, x: x * shaped(layer.weight.value, x) + shaped(layer.bias.value, x),
        bad=[((2, 3, 5), "does not fit")],
        refused=[(lambda: nn.ScaleShift((4,), 1, False, False), "nothing to do")],
    ),
    "ScaleShift, only factors": Case(
        lambda: nn.ScaleShift((4, 1), shift=False),
        (3, 4, 5),
        lambda layer, x: x * layer.weight.value,
    ),
    "ScaleShift, only summands, a single one": Case(
        lambda: nn.ScaleShift((1,), scale=False),
        (3, 4),
        lambda layer, x: x + layer.bias.value,
    ),
    "PReLU": Case(nn.PReLU, (3, 4), prelu, torch=lambda t: t.nn.PReLU(), refused=[(lambda: nn.PReLU(0), ">= 1")]),
    "PReLU, per channel": Case(
        lambda: nn.PReLU(4),
        PICTURE,
        prelu,
        torch=lambda t: t.nn.PReLU(4),
        bad=[((2, 3, 5), r"\(batch, 4, \*\)")],
    ),
    "RReLU": Case(
        nn.RReLU, (3, 4), rrelu, None, torch=lambda t: t.nn.RReLU(), refused=[(lambda: nn.RReLU(2, 1), "lower")]
    ),
    "SReLU": Case(
        lambda: nn.SReLU((4, 5)),
        (3, 4, 5),
        srelu,
        bad=[((3, 5, 4), "batch, 4, 5")],
    ),
    "SReLU, shared": Case(
        lambda: nn.SReLU((4, 5), (2,)),
        (3, 4, 5),
        srelu,
        refused=[(lambda: nn.SReLU((4, 5), (3,)), "from 1 to 2")],
    ),
    "GLU": Case(
        nn.GLU,
        (3, 4, 6),
        lambda layer, x: x[..., :3] / (1 + np.exp(-x[..., 3:])),
        torch=lambda t: t.nn.GLU(),
        bad=[((3, 5), "halves")],
        refused=[(lambda: nn.GLU(0), "axis 0 is the batch")],
    ),
    "Abs": Case(nn.Abs, (3, 4), lambda layer, x: abs(x), torch=lambda t: t.abs),
    "Exp": Case(nn.Exp, (3, 4), lambda layer, x: np.exp(x), torch=lambda t: t.exp),
    "Log": Case(nn.Log, (3, 4), lambda layer, x: np.log(x), torch=lambda t: t.log, inputs=positive),
    "Sqrt": Case(nn.Sqrt, (3, 4), lambda layer, x: np.sqrt(x), torch=lambda t: t.sqrt, inputs=positive),
    "Square": Case(nn.Square, (3, 4), lambda layer, x: x**2, torch=lambda t: t.square),
    "Negative": Case(nn.Negative, (3, 4), lambda layer, x: -x, torch=lambda t: t.neg),
    "Reciprocal": Case(nn.Reciprocal, (3, 4), lambda layer, x: 1 / x, torch=lambda t: t.reciprocal, inputs=positive),
    "Erf": Case(nn.Erf, (3, 4), lambda layer, x: np.vectorize(math.erf, otypes=[float])(x), torch=lambda t: t.erf),
    "GradientReversal": Case(
        lambda: nn.GradientReversal(0.5),
        (3, 4),
        same,
        no_gradient="it returns another gradient on purpose; see test_special.py",
    ),
    "L1Penalty": Case(lambda: nn.L1Penalty(0.5), (3, 4), same, refused=[(lambda: nn.L1Penalty(-1), ">= 0")]),
    "ActivityRegularization": Case(
        lambda: nn.ActivityRegularization(0.5, 0.25),
        (3, 4),
        same,
        refused=[(lambda: nn.ActivityRegularization(-1), ">= 0")],
    ),
    "NegativeEntropyPenalty": Case(lambda: nn.NegativeEntropyPenalty(0.5), (3, 4), same, inputs=positive),
}
