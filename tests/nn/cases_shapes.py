"""Rows for padding, resizing, adaptive pooling, and the moving, choosing and reducing of values."""

import numpy as np

from sparkdl import nn
from tests.nn.case import Case, distinct


def padded(mode, pairs, **kwargs):
    """``numpy.pad`` of the places, then cropping where a number is below zero."""

    def reference(layer, x):
        x = np.pad(x, [(0, 0), (0, 0), *((max(a, 0), max(b, 0)) for a, b in pairs)], mode, **kwargs)
        return x[(..., *(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape[2:], pairs, strict=True)))]

    return reference


def adaptive(reduce):
    def reference(layer, x):
        for axis, m in enumerate(layer._wanted, start=2):
            n = x.shape[axis]
            m = n if m is None else m
            cuts = [range(i * n // m, -(-(i + 1) * n // m)) for i in range(m)]
            x = np.stack([reduce(x.take(c, axis), axis) for c in cuts], axis)
        return x

    return reference


def nearest(layer, x):
    for axis, (m, _) in enumerate(zip(*layer._sizes(x), strict=True), start=2):
        x = x.take([i * x.shape[axis] // m for i in range(m)], axis)
    return x


def interpolated(layer, x):
    """Straight lines between the centres of the places, axis by axis, by numpy.interp."""
    for axis, (m, factor) in enumerate(zip(*layer._sizes(x), strict=True), start=2):
        n = x.shape[axis]
        if layer.align_corners:
            at = np.linspace(0, n - 1, m)
        else:
            at = (np.arange(m) + 0.5) * (n / m if factor is None else 1 / factor) - 0.5
        x = np.apply_along_axis(lambda line, at=at: np.interp(at, np.arange(len(line)), line), axis, x)
    return x


def cubic(layer, x):
    """The whole sum over all places, with the kernel written out."""

    def weight(t, a=-0.75):
        t = abs(t)
        if t <= 1:
            return (a + 2) * t**3 - (a + 3) * t**2 + 1
        return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0

    for axis, (m, _) in enumerate(zip(*layer._sizes(x), strict=True), start=2):
        n = x.shape[axis]
        matrix = np.zeros((m, n))
        for i in range(m):
            at = (i + 0.5) * n / m - 0.5
            for k in range(int(np.floor(at)) - 1, int(np.floor(at)) + 3):
                matrix[i, min(max(k, 0), n - 1)] += weight(at - k)
        x = np.moveaxis(np.tensordot(x, matrix, (axis, 1)), -1, axis)
    return x


def shuffled(layer, x):
    r = layer.upscale_factor
    n, c, h, w = x.shape
    y = np.zeros((n, c // r**2, h * r, w * r))
    for i in range(r):
        for j in range(r):
            y[:, :, i::r, j::r] = x[:, i * r + j :: r * r]
    return y


def unshuffled(layer, x):
    r = layer.downscale_factor
    n, c, h, w = x.shape
    y = np.zeros((n, c * r * r, h // r, w // r))
    for i in range(r):
        for j in range(r):
            y[:, i * r + j :: r * r] = x[:, :, i::r, j::r]
    return y


def chosen(layer, x, mask):
    rows = [row[m != 0] for row, m in zip(x.reshape(len(x), -1), mask.reshape(len(x), -1), strict=True)]
    return np.array([np.concatenate([r, [layer.fill] * layer.size])[: layer.size] for r in rows])


def coin(rng, shape):
    return (rng.random(shape) < 0.5).astype(np.int64)


def mean_zero_steps(rng, shape):
    return rng.standard_normal(shape) * (rng.random((*shape[:2], 1)) < 0.6)


PICTURE, PAIRS = (2, 3, 5, 4), ((1, 2), (0, 3))

CASES = {
    "ConstantPad1d": Case(
        lambda: nn.ConstantPad1d((1, -2), 0.5),
        (2, 3, 5),
        padded("constant", [(1, -2)], constant_values=0.5),
        torch=lambda t: t.nn.ConstantPad1d((1, -2), 0.5),
        bad=[((2, 3), "length"), ((2, 3, 1), "nothing is left")],
    ),
    "ConstantPad2d": Case(
        lambda: nn.ConstantPad2d(1, 0.5),
        PICTURE,
        padded("constant", [(1, 1)] * 2, constant_values=0.5),
        torch=lambda t: t.nn.ConstantPad2d(1, 0.5),
    ),
    "ConstantPad3d": Case(
        lambda: nn.ConstantPad3d((1, 0, 0, 1, 2, -1), 2.0),
        (2, 2, 3, 2, 3),
        padded("constant", [(2, -1), (0, 1), (1, 0)], constant_values=2.0),
        torch=lambda t: t.nn.ConstantPad3d((1, 0, 0, 1, 2, -1), 2.0),
    ),
    "ZeroPad1d": Case(
        lambda: nn.ZeroPad1d(2), (2, 3, 5), padded("constant", [(2, 2)]), torch=lambda t: t.nn.ZeroPad1d(2)
    ),
    "ZeroPad2d": Case(
        lambda: nn.ZeroPad2d((0, 3, 1, 2)),
        PICTURE,
        padded("constant", PAIRS),
        torch=lambda t: t.nn.ZeroPad2d((0, 3, 1, 2)),
        refused=[(lambda: nn.ZeroPad2d((1, 2)), "4 of them")],
    ),
    "ZeroPad3d": Case(
        lambda: nn.ZeroPad3d(1),
        (2, 2, 3, 2, 3),
        padded("constant", [(1, 1)] * 3),
        torch=lambda t: t.nn.ZeroPad3d(1),
    ),
    "ReflectionPad1d": Case(
        lambda: nn.ReflectionPad1d((1, 3)),
        (2, 3, 5),
        padded("reflect", [(1, 3)]),
        torch=lambda t: t.nn.ReflectionPad1d((1, 3)),
        bad=[((2, 3, 3), "at most 2")],
    ),
    "ReflectionPad2d": Case(
        lambda: nn.ReflectionPad2d((0, 3, 1, 2)),
        PICTURE,
        padded("reflect", PAIRS),
        torch=lambda t: t.nn.ReflectionPad2d((0, 3, 1, 2)),
    ),
    "ReflectionPad3d": Case(
        lambda: nn.ReflectionPad3d(1),
        (2, 2, 3, 2, 3),
        padded("reflect", [(1, 1)] * 3),
        torch=lambda t: t.nn.ReflectionPad3d(1),
    ),
    "ReplicationPad1d": Case(
        lambda: nn.ReplicationPad1d((1, 7)),
        (2, 3, 5),
        padded("edge", [(1, 7)]),
        torch=lambda t: t.nn.ReplicationPad1d((1, 7)),
    ),
    "ReplicationPad2d": Case(
        lambda: nn.ReplicationPad2d((0, 3, 1, 2)),
        PICTURE,
        padded("edge", PAIRS),
        torch=lambda t: t.nn.ReplicationPad2d((0, 3, 1, 2)),
    ),
    "ReplicationPad3d": Case(
        lambda: nn.ReplicationPad3d(1),
        (2, 2, 3, 2, 3),
        padded("edge", [(1, 1)] * 3),
        torch=lambda t: t.nn.ReplicationPad3d(1),
    ),
    "CircularPad1d": Case(
        lambda: nn.CircularPad1d((1, 3)),
        (2, 3, 5),
        padded("wrap", [(1, 3)]),
        torch=lambda t: t.nn.CircularPad1d((1, 3)),
        bad=[((2, 3, 2), "at most 2")],
    ),
    "CircularPad2d": Case(
        lambda: nn.CircularPad2d((0, 3, 1, 2)),
        PICTURE,
        padded("wrap", PAIRS),
        torch=lambda t: t.nn.CircularPad2d((0, 3, 1, 2)),
    ),
    "CircularPad3d": Case(
        lambda: nn.CircularPad3d(1),
        (2, 2, 3, 2, 3),
        padded("wrap", [(1, 1)] * 3),
        torch=lambda t: t.nn.CircularPad3d(1),
    ),
    "Pad": Case(
        lambda: nn.Pad(((0, 1), (2, -1)), 0.5),
        (2, 3, 4, 5),
        lambda layer, x: np.pad(x, [(0, 0), (0, 0), (0, 1), (2, 0)], constant_values=0.5)[..., :-1],
        bad=[((2, 3), "does not fit")],
    ),
    "Crop1d": Case(
        lambda: nn.Crop1d(1), (2, 3, 5), lambda layer, x: x[..., 1:-1], bad=[((2, 3, 2), "nothing is left")]
    ),
    "Crop2d": Case(
        lambda: nn.Crop2d(((1, 0), (1, 2))),
        PICTURE,
        lambda layer, x: x[..., 1:, 1:2],
        refused=[(lambda: nn.Crop2d(((1, 0),)), "2 pairs")],
    ),
    "Crop3d": Case(
        lambda: nn.Crop3d(((1, 0), (0, 0), (1, 1))),
        (2, 2, 3, 2, 3),
        lambda layer, x: x[:, :, 1:, :, 1:2],
    ),
    "Upsample": Case(
        lambda: nn.Upsample(scale_factor=(2, 3)),
        PICTURE,
        nearest,
        torch=lambda t: t.nn.Upsample(scale_factor=(2, 3)),
        bad=[((2, 3), "places")],
        refused=[
            (lambda: nn.Upsample(), "size or scale_factor"),
            (lambda: nn.Upsample(2, mode="area"), "mode is one of"),
        ],
    ),
    "Upsample, sequences to a size": Case(
        lambda: nn.Upsample(7),
        (2, 3, 5),
        nearest,
        torch=lambda t: t.nn.Upsample(7),
    ),
    "Upsample, smaller": Case(
        lambda: nn.Upsample((3, 2)),
        (2, 3, 7, 5),
        nearest,
        torch=lambda t: t.nn.Upsample((3, 2)),
    ),
    "Upsample, volumes": Case(
        lambda: nn.Upsample(scale_factor=2),
        (2, 2, 2, 3, 2),
        nearest,
        torch=lambda t: t.nn.Upsample(scale_factor=2),
    ),
    "Upsample, linear": Case(
        lambda: nn.Upsample(7, mode="linear"),
        (2, 3, 5),
        interpolated,
        torch=lambda t: t.nn.Upsample(7, mode="linear"),
    ),
    "Upsample, bilinear": Case(
        lambda: nn.Upsample(scale_factor=2.5, mode="bilinear"),
        PICTURE,
        interpolated,
        torch=lambda t: (
            lambda x: t.nn.functional.interpolate(x, scale_factor=2.5, mode="bilinear", recompute_scale_factor=False)
        ),
    ),
    "Upsample, trilinear": Case(
        lambda: nn.Upsample(3, mode="trilinear"),
        (2, 2, 2, 4, 3),
        interpolated,
        torch=lambda t: t.nn.Upsample(3, mode="trilinear"),
    ),
    "Upsample, bicubic": Case(
        lambda: nn.Upsample((7, 3), mode="bicubic"),
        PICTURE,
        cubic,
        torch=lambda t: t.nn.Upsample((7, 3), mode="bicubic"),
    ),
    "ResizeBilinear": Case(
        lambda: nn.ResizeBilinear((7, 3), True),
        PICTURE,
        interpolated,
        torch=lambda t: t.nn.Upsample((7, 3), mode="bilinear", align_corners=True),
        bad=[((2, 3, 5), "rank")],
    ),
    "PixelShuffle": Case(
        lambda: nn.PixelShuffle(2),
        (2, 8, 3, 2),
        shuffled,
        torch=lambda t: t.nn.PixelShuffle(2),
        bad=[((2, 6, 3, 2), r"channels \* 4")],
        refused=[(lambda: nn.PixelShuffle(0), ">= 1")],
    ),
    "PixelUnshuffle": Case(
        lambda: nn.PixelUnshuffle(2),
        (2, 3, 4, 6),
        unshuffled,
        torch=lambda t: t.nn.PixelUnshuffle(2),
        bad=[((2, 3, 5, 6), r"height \* 2")],
        refused=[(lambda: nn.PixelUnshuffle(0), ">= 1")],
    ),
    "AdaptiveAvgPool1d": Case(
        lambda: nn.AdaptiveAvgPool1d(3),
        (2, 3, 7),
        adaptive(np.mean),
        torch=lambda t: t.nn.AdaptiveAvgPool1d(3),
    ),
    "AdaptiveAvgPool2d": Case(
        lambda: nn.AdaptiveAvgPool2d((3, None)),
        (2, 3, 5, 4),
        adaptive(np.mean),
        torch=lambda t: t.nn.AdaptiveAvgPool2d((3, None)),
        bad=[((2, 3, 5), "height, width")],
        refused=[(lambda: nn.AdaptiveAvgPool2d(0), "output_size")],
    ),
    "AdaptiveAvgPool3d": Case(
        lambda: nn.AdaptiveAvgPool3d((2, 1, 3)),
        (2, 2, 3, 4, 5),
        adaptive(np.mean),
        torch=lambda t: t.nn.AdaptiveAvgPool3d((2, 1, 3)),
    ),
    "AdaptiveMaxPool1d": Case(
        lambda: nn.AdaptiveMaxPool1d(3),
        (2, 3, 7),
        adaptive(np.max),
        torch=lambda t: t.nn.AdaptiveMaxPool1d(3),
        inputs=distinct,
    ),
    "AdaptiveMaxPool2d": Case(
        lambda: nn.AdaptiveMaxPool2d((3, 2)),
        (2, 3, 5, 4),
        adaptive(np.max),
        torch=lambda t: t.nn.AdaptiveMaxPool2d((3, 2)),
        inputs=distinct,
        bad=[((2, 3, 5), "height, width")],
    ),
    "AdaptiveMaxPool3d": Case(
        lambda: nn.AdaptiveMaxPool3d((2, 1, 3)),
        (2, 2, 3, 4, 5),
        adaptive(np.max),
        torch=lambda t: t.nn.AdaptiveMaxPool3d((2, 1, 3)),
        inputs=distinct,
    ),
    "Transpose": Case(
        lambda: nn.Transpose(1, -1),
        (2, 3, 4),
        lambda layer, x: x.swapaxes(1, 2),
        bad=[((2, 3), "axis")] * 0,
        torch=lambda t: lambda x: x.transpose(1, 2),
    ),
    "Permute": Case(
        lambda: nn.Permute((3, 1, 2)),
        (2, 3, 4, 5),
        lambda layer, x: x.transpose(0, 3, 1, 2),
        torch=lambda t: lambda x: x.permute(0, 3, 1, 2),
        bad=[((2, 3), "4 axes")],
        refused=[(lambda: nn.Permute((0, 1)), "order the axes")],
    ),
    "Squeeze": Case(
        nn.Squeeze,
        (2, 1, 3, 1),
        lambda layer, x: x.reshape(2, 3),
        torch=lambda t: lambda x: x.squeeze((1, 3)),
    ),
    "Squeeze, one axis": Case(
        lambda: nn.Squeeze(-1),
        (2, 1, 3, 1),
        lambda layer, x: x[..., 0],
        bad=[((2, 3), "not of size 1")],
    ),
    "Unsqueeze": Case(
        lambda: nn.Unsqueeze(-1), (2, 3), lambda layer, x: x[..., None], torch=lambda t: lambda x: x.unsqueeze(-1)
    ),
    "Unsqueeze, in front": Case(lambda: nn.Unsqueeze(1), (2, 3), lambda layer, x: x[:, None]),
    "Select": Case(
        lambda: nn.Select(2, -1),
        (2, 3, 4),
        lambda layer, x: x[:, :, 3],
        bad=[((2, 3), "no axis 2")],
    ),
    "Narrow": Case(
        lambda: nn.Narrow(1, 1, 2),
        (2, 4, 3),
        lambda layer, x: x[:, 1:3],
        bad=[((2, 2, 3), "does not fit")],
        torch=lambda t: lambda x: x.narrow(1, 1, 2),
    ),
    "Narrow, to the end": Case(lambda: nn.Narrow(-1, 1, -1), (2, 4, 3), lambda layer, x: x[..., 1:]),
    "Index": Case(
        nn.Index,
        ((3, 5, 2), (3, 4)),
        lambda layer, x, i: np.stack([a[j] for a, j in zip(x, i, strict=True)]),
        inputs=[None, lambda rng, s: rng.integers(0, 5, s)],
        bad=[(((3, 5), (3,)), "places")],
    ),
    "MaskedSelect": Case(
        lambda: nn.MaskedSelect(4, -1.0),
        ((3, 2, 3), (3, 2, 3)),
        chosen,
        inputs=[None, coin],
        bad=[(((3, 2), (3, 3)), "one shape")],
        refused=[(lambda: nn.MaskedSelect(0), "size")],
    ),
    "Masking": Case(
        nn.Masking,
        (2, 5, 3),
        lambda layer, x: x * (x != 0).any(2, keepdims=True),
        inputs=mean_zero_steps,
        no_gradient="a step of zeros counts as soon as one of them is moved",
        bad=[((2, 5), "steps")],
    ),
    "Masking, of a value": Case(
        lambda: nn.Masking(7.0),
        (2, 5, 3),
        lambda layer, x: x,
    ),
    "Replicate": Case(
        lambda: nn.Replicate(3, 2),
        (2, 4, 3),
        lambda layer, x: np.stack([x] * 3, 2),
        refused=[(lambda: nn.Replicate(0), "times must be a whole number >= 1")],
    ),
    "Repeat": Case(
        lambda: nn.Repeat(1, 3),
        (2, 4, 3),
        lambda layer, x: np.repeat(x, 3, 1),
        torch=lambda t: lambda x: x.repeat_interleave(3, 1),
        refused=[(lambda: nn.Repeat(0, 2), "Repeat")],
    ),
    "Tile": Case(
        lambda: nn.Tile(2, 3),
        (2, 4, 3),
        lambda layer, x: np.tile(x, (1, 1, 3)),
        torch=lambda t: lambda x: x.tile(1, 1, 3),
        refused=[(lambda: nn.Tile(0, 2), "Tile")],
    ),
    "Expand": Case(
        lambda: nn.Expand((4, -1, 2)),
        (3, 1, 5, 1),
        lambda layer, x: np.broadcast_to(x, (3, 4, 5, 2)),
        torch=lambda t: lambda x: x.expand(-1, 4, -1, 2),
        bad=[((3, 2, 5, 1), "does not fit")],
    ),
    "Reverse": Case(nn.Reverse, (2, 4, 3), lambda layer, x: x[:, ::-1], torch=lambda t: lambda x: x.flip(1)),
    "Stack": Case(
        lambda: nn.Stack(-1),
        ((2, 3), (2, 3)),
        lambda layer, a, b: np.stack([a, b], 2),
        torch=lambda t: lambda a, b: t.stack([a, b], 2),
        bad=[(((2, 3), (2, 4)), "one shape")],
    ),
    "Unbind": Case(
        lambda: nn.Unbind(3, 2),
        (2, 4, 3),
        lambda layer, x: (x[..., 0], x[..., 1], x[..., 2]),
        torch=lambda t: lambda x: x.unbind(2),
        bad=[((2, 4, 2), "not of size 3")],
        refused=[(lambda: nn.Unbind(0), "size must be a whole number >= 1")],
    ),
    "Split": Case(
        lambda: nn.Split((1, -1, 2)),
        (2, 6, 3),
        lambda layer, x: (x[:, :1], x[:, 1:4], x[:, 4:]),
        torch=lambda t: lambda x: x.split((1, 3, 2), 1),
        bad=[((2, 2, 3), "does not fit")],
        refused=[(lambda: nn.Split((1, 2), 0), "Split")],
    ),
    "Echo": Case(lambda: nn.Echo("seen"), (2, 3), lambda layer, x: x),
    "SelectInput": Case(
        lambda: nn.SelectInput(-1),
        ((2, 3), (2, 4)),
        lambda layer, a, b: b,
        bad=[],
    ),
    "NarrowInputs": Case(
        lambda: nn.NarrowInputs(1, 2),
        ((2, 3), (2, 4), (2, 5)),
        lambda layer, a, b, c: (b, c),
        bad=[(((2, 3), (2, 4)), "only 2 inputs")],
        refused=[(lambda: nn.NarrowInputs(0, 0), "length >= 1")],
    ),
    "Maximum": Case(
        nn.Maximum,
        ((2, 3, 4), (2, 1, 4), (2, 3, 4)),
        lambda layer, a, b, c: np.maximum(np.maximum(a, b), c),
        torch=lambda t: lambda a, b, c: t.maximum(t.maximum(a, b), c),
        bad=[(((2, 3), (2, 4)), "equal or 1")],
    ),
    "Minimum": Case(
        nn.Minimum,
        ((2, 3, 4), (2, 1, 4), (2, 3, 4)),
        lambda layer, a, b, c: np.minimum(np.minimum(a, b), c),
        torch=lambda t: lambda a, b, c: t.minimum(t.minimum(a, b), c),
        bad=[(((2, 3), (2, 4)), "equal or 1")],
    ),
    "Average": Case(
        nn.Average,
        ((2, 3, 4), (2, 1, 4), (2, 3, 4)),
        lambda layer, a, b, c: (a + b + c) / 3,
        bad=[(((2, 3), (2, 4)), "equal or 1")],
    ),
    "Where": Case(
        nn.Where,
        ((2, 3), (2, 3), (2, 1)),
        lambda layer, c, a, b: np.where(c != 0, a, b),
        inputs=[coin, None, None],
        torch=lambda t: lambda c, a, b: t.where(c != 0, a, b),
        bad=[(((2, 3), (2, 4), (2, 3)), "equal or 1")],
    ),
    "Mixture": Case(
        nn.Mixture,
        ((3, 2), (3, 4, 2), (3, 4, 2)),
        lambda layer, g, a, b: g[:, :1, None] * a + g[:, 1:, None] * b,
        bad=[(((3, 3), (3, 4), (3, 4)), "gate")],
    ),
    "ReduceSum": Case(
        lambda: nn.ReduceSum((1, 3)),
        (2, 3, 4, 5),
        lambda layer, x: x.sum((1, 3)),
        torch=lambda t: lambda x: x.sum((1, 3)),
        bad=[((2,), "batch")] * 0,
    ),
    "ReduceMean": Case(
        lambda: nn.ReduceMean((2,), True),
        (2, 3, 4),
        lambda layer, x: x.mean(2, keepdims=True),
        torch=lambda t: lambda x: x.mean(2, keepdim=True),
    ),
    "ReduceMax": Case(
        lambda: nn.ReduceMax((1, 2)),
        (2, 3, 4),
        lambda layer, x: x.max((1, 2)),
        torch=lambda t: lambda x: x.amax((1, 2)),
    ),
    "ReduceMin": Case(
        lambda: nn.ReduceMin((1,), True),
        (2, 3, 4),
        lambda layer, x: x.min(1, keepdims=True),
        torch=lambda t: lambda x: x.amin(1, keepdim=True),
    ),
    "ReduceLogSumExp": Case(
        lambda: nn.ReduceLogSumExp((1, 2)),
        (2, 3, 4),
        lambda layer, x: np.log(np.exp(x).sum((1, 2))),
        torch=lambda t: lambda x: t.logsumexp(x, (1, 2)),
    ),
    "Branches": Case(
        lambda: nn.Branches(nn.Tanh(), nn.Identity()),
        (2, 3),
        lambda layer, x: (np.tanh(x), x),
    ),
    "Parallel": Case(
        lambda: nn.Parallel(nn.Tanh(), nn.Identity()),
        ((2, 3), (2, 4)),
        lambda layer, a, b: (np.tanh(a), b),
        bad=[((2, 3), "as many inputs")],
    ),
    "ConcatBranches": Case(
        lambda: nn.ConcatBranches(nn.Tanh(), nn.Identity()),
        (2, 3),
        lambda layer, x: np.hstack([np.tanh(x), x]),
    ),
    "Map": Case(
        lambda: nn.Map(nn.Linear(3, 2)),
        ((2, 3), (2, 3)),
        lambda layer, a, b: tuple(x @ layer.module.weight.value.T + layer.module.bias.value for x in (a, b)),
    ),
    "Residual": Case(
        lambda: nn.Residual(nn.Linear(3, 3), nn.Tanh()),
        (2, 3),
        lambda layer, x: x + np.tanh(x @ layer[0].weight.value.T + layer[0].bias.value),
    ),
}
