"""What metrics share."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.errors import DataError, ShapeError
from sparkdl.optim.config import Configured
from sparkdl.optim.metrics.exact import add, exact_sum, rounded


class Metric(Configured):
    """``zero``, ``update`` with batches, ``merge`` of states, ``value``.

    A state is a tuple of arrays. ``merge`` is exact: however rows are dealt out to batches, tasks and merges, the
    value is the same to the last bit. ``name`` is the figure's name in histories.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name or self.default_name()

    def default_name(self) -> str:
        return type(self).__name__

    def zero(self) -> tuple:
        """The state of no rows."""
        raise NotImplementedError(f"{type(self).__name__} defines no zero().")

    def update(self, state: tuple, output: Any, target: Any, weight: Any = None) -> tuple:
        """The state after a batch more; ``weight`` (batch,) says what each row counts for (None: 1)."""
        raise NotImplementedError(f"{type(self).__name__} defines no update(state, output, target, weight).")

    def merge(self, a: tuple, b: tuple) -> tuple:
        """The state of the rows of both."""
        raise NotImplementedError(f"{type(self).__name__} defines no merge(a, b).")

    def value(self, state: tuple) -> Any:
        """The figure, a float or an array; NaN for no rows."""
        raise NotImplementedError(f"{type(self).__name__} defines no value(state).")

    def __call__(self, output: Any, target: Any, weight: Any = None) -> Any:
        """The figure of one batch."""
        return self.value(self.update(self.zero(), output, target, weight))


class SumMetric(Metric):
    """A function of a few exact sums over rows: ``terms`` gives what to sum, ``result`` the figure."""

    sums = 2

    def terms(self, output: np.ndarray, target: np.ndarray, weight: np.ndarray | None) -> tuple[Any, ...]:
        """``sums`` arrays, each to be summed."""
        raise NotImplementedError(f"{type(self).__name__} defines no terms(output, target, weight).")

    def result(self, *sums: float) -> float:
        """The figure; by default ``first / second``."""
        return sums[0] / sums[1] if sums[1] else float("nan")

    def zero(self) -> tuple:
        return (np.zeros(1),) * self.sums

    def update(self, state: tuple, output: Any, target: Any, weight: Any = None) -> tuple:
        weight = None if weight is None else np.asarray(weight, np.float64)
        return self.merge(state, tuple(exact_sum(t) for t in self.terms(output, target, weight)))

    def merge(self, a: tuple, b: tuple) -> tuple:
        return tuple(add(x, y) for x, y in zip(a, b, strict=True))

    def value(self, state: tuple) -> float:
        return float(self.result(*(rounded(parts) for parts in state)))


class RowMetric(Metric):
    """A figure that needs all rows at once (areas under curves): the state keeps what ``rows`` gives for each.

    ``figure`` must not depend on the order of the rows.
    """

    columns = 3

    def rows(self, output: np.ndarray, target: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, ...]:
        """``columns`` float64 arrays with one element per row."""
        raise NotImplementedError(f"{type(self).__name__} defines no rows(output, target, weight).")

    def figure(self, *columns: Any, **_: Any) -> float:
        raise NotImplementedError(f"{type(self).__name__} defines no figure(*columns).")

    def zero(self) -> tuple:
        return (np.zeros(0),) * self.columns

    def update(self, state: tuple, output: Any, target: Any, weight: Any = None) -> tuple:
        weight = None if weight is None else np.asarray(weight, np.float64)
        return self.merge(state, tuple(np.asarray(c, np.float64) for c in self.rows(output, target, weight)))

    def merge(self, a: tuple, b: tuple) -> tuple:
        return tuple(np.concatenate(pair) for pair in zip(a, b, strict=True))

    def value(self, state: tuple) -> float:
        order = np.lexsort(state[::-1])  # one order for one set of rows, so that rounding is the same too
        return float(self.figure(*(column[order] for column in state)))


def weighed(values: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """``values`` (rows, *) times each row's weight."""
    values = np.asarray(values)
    return values if weight is None else values * weight.reshape(-1, *[1] * (values.ndim - 1))


def counts(like: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """What each element of ``like`` (rows, *) counts for."""
    return weighed(np.ones(np.shape(like), bool), weight)


def labels(metric: Metric, target: Any, classes: int, shape: tuple[int, ...]) -> np.ndarray:
    """``target`` as int64 class numbers 0 .. classes - 1 of ``shape``."""
    target = np.asarray(target)
    if target.shape != shape:
        target = target.reshape(shape) if target.size == np.prod(shape) else target
    if target.shape != shape:
        raise ShapeError(f"{metric!r} takes one class number per output, {shape}, got targets {target.shape}.")
    bad = ~((target >= 0) & (target < classes) & (target == np.floor(target)))
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise DataError(
            f"{metric!r}: class numbers run from 0 to {classes - 1}, got {target[where]} for sample {where[0]}; "
            "labels start at 0."
        )
    return target.astype(np.int64)
