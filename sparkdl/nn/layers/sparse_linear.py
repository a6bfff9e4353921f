"""An affine map of vectors of which few entries are not zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.errors import DataError, ShapeError
from sparkdl.kernel import njit
from sparkdl.nn.layers.linear import Linear
from sparkdl.nn.module import Layer


class SparseLinear(Linear):
    """``y = x @ weight.T + bias``, where each row of ``x`` is given by the places and values that are not zero.

    Shapes
    ------
    inputs  places (batch, width) whole numbers 0 .. in_features - 1, and values (batch, width); a place of -1 counts
            nothing. ``nn.sparse_rows(csr)`` makes both from a SciPy CSR matrix. A place may come twice: values add up.
    output  (batch, out_features)
    weight  (out_features, in_features), bias (out_features,), drawn as in Linear
    """

    integers = True

    def forward(self, places, values, ctx):
        if places.ndim != 2 or values.shape != places.shape:
            shapes = f"{places.shape} and {values.shape}"
            raise ShapeError(f"{self!r} takes places and values, both (batch, width), got {shapes}.")
        places, values = places.astype(np.int64), values.astype(ctx.dtype, copy=False)
        if places.size and not (-1 <= places.min() and places.max() < self.in_features):
            worst = places.max() if places.max() >= self.in_features else places.min()
            raise DataError(f"{self!r}: places run from 0 to {self.in_features - 1} (-1: none), got {worst}.")
        ctx.save(places, values)
        y = ctx.empty((len(places), self.out_features))
        y[...] = 0 if self.bias is None else self.bias.data
        _gather(y, places, values, self.weight.data)
        return y

    def backward(self, dy, ctx):
        places, values = ctx.saved
        dy = np.ascontiguousarray(dy)

        def weights(out, rows):
            out.fill(0)
            _scatter(out, places[rows], values[rows], dy[rows])

        ctx.grad(self.weight, weights)
        if self.bias is not None:
            ctx.grad(self.bias, lambda out, rows: dy[rows].sum(0, out=out))
        dvalues = np.zeros(values.shape, dy.dtype)
        if ctx.needs[1]:
            _dot(dvalues, places, dy, self.weight.data)
        return None, dvalues


@njit
def _gather(y, places, values, w):
    for n in range(y.shape[0]):
        for j in range(places.shape[1]):
            if places[n, j] >= 0:
                for o in range(y.shape[1]):
                    y[n, o] += values[n, j] * w[places[n, j], o]


@njit
def _scatter(dw, places, values, dy):
    for n in range(dy.shape[0]):
        for j in range(places.shape[1]):
            if places[n, j] >= 0:
                for o in range(dy.shape[1]):
                    dw[places[n, j], o] += values[n, j] * dy[n, o]


@njit
def _dot(dvalues, places, dy, w):
    for n in range(dy.shape[0]):
        for j in range(places.shape[1]):
            if places[n, j] >= 0:
                for o in range(dy.shape[1]):
                    dvalues[n, j] += dy[n, o] * w[places[n, j], o]


def sparse_rows(matrix: Any, width: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Places (int64, -1 where there are no more) and values of the rows of a CSR matrix, ``(rows, width)`` each."""
    lengths = np.diff(matrix.indptr)
    width = int(lengths.max(initial=0)) if width is None else width
    if lengths.max(initial=0) > width:
        raise ShapeError(f"sparse_rows: row {int(lengths.argmax())} has {lengths.max()} entries, width is {width}.")
    there = np.arange(width) < lengths[:, None]
    places, values = np.full(there.shape, -1, np.int64), np.zeros(there.shape, matrix.data.dtype)
    places[there], values[there] = matrix.indices, matrix.data
    return places, values


class DenseToSparse(Layer):
    """Places and values of what is not zero in ``(batch, features)``, both (batch, features): -1 and 0 fill them up."""

    outputs = 2

    def forward(self, x, ctx):
        if x.ndim != 2:
            raise ShapeError(f"{self!r} takes (batch, features), got {x.shape}.")
        order = np.argsort(x == 0, axis=1, kind="stable")
        values = np.take_along_axis(x, order, 1)
        ctx.save(order)
        return np.where(values != 0, order, -1), values

    def backward(self, dplaces, dvalues, ctx):
        (order,) = ctx.saved
        dx = np.zeros(order.shape, dvalues.dtype)
        np.put_along_axis(dx, order, dvalues, 1)
        return dx


class SparseConcat(Layer):
    """Sparse rows side by side: places and values in turn, ``features[i]`` wide each.

    Shapes
    ------
    inputs  places (batch, width_0), values (batch, width_0), places (batch, width_1), ...
    outputs places and values, (batch, width_0 + width_1 + ...)
    """

    outputs = 2
    integers = True

    def __init__(self, features: tuple[int, ...]) -> None:
        super().__init__()
        self.features = tuple(int(n) for n in features)

    def forward(self, *xs, ctx):
        pairs = [] if len(xs) % 2 else list(zip(xs[::2], xs[1::2], strict=True))
        if len(pairs) != len(self.features) or any(a.ndim != 2 or a.shape != b.shape for a, b in pairs):
            got = [x.shape for x in xs]
            raise ShapeError(f"{self!r} takes places and values in turn, (batch, width) each, got {got}.")
        offsets = np.cumsum((0, *self.features[:-1]))
        places = [np.where(p >= 0, p + n, -1) for p, n in zip(xs[::2], offsets, strict=True)]
        ctx.save([p.shape[1] for p in places])
        return np.concatenate(places, 1).astype(np.int64), np.concatenate(xs[1::2], 1).astype(ctx.dtype)

    def backward(self, dplaces, dvalues, ctx):
        (widths,) = ctx.saved
        parts = np.split(dvalues, np.cumsum(widths)[:-1], axis=1)
        return tuple(each for part in parts for each in (None, part))
