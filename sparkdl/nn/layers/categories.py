"""Numbers as bins or places of a table, and class numbers as vectors."""

import numpy as np

from sparkdl.errors import DataError, ShapeError
from sparkdl.nn.module import Layer


class Bins(Layer):
    """The number of boundaries at or below each value: 0 below the first, as floats. No gradient.

    Source: Keras's Discretization.
    """

    def __init__(self, boundaries: tuple[float, ...]) -> None:
        super().__init__()
        self.boundaries = tuple(boundaries)
        if any(not a < b for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise ShapeError(f"Bins: boundaries must rise, got {boundaries}.")

    def forward(self, x, ctx):
        return np.digitize(x, np.asarray(self.boundaries, x.dtype)).astype(ctx.dtype)

    def backward(self, dy, ctx):
        return None


class CountCategories(Layer):
    """Vectors of ``count`` numbers for class numbers, without a gradient.

    ``mode`` is ``one_hot`` per value, or per row ``multi_hot`` (1 where it occurs) or ``count`` (how often).

    Shapes
    ------
    input   (batch, *) whole numbers below ``count``
    output  (batch, *, count) for ``one_hot`` (a last axis of size 1 goes), else the last axis becomes ``count``

    Source: Keras's CategoryEncoding.
    """

    def __init__(self, count: int, mode: str = "multi_hot") -> None:
        super().__init__()
        self.count, self.mode = count, mode

    def forward(self, x, ctx):
        ids = x.astype(np.int64)
        if ids.size and not (0 <= ids.min() and ids.max() < self.count):
            raise DataError(f"{self!r}: class numbers run from 0 to {self.count - 1}, got {ids.min()} to {ids.max()}.")
        if self.mode == "one_hot" and ids.ndim > 1 and ids.shape[-1] == 1:
            ids = ids[..., 0]
        if self.mode == "one_hot":
            return (ids[..., None] == np.arange(self.count)).astype(ctx.dtype)
        ids = ids[:, None] if ids.ndim == 1 else ids
        y = np.zeros((*ids.shape[:-1], self.count), ctx.dtype)
        for i in range(ids.shape[-1]):
            hit = ids[..., i : i + 1]
            np.put_along_axis(y, hit, np.take_along_axis(y, hit, -1) + 1 if self.mode == "count" else 1, -1)
        return y

    def backward(self, dy, ctx):
        return None


class Lookup(Layer):
    """Whole numbers by a table: ``values[i]`` for ``keys[i]``, as floats, without a gradient.

    A number that is no key becomes ``start + (number mod others)``; with ``others=0`` it is an error.

    Source: Keras's IntegerLookup.
    """

    def __init__(self, keys: tuple[int, ...], values: tuple[float, ...], others: int = 1, start: float = 0.0) -> None:
        super().__init__()
        self.keys, self.values = tuple(int(k) for k in keys), tuple(float(v) for v in values)
        self.others, self.start = others, start
        if len(set(self.keys)) != len(self.keys) or len(self.values) != len(self.keys) or others < 0:
            rule = "distinct keys and a value for each"
            raise ShapeError(f"Lookup: {rule}; got {len(keys)} keys and {len(values)} values.")

    def forward(self, x, ctx):
        ids, keys = x.astype(np.int64), np.asarray(self.keys, np.int64)
        order = np.argsort(keys)
        place = np.searchsorted(keys, ids, sorter=order).clip(0, max(len(keys) - 1, 0))
        known = keys[order][place] == ids if len(keys) else np.zeros(ids.shape, bool)
        if not self.others and not known.all():
            raise DataError(f"{self!r}: {ids[~known][0]} is not among its {len(keys)} keys.")
        found = np.asarray(self.values)[order][place] if len(keys) else 0.0
        return np.where(known, found, self.start + ids % max(self.others, 1)).astype(ctx.dtype)

    def backward(self, dy, ctx):
        return None
