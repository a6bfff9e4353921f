"""Figures of classifiers that follow from how often which class was taken for which."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.optim import checks
from sparkdl.optim.metrics.base import Metric, labels
from sparkdl.optim.metrics.exact import add_bins, exact_bins, rounded

AVERAGES = ("auto", "binary", "macro", "micro", "weighted", "none")


class ConfusionMatrix(Metric):
    """``matrix[i, j]``: the weight of rows of class i that were taken for class j.

    Shapes
    ------
    output  (batch, classes, *) scores, the highest of which is taken; or (batch,), (batch, 1): class 1 where it is
            above ``threshold`` (0.5 for probabilities; for logits use 0)
    target  (batch, *) class numbers from 0
    value   (classes, classes)
    """

    def __init__(self, threshold: float = 0.5, name: str | None = None) -> None:
        self.threshold = threshold
        super().__init__(name)

    def zero(self) -> tuple:
        return (np.zeros((1, 0)),)

    def update(self, state: tuple, output: Any, target: Any, weight: Any = None) -> tuple:
        output = np.asarray(output)
        if output.ndim == 1 or output.shape[1] == 1:
            classes, taken = 2, ((output if output.ndim == 1 else output[:, 0]) > self.threshold).astype(np.int64)
        else:
            classes, taken = output.shape[1], output.argmax(1)
        right = labels(self, target, classes, taken.shape)
        if weight is not None:
            weight = np.asarray(weight, np.float64).reshape(-1, *[1] * (taken.ndim - 1))
            weight = np.broadcast_to(weight, taken.shape)
        return self.merge(state, (exact_bins(right * classes + taken, weight, classes * classes),))

    def merge(self, a: tuple, b: tuple) -> tuple:
        sizes = {x[0].shape[1] for x in (a, b)} - {0}
        if not sizes:
            return a
        if len(sizes) > 1:
            raise ShapeError(
                f"{self!r}: outputs have {sorted(int(s**0.5) for s in sizes)} classes; expected one number."
            )
        return (b[0],) if not a[0].size else (a[0],) if not b[0].size else (add_bins(a[0], b[0]),)

    def value(self, state: tuple) -> Any:
        flat = np.array([rounded(cell) for cell in state[0].T])
        return flat.reshape(int(flat.size**0.5), -1) if flat.size else np.zeros((0, 0))


class _PerClass(ConfusionMatrix):
    """Averages a figure of each class.

    ``average``: "macro" the mean over classes that occur in targets or outputs; "weighted" the mean by how often they
    occur in targets; "micro" from summed counts; "binary" the figure of class 1 of two; "none" an array; "auto"
    "binary" for two classes, else "macro". 0 / 0 counts as 0.
    """

    def __init__(self, average: str = "auto", threshold: float = 0.5, name: str | None = None) -> None:
        self.average = average
        checks.one_of(self, AVERAGES, average=average)
        super().__init__(threshold, name)

    def figure(self, hit: np.ndarray, taken: np.ndarray, real: np.ndarray) -> np.ndarray:
        """From right ones, those taken for the class, and those of the class."""
        raise NotImplementedError

    def value(self, state: tuple) -> Any:
        matrix = super().value(state)
        hit, taken, real = np.diag(matrix), matrix.sum(0), matrix.sum(1)
        average = ("binary" if len(matrix) == 2 else "macro") if self.average == "auto" else self.average
        if not matrix.size:
            return float("nan")
        if average == "micro":
            return float(self.figure(hit.sum(), taken.sum(), real.sum()))
        each = self.figure(hit, taken, real)
        if average == "none":
            return each
        if average == "binary":
            if len(matrix) != 2:
                raise ValueError(f"{self!r}: average 'binary' needs two classes, got {len(matrix)}; take 'macro'.")
            return float(each[1])
        if average == "weighted":
            return float(_ratio((each * real).sum(), real.sum()))
        return float(each[(taken > 0) | (real > 0)].mean())


class Precision(_PerClass):
    """Share of those taken for a class that are of it: TP / (TP + FP)."""

    def figure(self, hit, taken, real):
        return _ratio(hit, taken)


class Recall(_PerClass):
    """Share of those of a class that are taken for it: TP / (TP + FN)."""

    def figure(self, hit, taken, real):
        return _ratio(hit, real)


class F1(_PerClass):
    """Harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN)."""

    def figure(self, hit, taken, real):
        return _ratio(2 * hit, taken + real)


def _ratio(a: Any, b: Any) -> Any:
    return np.divide(a, b, out=np.zeros(np.shape(a)), where=np.asarray(b) != 0)
