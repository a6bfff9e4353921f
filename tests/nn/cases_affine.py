"""Rows for affine layers beside Linear, transposed and special convolutions, distances and products."""

import collections
import itertools

import numpy as np

from sparkdl import nn
from tests.nn.case import Case, positive
from tests.nn.cases_basic import convolution


def conv_transpose(layer, x):
    """Each value of the input adds its weights to a window of the output."""
    w, windows = layer.weight.value, layer.windows
    per_in, per_out = len(w) // layer.groups, w.shape[1]
    full = [
        (n - 1) * s + d * (k - 1) + 1 + m
        for n, s, d, k, m in zip(x.shape[2:], windows.stride, windows.dilation, windows.kernel, layer.more, strict=True)
    ]
    y = np.zeros((len(x), layer.out_channels, *full))
    for i in range(len(w)):
        first = i // per_in * per_out
        for place in itertools.product(*map(range, x.shape[2:])):
            window = tuple(
                slice(p * s, p * s + d * (k - 1) + 1, d)
                for p, s, d, k in zip(place, windows.stride, windows.dilation, windows.kernel, strict=True)
            )
            value = x[(slice(None), i, *place)].reshape(-1, *[1] * (layer.rank + 1))
            y[(slice(None), slice(first, first + per_out), *window)] += value * w[i]
    y = y[(..., *(slice(p, n - p) for n, (p, _) in zip(full, windows.pads, strict=True)))]
    return y if layer.bias is None else y + layer.bias.value.reshape(-1, *[1] * layer.rank)


def maxout(layer, x):
    pieces = layer.weight.value.reshape(layer.pieces, layer.width, -1)
    return (np.einsum("ni,poi->npo", x, pieces) + layer.bias.value.reshape(layer.pieces, -1)).max(1)


def highway(layer, x):
    h = np.tanh(x @ layer.linear.weight.value.T + layer.linear.bias.value)
    t = 1 / (1 + np.exp(-(x @ layer.gate.weight.value.T + layer.gate.bias.value)))
    return t * h + (1 - t) * x


def locally_connected(layer, x):
    w, rank = layer.weight.value, layer.rank
    x = np.pad(x, [(0, 0), (0, 0), *layer.windows.pads])
    y = np.zeros((len(x), layer.out_channels, *layer.out))
    for place in itertools.product(*map(range, layer.out)):
        window = tuple(
            slice(p * s, p * s + k) for p, s, k in zip(place, layer.windows.stride, layer.windows.kernel, strict=True)
        )
        part = x[(slice(None), slice(None), *window)]
        y[(..., *place)] = np.tensordot(part, w[place], (range(1, rank + 2), range(1, rank + 2)))
    return y if layer.bias is None else y + np.moveaxis(layer.bias.value, -1, 0)


def sparse(layer, places, values):
    dense = np.zeros((len(places), layer.in_features))
    for n, j in np.ndindex(places.shape):
        if places[n, j] >= 0:
            dense[n, places[n, j]] += values[n, j]
    return dense @ layer.weight.value.T + layer.bias.value


def some_places(rng, shape):
    return rng.integers(-1, 7, shape)


def to_sparse(layer, x):
    places, values = np.full(x.shape, -1), np.zeros(x.shape)
    for n, row in enumerate(x):
        there = np.flatnonzero(row)
        places[n, : len(there)], values[n, : len(there)] = there, row[there]
    return places, values


def half_zeros(rng, shape):
    return rng.standard_normal(shape) * (rng.random(shape) < 0.5)


def separable(layer, x):
    return convolution(layer.point, convolution(layer.depth, x))


def mapped(layer, x):
    full = nn.Conv2d(3, 4, 3, 1, 1).double()
    kept = np.zeros((4, 3))
    for i, o in layer.connections:
        kept[o, i] = 1
    full.weight.value = layer.weight.value * kept[:, :, None, None]
    full.bias.value = layer.bias.value
    return convolution(full, x)


def cosine(a, b, axis=-1):
    return (a * b).sum(axis) / np.sqrt((a * a).sum(axis) * (b * b).sum(axis))


def separable_torch(torch):
    layers = {"depth": torch.nn.Conv2d(3, 6, 3, padding=1, groups=3, bias=False), "point": torch.nn.Conv2d(6, 4, 1)}
    return torch.nn.Sequential(collections.OrderedDict(layers))


CASES = {
    "Bilinear": Case(
        lambda: nn.Bilinear(3, 4, 2),
        ((5, 3), (5, 4)),
        lambda layer, a, b: np.einsum("ni,oij,nj->no", a, layer.weight.value, b) + layer.bias.value,
        torch=lambda t: t.nn.Bilinear(3, 4, 2),
        bad=[(((5, 4), (5, 4)), r"\(batch, 3\) and \(batch, 4\)")],
        refused=[(lambda: nn.Bilinear(0, 1, 1), ">= 1")],
    ),
    "Bilinear, without bias": Case(
        lambda: nn.Bilinear(3, 4, 2, bias=False),
        ((5, 3), (5, 4)),
        lambda layer, a, b: np.einsum("ni,oij,nj->no", a, layer.weight.value, b),
        torch=lambda t: t.nn.Bilinear(3, 4, 2, bias=False),
    ),
    "Maxout": Case(
        lambda: nn.Maxout(4, 3, 2),
        (5, 4),
        maxout,
        bad=[((5, 3), r"\(batch, \*, 4\)")],
        refused=[(lambda: nn.Maxout(4, 3, 0), "pieces must be a whole number >= 1")],
    ),
    "Highway": Case(lambda: nn.Highway(4), (5, 4), highway),
    "LocallyConnected1d": Case(
        lambda: nn.LocallyConnected1d(3, 2, 7, 3, 2, 1),
        (4, 3, 7),
        locally_connected,
        bad=[((4, 3, 8), "7"), ((4, 2, 7), "batch, 3, length")],
    ),
    "LocallyConnected2d": Case(
        lambda: nn.LocallyConnected2d(2, 3, (5, 4), (2, 3), bias=False),
        (3, 2, 5, 4),
        locally_connected,
        bad=[((3, 2, 5, 5), "5, 4")],
        refused=[(lambda: nn.LocallyConnected2d(2, 3, (5, 4), 6), "exceeds")],
    ),
    "SparseLinear": Case(
        lambda: nn.SparseLinear(7, 3),
        ((5, 4), (5, 4)),
        sparse,
        inputs=[some_places, None],
        bad=[(((5, 4), (5, 3)), "places and values")],
    ),
    "SparseConcat": Case(
        lambda: nn.SparseConcat((7, 9)),
        ((3, 2), (3, 2), (3, 4), (3, 4)),
        lambda layer, p, v, q, w: (np.hstack([p, np.where(q >= 0, q + 7, -1)]), np.hstack([v, w])),
        inputs=[some_places, None, some_places, None],
        bad=[(((3, 2), (3, 2)), "in turn")],
    ),
    "DenseToSparse": Case(
        nn.DenseToSparse,
        (4, 6),
        to_sparse,
        inputs=half_zeros,
        no_gradient="its rows hold zeros, and a value that leaves 0 moves the others' places",
        bad=[((4, 6, 2), "batch, features")],
    ),
    "DenseToSparse, of full rows": Case(nn.DenseToSparse, (4, 6), to_sparse, inputs=positive),
    "Cosine": Case(
        lambda: nn.Cosine(4, 3),
        (5, 4),
        lambda layer, x: cosine(x[:, None], layer.weight.value[None]),
        bad=[((5, 3), "batch, 4")],
        refused=[(lambda: nn.Cosine(0, 3), ">= 1")],
    ),
    "Euclidean": Case(
        lambda: nn.Euclidean(4, 3),
        (5, 4),
        lambda layer, x: np.sqrt(((x[:, None] - layer.weight.value) ** 2).sum(2)),
        bad=[((5, 3), "batch, 4")],
    ),
    "Dot": Case(
        nn.Dot,
        ((5, 4), (5, 4)),
        lambda layer, a, b: (a * b).sum(1, keepdims=True),
        torch=lambda t: lambda a, b: (a * b).sum(1, keepdim=True),
        bad=[(((5, 4), (5, 3)), "one shape")],
    ),
    "CosineSimilarity": Case(
        lambda: nn.CosineSimilarity(2),
        ((5, 4, 3), (5, 4, 3)),
        lambda layer, a, b: cosine(a, b, 2),
        torch=lambda t: t.nn.CosineSimilarity(2),
        bad=[(((5, 4), (5, 3)), "one shape")],
        refused=[(lambda: nn.CosineSimilarity(0), "axis 0 is the batch")],
    ),
    "PairwiseDistance": Case(
        nn.PairwiseDistance,
        ((5, 4), (5, 4)),
        lambda layer, a, b: np.sqrt(((a - b + 1e-6) ** 2).sum(1)),
        torch=lambda t: t.nn.PairwiseDistance(),
        refused=[(lambda: nn.PairwiseDistance(0), "p must be > 0")],
        bad=[(((5, 4), (5, 3)), "one shape")],
    ),
    "PairwiseDistance, p 3, kept": Case(
        lambda: nn.PairwiseDistance(3.0, keepdim=True),
        ((5, 4), (5, 4)),
        lambda layer, a, b: np.cbrt((abs(a - b + 1e-6) ** 3).sum(1, keepdims=True)),
        torch=lambda t: t.nn.PairwiseDistance(3.0, keepdim=True),
    ),
    "CrossProduct": Case(
        nn.CrossProduct,
        ((5, 4), (5, 4), (5, 4)),
        lambda layer, a, b, c: np.stack([(a * b).sum(1), (a * c).sum(1), (b * c).sum(1)], 1),
        bad=[(((5, 4), (5, 3)), "two or more")],
    ),
    "MV": Case(
        nn.MV,
        ((5, 3, 4), (5, 4)),
        lambda layer, a, v: np.einsum("nij,nj->ni", a, v),
        torch=lambda t: lambda a, v: t.einsum("nij,nj->ni", a, v),
        bad=[(((5, 3, 4), (5, 3)), "batch, m, k")],
    ),
    "MV, transposed": Case(
        lambda: nn.MV(True),
        ((5, 4, 3), (5, 4)),
        lambda layer, a, v: np.einsum("nji,nj->ni", a, v),
    ),
    "ConvTranspose1d": Case(
        lambda: nn.ConvTranspose1d(4, 6, 3, 2, 1, 1, groups=2),
        (2, 4, 5),
        conv_transpose,
        torch=lambda t: t.nn.ConvTranspose1d(4, 6, 3, 2, 1, 1, groups=2),
        bad=[((2, 3, 5), "batch, 4, length")],
    ),
    "ConvTranspose2d": Case(
        lambda: nn.ConvTranspose2d(3, 2, (3, 2), (2, 1), (1, 0), (1, 0), dilation=(1, 2)),
        (2, 3, 4, 3),
        conv_transpose,
        torch=lambda t: t.nn.ConvTranspose2d(3, 2, (3, 2), (2, 1), (1, 0), (1, 0), dilation=(1, 2)),
        bad=[((2, 2, 4, 3), "batch, 3, height, width")],
        refused=[
            (lambda: nn.ConvTranspose2d(3, 2, 3, output_padding=1), "output_padding"),
            (lambda: nn.ConvTranspose2d(3, 2, 3, groups=2), "do not divide"),
        ],
    ),
    "ConvTranspose3d": Case(
        lambda: nn.ConvTranspose3d(2, 2, (2, 3, 1), (2, 1, 1), (1, 1, 0), (1, 0, 0), bias=False),
        (2, 2, 2, 3, 2),
        conv_transpose,
        torch=lambda t: t.nn.ConvTranspose3d(2, 2, (2, 3, 1), (2, 1, 1), (1, 1, 0), (1, 0, 0), bias=False),
    ),
    "SeparableConv2d": Case(
        lambda: nn.SeparableConv2d(3, 4, 3, padding=1, multiplier=2),
        (2, 3, 5, 4),
        separable,
        torch=separable_torch,
    ),
    "SeparableConv1d": Case(
        lambda: nn.SeparableConv1d(3, 4, 3, stride=2, multiplier=2, bias=False),
        (2, 3, 7),
        separable,
    ),
    "ConvMap2d": Case(
        lambda: nn.ConvMap2d(3, 4, [(0, 0), (1, 1), (2, 1), (0, 2), (1, 2), (2, 3)], 3, padding=1),
        (2, 3, 5, 4),
        mapped,
        refused=[(lambda: nn.ConvMap2d(3, 4, [(3, 0)], 3), "pairs below")],
    ),
}
