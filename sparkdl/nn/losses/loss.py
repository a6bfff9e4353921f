"""Loss: what training makes small."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from sparkdl.errors import DataError, ShapeError
from sparkdl.nn.context import Context, Run

REDUCTIONS = ("mean", "sum", "none")


class Loss:
    """Base of all losses.

    A loss of one's own defines ``terms(y, target) -> (values, weights)``, two arrays with one number per sample: the
    sample's summed loss and what it counts for in the mean (None: 1 each), and ``slope(y, target) -> dy``, the
    derivative of the sum of the values. Both look at each sample by itself.

    ``loss(y, target)`` is the mean ``sum(values) / sum(weights)`` (or sum, or the values, by ``reduction``).
    """

    reduction = "mean"

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in REDUCTIONS:
            raise ValueError(f"{type(self).__name__}: reduction must be one of {REDUCTIONS}, got {reduction!r}.")
        self.reduction = reduction

    # what a loss defines
    def terms(self, y: Any, target: Any) -> tuple[np.ndarray, np.ndarray | None]:
        raise TypeError(f"{type(self).__name__} defines no terms(y, target).")

    def slope(self, y: Any, target: Any) -> Any:
        raise TypeError(f"{type(self).__name__} defines no slope(y, target).")

    def check(self, y: Any, target: Any) -> None:
        """Raises on targets that do not fit the outputs; called before the first step and by ``loss(y, target)``."""

    # what training uses
    def forward(self, y: Any, target: Any, weight: np.ndarray | None, ctx: Context) -> tuple[np.ndarray, np.ndarray]:
        """Summed loss and summed weight of each leaf, float64 ``(leaves,)`` each; ``weight`` (batch,) scales samples."""
        values, counts = self.terms(y, target)
        counts = np.ones(len(values)) if counts is None else counts
        if weight is not None:
            values, counts = values * weight, counts * weight
        ctx.save(y, target, weight)
        sums, totals = np.zeros(ctx.run.leaves), np.zeros(ctx.run.leaves)
        offsets = ctx.bounds.tolist()
        for i, (a, b) in enumerate(zip(offsets, offsets[1:], strict=False)):
            sums[i], totals[i] = values[a:b].sum(dtype=np.float64), counts[a:b].sum(dtype=np.float64)
        return sums, totals

    def backward(self, ctx: Context) -> Any:
        """d(summed loss) / dy."""
        y, target, weight = ctx.saved
        return weighted(self.slope(y, target), weight)

    def __call__(self, y: Any, target: Any, weight: Any = None) -> Any:
        """The reduced loss of a batch, a float (an array for ``reduction="none"``)."""
        y, target = _arrays(y), _arrays(target)
        self.check(y, target)
        if self.reduction == "none":
            return self.terms(y, target)[0]
        first = y[0] if isinstance(y, tuple) else y
        ctx = Context(Run.single(len(first), training=True), 0, True, (True,), first.dtype)
        weight = None if weight is None else np.asarray(weight)
        if weight is not None and weight.shape != (len(first),):
            raise ShapeError(f"{self!r}: weight holds one number per sample, {(len(first),)}, got {weight.shape}.")
        total, count = (float(part[0]) for part in self.forward(y, target, weight, ctx))
        return total if self.reduction == "sum" else total / count if count else float("nan")

    def config(self) -> dict[str, Any]:
        """The constructor's arguments, read from the attributes of the same names."""
        names = inspect.signature(type(self).__init__).parameters
        return {name: getattr(self, name) for name in names if name != "self" and hasattr(self, name)}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.config().items())})"


def _arrays(x: Any) -> Any:
    return tuple(np.asarray(each) for each in x) if isinstance(x, tuple) else np.asarray(x)


def weighted(slope: Any, weight: np.ndarray | None) -> Any:
    """Each sample's gradient times its weight."""
    if weight is None:
        return slope
    if isinstance(slope, tuple):
        return tuple(weighted(each, weight) for each in slope)
    return slope * weight.astype(slope.dtype).reshape(-1, *[1] * (slope.ndim - 1))


def check_same_shape(loss: Loss, y: np.ndarray, target: np.ndarray) -> None:
    if y.shape != target.shape:
        raise ShapeError(f"{loss!r} compares arrays of one shape, got outputs {y.shape} and targets {target.shape}.")


def check_labels(loss: Loss, y: np.ndarray, target: np.ndarray, ignore_index: int | None = None) -> None:
    """Targets are class numbers ``0 .. classes - 1`` (axis 1 of ``y``), one per sample and place."""
    if y.ndim < 2 or target.shape != (y.shape[0], *y.shape[2:]):
        raise ShapeError(
            f"{loss!r} takes outputs (batch, classes, *) and one class number per place, (batch, *); "
            f"got outputs {y.shape} and targets {target.shape}."
        )
    bad = ~((target >= 0) & (target < y.shape[1]) & (target == np.floor(target)))
    if ignore_index is not None:
        bad &= target != ignore_index
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise DataError(
            f"{loss!r}: class numbers run from 0 to {y.shape[1] - 1}, got {target[where]} for sample {where[0]}; "
            "labels start at 0."
        )
