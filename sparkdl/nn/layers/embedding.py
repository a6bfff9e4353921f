"""Rows of a table, looked up by number."""

import numpy as np

from sparkdl.errors import DataError, ShapeError
from sparkdl.kernel import njit
from sparkdl.nn import rng
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter


class Embedding(Layer):
    """``y = weight[x]``; the row ``padding_idx`` starts as zeros and is not trained.

    Shapes
    ------
    input   (batch, *)  whole numbers 0 .. num_embeddings - 1 (of any dtype)
    output  (batch, *, embedding_dim)
    weight  (num_embeddings, embedding_dim), drawn from N(0, 1)
    """

    integers = True

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = checked_padding(self, padding_idx)
        self.weight = Parameter(np.zeros((num_embeddings, embedding_dim), np.float32))
        self.reset_parameters()

    def reset_parameters(self):
        self.weight.value = rng.generator().standard_normal(self.weight.shape)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def forward(self, x, ctx):
        ids = whole_numbers(self, x)
        y = np.empty((ids.size, self.embedding_dim), self.weight.dtype)
        bad = _gather(y, self.weight.data, ids.reshape(ids.size))
        if bad >= 0:
            refuse(self, ids, bad, self.num_embeddings)
        ctx.save(ids)
        return y.reshape(*ids.shape, self.embedding_dim)

    def backward(self, dy, ctx):
        (ids,) = ctx.saved
        skip = -1 if self.padding_idx is None else self.padding_idx

        def write(out, rows):
            part = ids[rows]
            _scatter(out, np.ascontiguousarray(dy[rows]).reshape(part.size, -1), part.reshape(part.size), skip)

        ctx.grad(self.weight, write)
        return None


def checked_padding(layer, padding_idx):
    """``padding_idx`` counted from 0; negative ones count from the end."""
    n, d = layer.num_embeddings, layer.embedding_dim
    if not (n >= 1 and d >= 1):
        raise ShapeError(f"{type(layer).__name__}: sizes must be >= 1, got {n!r} and {d!r}.")
    if padding_idx is not None and not -n <= padding_idx < n:
        raise ValueError(f"{type(layer).__name__}: padding_idx lies in 0 .. {n - 1}, got {padding_idx!r}.")
    return padding_idx if padding_idx is None or padding_idx >= 0 else padding_idx + n


def whole_numbers(layer, x):
    """Ids as contiguous int64."""
    ids = np.ascontiguousarray(x, np.int64)
    if x.dtype.kind == "f" and not np.array_equal(ids, x):
        where = tuple(int(i) for i in np.argwhere(ids != x)[0])
        raise DataError(f"{layer!r} looks up whole numbers, got {x[where]} for sample {where[0]}.")
    return ids


def refuse(layer, ids, place, stop):
    """Complains of the id at the flat index ``place``."""
    where = np.unravel_index(int(place), ids.shape)
    raise DataError(f"{layer!r}: ids run from 0 to {stop - 1}, got {ids[where]} for sample {where[0]}.")


@njit
def _gather(y, table, ids):
    """Fills ``y``; the index of the first id that is out of range, or -1."""
    for i in range(len(ids)):
        if ids[i] < 0 or ids[i] >= len(table):
            return i
        y[i] = table[ids[i]]
    return -1


@njit
def _scatter(out, dy, ids, skip):
    out[:] = 0
    for i in range(len(ids)):
        if ids[i] != skip:
            for j in range(dy.shape[1]):
                out[ids[i], j] += dy[i, j]
