"""Metrics as Keras means them by their names: they go by the shapes of outputs and targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sparkdl.errors import DataError, ShapeError
from sparkdl.optim.metrics.accuracy import BinaryAccuracy, TopK, same_shape
from sparkdl.optim.metrics.base import Metric, SumMetric, counts, weighed
from sparkdl.optim.metrics.confusion import F1, ConfusionMatrix, Precision, Recall
from sparkdl.optim.metrics.curves import AUC
from sparkdl.optim.metrics.regression import MAE, MSE, R2

KINDS = {"auto": "class numbers or one-hot rows", "sparse": "class numbers", "one-hot": "one-hot rows"}


class ClassAccuracy(SumMetric):
    """Share of places whose class is among the ``k`` highest scores.

    ``targets``: "sparse" class numbers, "one-hot" rows, or "auto" for either, where single scores are also taken: right
    is what lies on its target's side of ``threshold``. Classes stand on ``axis``, the last one in Keras.
    """

    def __init__(self, k: int = 1, targets: str = "auto", axis: int = -1, threshold: float = 0.5) -> None:
        self.k, self.targets, self.axis, self.threshold = k, targets, axis, threshold
        super().__init__()

    def terms(self, output, target, weight):
        output, target = np.asarray(output), np.asarray(target)
        if self.targets == "auto" and (output.ndim == 1 or output.shape[-1] == 1):
            return BinaryAccuracy(self.threshold).terms(output, target, weight)
        scores = np.moveaxis(output, self.axis, 1) if output.ndim > 1 else output
        one_hot = target.shape == output.shape
        numbers = target.size == output.size // max(output.shape[self.axis], 1) and len(target) == len(output)
        if not (one_hot and self.targets != "sparse") and not (numbers and self.targets != "one-hot"):
            raise ShapeError(
                f"{self.name}: targets are {KINDS[self.targets]} for outputs {output.shape} (batch, *, classes), got "
                f"{target.shape}; 'accuracy' takes either."
            )
        if one_hot:
            target = target.argmax(self.axis)
        places = (scores.shape[0], *scores.shape[2:])
        return TopK(min(self.k, scores.shape[1])).terms(scores, target.reshape(places), weight)


class OfValues(Metric):
    """``metric`` of two classes over all values, where outputs and targets have one shape; else as it takes them."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        super().__init__(metric.name)

    @property
    def threshold(self) -> float:
        return self.metric.threshold  # type: ignore[attr-defined]

    @threshold.setter
    def threshold(self, value: float) -> None:
        self.metric.threshold = value  # type: ignore[attr-defined]

    def zero(self) -> Any:
        return self.metric.zero()

    def update(self, state: Any, output: Any, target: Any, weight: Any = None) -> Any:
        output, target = np.asarray(output), np.asarray(target)
        if output.ndim > 1 and output.shape == target.shape:
            if weight is not None:
                weight = np.repeat(np.asarray(weight), output[0].size if len(output) else 0)
            output, target = output.reshape(-1), target.reshape(-1)
        return self.metric.update(state, output, target, weight)

    def merge(self, a: Any, b: Any) -> Any:
        return self.metric.merge(a, b)

    def value(self, state: Any) -> Any:
        return self.metric.value(state)


class Cell(ConfusionMatrix):
    """How many rows of class ``real`` of two were taken for class ``taken``, by weight."""

    def __init__(self, real: int, taken: int) -> None:
        self.real, self.taken = real, taken
        super().__init__()

    def value(self, state):
        matrix = super().value(state)
        if len(matrix) > 2:
            raise ShapeError(f"{self.name} counts values of two classes, got {len(matrix)}; see optim.ConfusionMatrix.")
        return float(matrix[self.real, self.taken]) if matrix.size else 0.0


class F1OfClasses(F1):
    """F1 of each class, of whose scores the highest is taken; targets are class numbers or one-hot."""

    def __init__(self) -> None:
        super().__init__("none")

    def update(self, state, output, target, weight=None):
        output, target = np.asarray(output), np.asarray(target)
        if output.ndim != 2 or output.shape[1] < 2:
            raise ShapeError(
                f"{self.name} takes scores (batch, classes), got {output.shape}; see optim.F1 for one score."
            )
        if target.shape == output.shape:
            if not (target.sum(1) == 1).all():
                raise DataError(f"{self.name} takes one class per row, one-hot; see optim.F1 for several labels.")
            target = target.argmax(1)
        return super().update(state, output, target, weight)


class RMSE(MSE):
    """Root of the mean squared error."""

    def result(self, *sums):
        return float(np.sqrt(super().result(*sums)))


class OfRows(SumMetric):
    """Mean over vectors, on the last axis, of ``function(target, output)``."""

    def __init__(self, function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
        self.function = function
        super().__init__()

    def terms(self, output, target, weight):
        output, target = same_shape(self, output, target)
        values = self.function(target.astype(np.float64), output.astype(np.float64))
        return weighed(values, weight), counts(values, weight)


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (_unit(a) * _unit(b)).sum(-1)


def pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return cosine(_centred(a), _centred(b))


def concordance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    shift = (a.mean(-1) - b.mean(-1)) ** 2
    return 2 * (_centred(a) * _centred(b)).mean(-1) / (a.var(-1) + b.var(-1) + shift + 1e-7)


def _centred(a: np.ndarray) -> np.ndarray:
    return a - a.mean(-1, keepdims=True)


def _unit(a: np.ndarray) -> np.ndarray:
    return a / np.sqrt(np.maximum((a * a).sum(-1, keepdims=True), 1e-12))


METRICS: dict[str, Callable[[], Metric]] = {
    "accuracy": ClassAccuracy,
    "binaryaccuracy": BinaryAccuracy,
    "categoricalaccuracy": lambda: ClassAccuracy(targets="one-hot"),
    "sparsecategoricalaccuracy": lambda: ClassAccuracy(targets="sparse"),
    "topkcategoricalaccuracy": lambda: ClassAccuracy(5, "one-hot"),
    "sparsetopkcategoricalaccuracy": lambda: ClassAccuracy(5, "sparse"),
    "top5accuracy": lambda: ClassAccuracy(5),
    "precision": lambda: OfValues(Precision()),
    "recall": lambda: OfValues(Recall()),
    "f1": lambda: OfValues(F1()),
    "f1score": F1OfClasses,
    "fbetascore": F1OfClasses,  # whose beta is 1
    "auc": lambda: OfValues(AUC()),
    "truepositives": lambda: OfValues(Cell(1, 1)),
    "truenegatives": lambda: OfValues(Cell(0, 0)),
    "falsepositives": lambda: OfValues(Cell(0, 1)),
    "falsenegatives": lambda: OfValues(Cell(1, 0)),
    "mae": MAE,
    "meanabsoluteerror": MAE,
    "mse": MSE,
    "meansquarederror": MSE,
    "rmse": RMSE,
    "rootmeansquarederror": RMSE,
    "r2score": R2,
    "cosinesimilarity": lambda: OfRows(cosine),
    "pearsoncorrelation": lambda: OfRows(pearson),
    "concordancecorrelation": lambda: OfRows(concordance),
}

_NEEDS = {
    "precisionatrecall": "a recall", "recallatprecision": "a precision", "sensitivityatspecificity": "a specificity",
    "specificityatsensitivity": "a sensitivity", "iou": "a number of classes", "meaniou": "a number of classes",
    "onehotiou": "a number of classes", "onehotmeaniou": "a number of classes",
}  # fmt: skip
REFUSED = {
    **{
        name: f"it needs {what}, which a name does not say, and there is none of that kind"
        for name, what in _NEEDS.items()
    },
    "binaryiou": "take optim.ConfusionMatrix(): an IoU is matrix[i, i] / (matrix[i].sum() + matrix[:, i].sum() - it)",
    "mean": "it averages outputs and knows no targets",
    "sum": "it adds outputs up and knows no targets",
}
"""Keras's names that are not taken, and why."""
