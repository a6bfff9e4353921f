"""Sums of rows of a table."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.kernel import njit
from sparkdl.nn import rng
from sparkdl.nn.layers.embedding import checked_padding, refuse, whole_numbers
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter

MODES = ("sum", "mean", "sqrtn", "max")


class EmbeddingBag(Layer):
    """One vector for each bag of ids: ``sum_i w[i] * weight[x[i]]``, or what ``mode`` makes of it.

    ``"mean"`` divides by ``sum w``, ``"sqrtn"`` by ``sqrt(sum w**2)``; ``"max"`` takes the largest value in each
    place and no weights ``w``. Ids below 0 and ``padding_idx`` are empty places, so that bags differ in size; an empty
    bag gives zeros.

    Shapes
    ------
    input   (batch, places)  whole numbers; and, if wanted, (batch, places) weights of theirs (1 each without)
    output  (batch, embedding_dim)
    weight  (num_embeddings, embedding_dim), drawn from N(0, 1)
    """

    integers = True

    def __init__(
        self, num_embeddings: int, embedding_dim: int, mode: str = "mean", padding_idx: int | None = None
    ) -> None:
        super().__init__()
        if mode not in MODES:
            raise ValueError(f"EmbeddingBag: mode is one of {MODES}, got {mode!r}.")
        self.num_embeddings, self.embedding_dim, self.mode = num_embeddings, embedding_dim, mode
        self.padding_idx = checked_padding(self, padding_idx)
        self.weight = Parameter(np.zeros((num_embeddings, embedding_dim), np.float32))
        self.reset_parameters()

    def reset_parameters(self):
        self.weight.value = rng.generator().standard_normal(self.weight.shape)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def forward(self, x, *weights, ctx):
        if x.ndim != 2 or len(weights) > 1 or any(w.shape != x.shape for w in weights):
            got = " and ".join(str(each.shape) for each in (x, *weights))
            raise ShapeError(f"{self!r} takes ids (batch, places) and, if wanted, weights of that shape, got {got}.")
        if weights and self.mode == "max":
            raise ShapeError(f"{self!r}: the largest value knows no weights; give ids alone.")
        ids = whole_numbers(self, x)
        bad = np.flatnonzero(ids >= self.num_embeddings)
        if bad.size:
            refuse(self, ids, bad[0], self.num_embeddings)
        used = ids >= 0
        if self.padding_idx is not None:
            used &= ids != self.padding_idx
        ids = np.where(used, ids, -1)
        y = np.zeros((len(ids), self.embedding_dim), self.weight.dtype)
        if self.mode == "max":
            places = np.full(y.shape, -1)
            _largest(y, places, self.weight.data, ids)
            ctx.save(ids, places)
            return y
        w = np.where(used, weights[0] if weights else 1, 0).astype(y.dtype)
        scale = self._scale(w)
        _sum(y, self.weight.data, ids, w * scale[:, None])
        ctx.save(ids, w, scale, y, len(weights))
        return y

    def _scale(self, w):
        """What the sum of a bag is multiplied by."""
        if self.mode == "sum":
            return np.ones(len(w), w.dtype)
        size = w.sum(1) if self.mode == "mean" else np.sqrt((w * w).sum(1))
        return np.divide(1, size, out=np.zeros_like(size), where=size != 0)

    def backward(self, dy, ctx):
        dy = np.ascontiguousarray(dy)
        if self.mode == "max":
            ids, places = ctx.saved
            ctx.grad(self.weight, lambda out, rows: _to_largest(out, dy[rows], places[rows]))
            return None
        ids, w, scale, y, weighted = ctx.saved
        factors = w * scale[:, None]
        ctx.grad(self.weight, lambda out, rows: _scatter(out, dy[rows], ids[rows], factors[rows]))
        if not weighted:
            return None
        if not ctx.needs[1]:
            return None, None
        dots = np.zeros(w.shape, w.dtype)
        _dots(dots, dy, self.weight.data, ids)
        along = (y * dy).sum(1)  # what moves the divisor
        if self.mode == "mean":
            return None, np.where(ids >= 0, (dots - along[:, None]) * scale[:, None], 0)
        if self.mode == "sqrtn":
            return None, np.where(ids >= 0, dots * scale[:, None] - w * (along * scale * scale)[:, None], 0)
        return None, dots


@njit
def _sum(y, table, ids, w):
    for n in range(len(ids)):
        for i in range(ids.shape[1]):
            if ids[n, i] >= 0:
                row = table[ids[n, i]]
                for j in range(len(row)):
                    y[n, j] += w[n, i] * row[j]


@njit
def _scatter(out, dy, ids, w):
    out[:] = 0
    for n in range(len(ids)):
        for i in range(ids.shape[1]):
            if ids[n, i] >= 0:
                for j in range(dy.shape[1]):
                    out[ids[n, i], j] += w[n, i] * dy[n, j]


@njit
def _dots(dots, dy, table, ids):
    for n in range(len(ids)):
        for i in range(ids.shape[1]):
            if ids[n, i] >= 0:
                total = dy.dtype.type(0)
                for j in range(dy.shape[1]):
                    total += dy[n, j] * table[ids[n, i], j]
                dots[n, i] = total


@njit
def _largest(y, places, table, ids):
    for n in range(len(ids)):
        for i in range(ids.shape[1]):
            if ids[n, i] >= 0:
                for j in range(y.shape[1]):
                    if places[n, j] < 0 or table[ids[n, i], j] > y[n, j]:
                        y[n, j], places[n, j] = table[ids[n, i], j], ids[n, i]


@njit
def _to_largest(out, dy, places):
    out[:] = 0
    for n in range(len(places)):
        for j in range(dy.shape[1]):
            if places[n, j] >= 0:
                out[places[n, j], j] += dy[n, j]
