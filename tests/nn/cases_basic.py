"""Rows for affine layers, convolution, pooling, batch normalisation, dropout and the moving of values."""

import itertools

import numpy as np

from sparkdl import nn
from tests.nn.case import Case, distinct, positive


def linear(layer, x):
    return x @ layer.weight.value.T + layer.bias.value


def convolution(layer, x):
    """The sum of the definition, one window at a time."""
    rank, windows = x.ndim - 2, layer.windows
    x = np.pad(x, [(0, 0), (0, 0), *windows.pads])
    w = layer.weight.value
    out = [
        (n - d * (k - 1) - 1) // s + 1
        for n, d, k, s in zip(x.shape[2:], windows.dilation, windows.kernel, windows.stride, strict=True)
    ]
    y = np.zeros((len(x), len(w), *out))
    per_in, per_out = w.shape[1], len(w) // layer.groups
    for o in range(len(w)):
        first = o // per_out * per_in
        for place in itertools.product(*map(range, out)):
            window = tuple(
                slice(p * s, p * s + d * (k - 1) + 1, d)
                for p, s, d, k in zip(place, windows.stride, windows.dilation, windows.kernel, strict=True)
            )
            part = x[(slice(None), slice(first, first + per_in), *window)]
            y[(slice(None), o, *place)] = (part * w[o]).sum(axis=tuple(range(1, rank + 2)))
    return y if layer.bias is None else y + layer.bias.value.reshape(-1, *[1] * rank)


def pooled(layer, x, reduce):
    """``reduce`` of the values of each window that lie in the picture."""
    windows = layer.windows
    out = windows.out(layer, x.shape[2:], layer.ceil_mode)
    y = np.zeros((*x.shape[:2], *out))
    for place in itertools.product(*map(range, out)):
        lists = [
            [p * s - pad + i * d for i in range(k)]
            for p, s, d, k, (pad, _) in zip(
                place, windows.stride, windows.dilation, windows.kernel, windows.pads, strict=True
            )
        ]
        inside = [[i for i in each if 0 <= i < n] for each, n in zip(lists, x.shape[2:], strict=True)]
        padded = [
            [i for i in each if i < n + pad] for each, n, (pad, _) in zip(lists, x.shape[2:], windows.pads, strict=True)
        ]
        values = x[np.ix_(range(len(x)), range(x.shape[1]), *inside)].reshape(*x.shape[:2], -1)
        y[(..., *place)] = reduce(values, np.prod([len(each) for each in padded]))
    return y


def max_pool(layer, x):
    return pooled(layer, x, lambda values, count: values.max(-1))


def avg_pool(layer, x):
    def mean(values, count):
        count = count if layer.count_include_pad else values.shape[-1]
        return values.sum(-1) / (layer.divisor_override or count)

    return pooled(layer, x, mean)


def shaped(a, x):
    return a.reshape(1, -1, *[1] * (x.ndim - 2))


def batch_norm(layer, x, mean=None, var=None):
    mean = layer.running_mean if mean is None else mean
    var = layer.running_var if var is None else var
    y = (x - shaped(mean, x)) / np.sqrt(shaped(var, x) + layer.eps)
    return y * shaped(layer.weight.value, x) + shaped(layer.bias.value, x) if layer.affine else y


def batch_norm_training(layer, x):
    axes = (0, *range(2, x.ndim))
    return batch_norm(layer, x, x.mean(axes), x.var(axes))


def same(layer, *xs):
    return xs[0]


def folded(x, low, high):
    return x.reshape(*x.shape[:low], -1, *x.shape[high + 1 :])


CASES = {
    "Linear": Case(
        lambda: nn.Linear(4, 3),
        (5, 4),
        linear,
        torch=lambda t: t.nn.Linear(4, 3),
        bad=[((5, 3), r"\(batch, \*, 4\)"), ((4,), "got")],
        refused=[(lambda: nn.Linear(0, 3), "in_features must be a whole number >= 1")],
    ),
    "Linear, without bias, of sequences": Case(
        lambda: nn.Linear(4, 3, bias=False),
        (5, 2, 4),
        lambda layer, x: x @ layer.weight.value.T,
        torch=lambda t: t.nn.Linear(4, 3, bias=False),
    ),
    "Linear, four axes": Case(lambda: nn.Linear(4, 3), (2, 5, 3, 4), linear, torch=lambda t: t.nn.Linear(4, 3)),
    "Linear, large": Case(lambda: nn.Linear(70, 33), (40, 70), linear, torch=lambda t: t.nn.Linear(70, 33)),
    "Conv1d": Case(
        lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2),
        (3, 4, 11),
        convolution,
        torch=lambda t: t.nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2),
        bad=[((3, 4, 2), "exceeds"), ((3, 5, 11), "batch, 4, length")],
    ),
    "Conv2d": Case(
        lambda: nn.Conv2d(3, 4, 3),
        (2, 3, 6, 5),
        convolution,
        torch=lambda t: t.nn.Conv2d(3, 4, 3),
        bad=[((2, 4, 6, 5), "batch, 3, height, width"), ((2, 3, 6), "got"), ((2, 3, 2, 6), "exceeds")],
        refused=[
            (lambda: nn.Conv2d(3, 4, 0), "kernel_size"),
            (lambda: nn.Conv2d(3, 4, 3, groups=2), "2 groups do not divide"),
            (lambda: nn.Conv2d(3, 4, 3, stride=2, padding="same"), "stride 1"),
            (lambda: nn.Conv2d(3, 4, (1, 2, 3)), "2 of them"),
        ],
    ),
    "Conv2d, strided, padded, dilated": Case(
        lambda: nn.Conv2d(3, 4, (3, 2), (2, 1), (1, 2), (1, 2), bias=False),
        (2, 3, 7, 6),
        convolution,
        torch=lambda t: t.nn.Conv2d(3, 4, (3, 2), (2, 1), (1, 2), (1, 2), bias=False),
    ),
    "Conv2d, groups": Case(
        lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2),
        (2, 4, 5, 5),
        convolution,
        torch=lambda t: t.nn.Conv2d(4, 6, 3, padding=1, groups=2),
    ),
    "Conv2d, depthwise": Case(
        lambda: nn.Conv2d(3, 6, 3, padding="same", groups=3),
        (2, 3, 5, 4),
        convolution,
        torch=lambda t: t.nn.Conv2d(3, 6, 3, padding="same", groups=3),
    ),
    "Conv2d, of single pixels": Case(
        lambda: nn.Conv2d(5, 4, 1, stride=2),
        (2, 5, 5, 4),
        convolution,
        torch=lambda t: t.nn.Conv2d(5, 4, 1, stride=2),
    ),
    "Conv2d, same": Case(lambda: nn.Conv2d(2, 3, (2, 4), padding="same"), (2, 2, 5, 6), convolution),
    "Conv3d": Case(
        lambda: nn.Conv3d(2, 4, (2, 3, 1), (2, 1, 1), (1, 1, 0), groups=2),
        (2, 2, 5, 4, 3),
        convolution,
        torch=lambda t: t.nn.Conv3d(2, 4, (2, 3, 1), (2, 1, 1), (1, 1, 0), groups=2),
        bad=[((2, 2, 5, 4), "depth, height, width")],
    ),
    "MaxPool1d": Case(
        lambda: nn.MaxPool1d(3, 2, 1),
        (2, 3, 8),
        max_pool,
        torch=lambda t: t.nn.MaxPool1d(3, 2, 1),
        inputs=distinct,
        bad=[((2, 3, 8, 2), "length")],
    ),
    "MaxPool2d": Case(
        lambda: nn.MaxPool2d(2),
        (2, 3, 6, 5),
        max_pool,
        torch=lambda t: t.nn.MaxPool2d(2),
        inputs=distinct,
        bad=[((2, 3, 1, 5), "exceeds"), ((2, 3, 5), "height, width")],
        refused=[(lambda: nn.MaxPool2d(2, padding=2), "half"), (lambda: nn.MaxPool2d(2.5), "kernel_size")],
    ),
    "MaxPool2d, overlapping, dilated, with a rest": Case(
        lambda: nn.MaxPool2d(3, 2, 1, (1, 2), ceil_mode=True),
        (2, 3, 8, 9),
        max_pool,
        torch=lambda t: t.nn.MaxPool2d(3, 2, 1, (1, 2), ceil_mode=True),
        inputs=distinct,
    ),
    "MaxPool3d": Case(
        lambda: nn.MaxPool3d(2, (1, 2, 2)),
        (2, 2, 3, 4, 5),
        max_pool,
        torch=lambda t: t.nn.MaxPool3d(2, (1, 2, 2)),
        inputs=distinct,
    ),
    "AvgPool1d": Case(
        lambda: nn.AvgPool1d(3, 2, 1),
        (2, 3, 8),
        avg_pool,
        torch=lambda t: t.nn.AvgPool1d(3, 2, 1),
    ),
    "AvgPool2d": Case(
        lambda: nn.AvgPool2d(2),
        (2, 3, 6, 5),
        avg_pool,
        torch=lambda t: t.nn.AvgPool2d(2),
        bad=[((2, 3, 1, 5), "exceeds")],
    ),
    "AvgPool2d, overlapping with a rest": Case(
        lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True),
        (2, 3, 8, 9),
        avg_pool,
        torch=lambda t: t.nn.AvgPool2d(3, 2, 1, ceil_mode=True),
    ),
    "AvgPool2d, without padding in the mean": Case(
        lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
        (2, 3, 8, 9),
        avg_pool,
        torch=lambda t: t.nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
    ),
    "AvgPool2d, own divisor": Case(
        lambda: nn.AvgPool2d((2, 3), divisor_override=5),
        (2, 3, 6, 6),
        avg_pool,
        torch=lambda t: t.nn.AvgPool2d((2, 3), divisor_override=5),
    ),
    "AvgPool3d": Case(
        lambda: nn.AvgPool3d(2, 2, 1),
        (2, 2, 3, 4, 5),
        avg_pool,
        torch=lambda t: t.nn.AvgPool3d(2, 2, 1),
    ),
    "GlobalAvgPool": Case(
        nn.GlobalAvgPool,
        (3, 4, 5, 2),
        lambda layer, x: x.mean((2, 3)),
        torch=lambda t: lambda x: x.mean((2, 3)),
        bad=[((3, 4), "places")],
    ),
    "GlobalMaxPool": Case(
        nn.GlobalMaxPool,
        (3, 4, 5, 2),
        lambda layer, x: x.max((2, 3)),
        torch=lambda t: lambda x: x.amax((2, 3)),
        inputs=distinct,
        bad=[((3, 4), "places")],
    ),
    "BatchNorm1d": Case(
        lambda: nn.BatchNorm1d(4),
        (6, 4),
        batch_norm,
        batch_norm_training,
        torch=lambda t: t.nn.BatchNorm1d(4),
        tolerance=2e-5,
        bad=[((6, 5), r"\(batch, 4\) or \(batch, 4, length\)")],
        refused=[(lambda: nn.BatchNorm1d(0), "num_features")],
    ),
    "BatchNorm1d, of sequences, plain mean of statistics": Case(
        lambda: nn.BatchNorm1d(4, momentum=None, affine=False),
        (6, 4, 3),
        batch_norm,
        batch_norm_training,
        torch=lambda t: t.nn.BatchNorm1d(4, momentum=None, affine=False),
        tolerance=2e-5,
    ),
    "BatchNorm2d": Case(
        lambda: nn.BatchNorm2d(3, eps=1e-3, momentum=0.3),
        (4, 3, 2, 5),
        batch_norm,
        batch_norm_training,
        torch=lambda t: t.nn.BatchNorm2d(3, eps=1e-3, momentum=0.3),
        tolerance=2e-5,
        bad=[((4, 3, 2), "height, width")],
        refused=[(lambda: nn.BatchNorm2d(3, track_running_stats=False, fixed=True), "needs running statistics")],
    ),
    "BatchNorm2d, without running statistics": Case(
        lambda: nn.BatchNorm2d(3, track_running_stats=False),
        (4, 3, 2, 5),
        batch_norm_training,
        torch=lambda t: t.nn.BatchNorm2d(3, track_running_stats=False),
        tolerance=2e-5,
        mixes="the statistics are those of the batch",
    ),
    "BatchNorm2d, fixed": Case(
        lambda: nn.Sequential(nn.BatchNorm2d(3, fixed=True)),
        (4, 3, 2, 5),
        lambda layer, x: batch_norm(layer[0], x),
    ),
    "BatchNorm3d": Case(
        lambda: nn.BatchNorm3d(2),
        (4, 2, 2, 3, 2),
        batch_norm,
        batch_norm_training,
        torch=lambda t: t.nn.BatchNorm3d(2),
        tolerance=2e-5,
    ),
    "BatchNorm2d, of each shard": Case(
        lambda: nn.BatchNorm2d(3, sync=False),
        (4, 3, 2, 5),
        batch_norm,
        batch_norm_training,
        tolerance=2e-5,
    ),
    "Dropout": Case(
        nn.Dropout,
        (4, 6),
        same,
        None,
        torch=lambda t: t.nn.Dropout(),
        refused=[(lambda: nn.Dropout(1.5), "0 .. 1"), (lambda: nn.Dropout(float("nan")), "nan")],
    ),
    "Dropout, of everything": Case(lambda: nn.Dropout(1.0), (4, 6), same, lambda layer, x: x * 0),
    "Dropout, of nothing": Case(lambda: nn.Dropout(0.0), (4, 6), same, torch=lambda t: t.nn.Dropout(0.0)),
    "Dropout1d": Case(nn.Dropout1d, (4, 6, 3), same, None, bad=[((4, 6), "3 axes")]),
    "Dropout2d": Case(nn.Dropout2d, (4, 6, 3, 2), same, None, bad=[((4, 6), "4 axes")]),
    "Dropout3d": Case(nn.Dropout3d, (4, 6, 3, 2, 2), same, None, bad=[((4, 6), "5 axes")]),
    "AlphaDropout": Case(nn.AlphaDropout, (4, 6), same, None),
    "GaussianDropout": Case(
        nn.GaussianDropout,
        (4, 6),
        same,
        None,
        refused=[(lambda: nn.GaussianDropout(1.0), "without 1")],
    ),
    "GaussianNoise": Case(
        lambda: nn.GaussianNoise(0.5),
        (4, 6),
        same,
        None,
        refused=[(lambda: nn.GaussianNoise(-1.0), ">= 0")],
    ),
    "Identity": Case(nn.Identity, (3, 2, 4), same, torch=lambda t: t.nn.Identity()),
    "Flatten": Case(
        nn.Flatten,
        (3, 2, 4, 5),
        lambda layer, x: folded(x, 1, 3),
        torch=lambda t: t.nn.Flatten(),
        refused=[(lambda: nn.Flatten(0), "axis 0 is the batch")],
    ),
    "Flatten, some axes": Case(
        lambda: nn.Flatten(2, 3),
        (3, 2, 4, 5, 2),
        lambda layer, x: folded(x, 2, 3),
        torch=lambda t: t.nn.Flatten(2, 3),
        bad=[((3, 2), "cannot join"), ((3, 2, 4), "cannot join")],
    ),
    "Reshape": Case(
        lambda: nn.Reshape((3, -1)),
        (2, 4, 6),
        lambda layer, x: x.reshape(2, 3, 8),
        torch=lambda t: lambda x: x.reshape(2, 3, 8),
        bad=[((2, 5), "hold 5 values")],
        refused=[
            (lambda: nn.Reshape((-1, -1)), "at most one -1"),
            (lambda: nn.Reshape(784), "shape must be several whole numbers"),
        ],
    ),
    "Concat": Case(
        nn.Concat,
        ((3, 2, 4), (3, 5, 4)),
        lambda layer, a, b: np.concatenate([a, b], 1),
        torch=lambda t: lambda a, b: t.cat([a, b], 1),
        bad=[(((3, 2, 4), (3, 2, 5)), "differ elsewhere")],
        refused=[(lambda: nn.Concat(0), "axis 0 is the batch")],
    ),
    "Add": Case(
        nn.Add,
        ((3, 2, 4), (3, 1, 4), (3, 2, 1)),
        lambda layer, a, b, c: a + b + c,
        torch=lambda t: lambda a, b, c: a + b + c,
        bad=[(((3, 2), (3, 5)), "shapes")],
    ),
    "Sub": Case(nn.Sub, ((3, 2, 4), (3, 1, 4)), lambda layer, a, b: a - b, torch=lambda t: lambda a, b: a - b),
    "Mul": Case(
        nn.Mul,
        ((3, 2, 4), (3, 1, 4), (3, 2, 4)),
        lambda layer, a, b, c: a * b * c,
        torch=lambda t: lambda a, b, c: a * b * c,
    ),
    "Div": Case(
        nn.Div,
        ((3, 2, 4), (3, 1, 4)),
        lambda layer, a, b: a / b,
        torch=lambda t: lambda a, b: a / b,
        inputs=positive,
    ),
    "AddConstant": Case(lambda: nn.AddConstant(2.5), (3, 2), lambda layer, x: x + 2.5),
    "MulConstant": Case(lambda: nn.MulConstant(2.5), (3, 2), lambda layer, x: x * 2.5),
    "MulConstant, an array": Case(
        lambda: nn.MulConstant(np.array([0.5, 3.0])),
        (3, 2),
        lambda layer, x: x * np.array([0.5, 3.0]),
    ),
    "Power": Case(
        lambda: nn.Power(2.5, 0.5, 1.0),
        (3, 2),
        lambda layer, x: (1 + 0.5 * x) ** 2.5,
        inputs=positive,
        torch=lambda t: lambda x: (1 + 0.5 * x) ** 2.5,
    ),
    "MatMul": Case(
        nn.MatMul,
        ((3, 2, 4), (3, 4, 5)),
        lambda layer, a, b: a @ b,
        torch=lambda t: lambda a, b: a @ b,
        bad=[(((3, 2, 4), (3, 3, 5)), "batch")],
    ),
    "MatMul, transposed": Case(
        lambda: nn.MatMul(True, True),
        ((3, 4, 2), (3, 5, 4)),
        lambda layer, a, b: a.swapaxes(1, 2) @ b.swapaxes(1, 2),
        torch=lambda t: lambda a, b: a.transpose(1, 2) @ b.transpose(1, 2),
    ),
    "GaussianSampler": Case(
        nn.GaussianSampler,
        ((3, 4), (3, 4)),
        None,
        None,
        bad=[(((3, 4), (3, 5)), "one shape")],
    ),
}
