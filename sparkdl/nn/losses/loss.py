"""Loss: what training makes small."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np

from sparkdl.arguments import Checked
from sparkdl.arrays import FLOATS
from sparkdl.errors import DataError, ShapeError
from sparkdl.nn.context import Context, Run

REDUCTIONS = ("mean", "sum", "none")


class Loss(Checked):
    """Base of all losses.

    A loss of one's own defines ``terms(y, target) -> (values, weights)``: arrays whose axis 0 is the batch, with the
    loss of each sample, or of each of its places, and what that counts for in the mean (None: 1 each); and
    ``slope(y, target) -> dy``, the derivative of the sum of the values. Both look at each sample by itself. ``y`` is
    the model's output, or a tuple of its outputs; a tuple has a tuple of slopes. Where outputs and targets are compared
    value by value, derive from ElementwiseLoss, which gives both one shape.

    ``loss(y, target)`` is the mean ``sum(values) / sum(weights)`` (or the sum, or the values, by ``reduction``).
    """

    reduction = "mean"
    weighted_mean = True
    """Whether samples count in the mean's divisor for what they weigh, or, as Keras has it, for 1 each."""

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

    def fit(self, y: Any, target: Any) -> Any:
        """The targets in the shape and dtype that ``terms`` and ``slope`` take."""
        return target

    # what training uses
    def forward(self, y: Any, target: Any, weight: np.ndarray | None, ctx: Context) -> tuple[np.ndarray, np.ndarray]:
        """Summed loss and weight of each leaf, float64 ``(leaves,)`` each; ``weight`` (batch,) scales samples."""
        target = self.fit(y, target)
        ctx.save(y, target, weight)
        values, counts = self.totals(y, target)
        if isinstance(counts, float) and self.reduction != "sum":
            ctx.run.counts[0] = counts
        if weight is not None:
            values = values * weight
            if self.weighted_mean:
                counts = counts * weight
        sums = leaf_sums(values, ctx.bounds)
        if self.reduction == "sum":  # one shard of all counts 1, so that whoever divides by the total divides by 1
            totals = np.zeros(len(sums))
            totals[:1] = ctx.run.first == 0
            return sums, totals
        return sums, np.diff(ctx.bounds) * counts if isinstance(counts, float) else leaf_sums(counts, ctx.bounds)

    def backward(self, ctx: Context) -> Any:
        """d(summed loss) / dy."""
        y, target, weight = ctx.saved
        slope = self.slope(y, target)
        for dy, each in zip(slope, y, strict=True) if isinstance(y, tuple) else ((slope, y),):
            if dy is not None and dy.shape != each.shape:
                raise ShapeError(
                    f"{self!r}: slope gave shape {dy.shape} for outputs {each.shape} and targets "
                    f"{getattr(target, 'shape', None)}; bring targets into shape by fit(y, target), as "
                    "nn.ElementwiseLoss does for losses of each value."
                )
        return weighted(slope, weight)

    def totals(self, y: Any, target: Any) -> tuple[np.ndarray, np.ndarray | float]:
        """Summed loss and weight of each sample, float64 ``(batch,)`` each; one number if the weights never differ."""
        values, counts = self.terms(y, target)
        return per_sample(values), float(math.prod(values.shape[1:])) if counts is None else per_sample(counts)

    def __call__(self, y: Any, target: Any = None, weight: Any = None) -> Any:
        """The reduced loss of a batch, a float (an array for ``reduction="none"``)."""
        y, target = _floats(self._numbers("outputs", y)), self._numbers("targets", target)
        weight = self._numbers("weights", weight)
        self.check(y, target)
        first = y[0] if isinstance(y, tuple) else y
        if weight is not None and np.shape(weight) != (len(first),):
            raise ShapeError(f"{self!r}: weight holds one number per sample, {(len(first),)}, got {weight.shape}.")
        if self.reduction == "none":
            return weighted(self.terms(y, self.fit(y, target))[0], weight)
        ctx = Context(Run.single(len(first)), 0, False, (False,), first.dtype)
        total, count = (float(part[0]) for part in self.forward(y, target, weight, ctx))
        return total / count if count else float("nan")

    def _numbers(self, what: str, x: Any) -> Any:
        """Arrays out of what is given: one, or a tuple of several (a list of arrays, as models return, is one too)."""
        if x is None:
            if what == "outputs":
                raise DataError(f"{self!r}: outputs are arrays of numbers, got None; give what the model returned.")
            return None
        if isinstance(x, tuple) or (isinstance(x, list) and any(isinstance(each, np.ndarray) for each in x)):
            return tuple(self._numbers(what, each) for each in x)
        try:
            array = np.asarray(x)
        except ValueError:
            raise DataError(
                f"{self!r}: {what} are one array of numbers, got rows that differ in length; pad them."
            ) from None
        if array.dtype.kind not in "biuf":
            raise DataError(
                f"{self!r}: {what} are real numbers (floats or whole numbers), got {array.dtype.name} of shape "
                f"{array.shape}; convert them first, as in np.asarray(values, np.float32); number classes from 0, as "
                "np.unique(labels, return_inverse=True) does."
            )
        return array

    def config(self) -> dict[str, Any]:
        """The constructor's arguments, read from the attributes of the same names."""
        names = inspect.signature(type(self).__init__).parameters
        return {name: getattr(self, name) for name in names if name != "self" and hasattr(self, name)}

    def __repr__(self) -> str:
        given = {
            name: value
            for name, value in self.config().items()
            if (default := inspect.signature(type(self).__init__).parameters[name].default) is inspect.Parameter.empty
            or not (type(value) is type(default) and np.array_equal(value, default))
        }
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in given.items())})"


def _floats(y: Any) -> Any:
    """Outputs as float32 or float64, in which losses compute: of whole numbers the targets would be cut to such."""
    if isinstance(y, tuple):
        return tuple(map(_floats, y))
    if y is None or y.dtype in FLOATS:
        return y
    return y.astype(np.float32 if y.dtype == np.float16 else np.float64)


def per_sample(values: np.ndarray) -> np.ndarray:
    """Sums over all axes but the first, in float64.

    Converted before it is summed: NumPy converts in blocks that know no rows, so that a row's sum would depend on its
    place.
    """
    values = values.astype(np.float64, copy=False)
    return values if values.ndim == 1 else flat(values).sum(1)


def flat(x: np.ndarray) -> np.ndarray:
    """Each sample as one row; also of an empty batch."""
    return x if x.ndim == 2 else x.reshape(len(x), math.prod(x.shape[1:]))


def leaf_sums(values: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Sums of runs of ``values``, zero for an empty one: ``(leaves,)``."""
    if len(bounds) == 2:
        return values.sum(keepdims=True)
    sums = np.zeros(len(bounds) - 1)
    filled = bounds[1:] > bounds[:-1]
    if filled.any():
        sums[filled] = np.add.reduceat(values, bounds[:-1][filled])
    return sums


def weighted(values: Any, weight: np.ndarray | None) -> Any:
    """Each sample's values times its weight."""
    if weight is None or values is None:
        return values
    if isinstance(values, tuple):
        return tuple(weighted(each, weight) for each in values)
    return values * weight.astype(values.dtype).reshape(-1, *[1] * (values.ndim - 1))


def check_outputs(loss: Loss, y: Any, names: tuple[str, ...]) -> None:
    """``y`` holds one array per name, all of one batch."""
    if not isinstance(y, tuple) or len(y) != len(names):
        got = f"{len(y)} arrays" if isinstance(y, tuple) else f"one array {y.shape}"
        raise ShapeError(f"{loss!r} takes {len(names)} outputs ({', '.join(names)}), got {got}.")
    if any(each.ndim == 0 or len(each) != len(y[0]) for each in y):
        raise ShapeError(f"{loss!r}: axis 0 of each output is the batch, got {[each.shape for each in y]}.")


def check_one(loss: Loss, y: Any) -> None:
    """``y`` is one output."""
    if isinstance(y, tuple):
        raise ShapeError(f"{loss!r} takes one output, the model has {len(y)}; give each its loss by nn.ParallelLoss.")


def check_labels(loss: Loss, y: np.ndarray, target: np.ndarray, ignore_index: int | None = None) -> None:
    """Targets are class numbers ``0 .. classes - 1`` (axis 1 of ``y``), one per sample and place."""
    check_one(loss, y)
    if y.ndim < 2 or target is None or target.shape != (y.shape[0], *y.shape[2:]):
        raise ShapeError(
            f"{loss!r} takes outputs (batch, classes, *) and one class number per place, (batch, *); "
            f"got outputs {y.shape} and targets {getattr(target, 'shape', None)}."
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


def check_class_weights(loss: Loss, weight: np.ndarray | None, classes: int) -> None:
    """``weight`` holds one number per class."""
    if weight is not None and weight.shape != (classes,):
        raise ShapeError(f"{loss!r}: weight holds one number per class, {classes}, got {weight.shape}.")


def as_weights(weight: Any) -> np.ndarray | None:
    """Weights as given to a constructor, float64."""
    return None if weight is None else np.asarray(weight, np.float64)
