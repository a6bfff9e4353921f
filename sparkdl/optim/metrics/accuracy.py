"""Shares of rows that are classified right."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.optim import checks
from sparkdl.optim.metrics.base import SumMetric, counts, labels, weighed


class TopK(SumMetric):
    """Share of places whose class is among the ``k`` highest scores, in 0 .. 1.

    Of equal scores the lower class number comes first; a row whose score is NaN is wrong. Places whose target is
    ``ignore_index`` do not count.

    Shapes
    ------
    output  (batch, classes, *)  scores, logits or probabilities
    target  (batch, *)           class numbers from 0
    """

    def __init__(self, k: int = 5, ignore_index: int | None = None, name: str | None = None) -> None:
        self.k, self.ignore_index = k, ignore_index
        checks.whole(self, k=k)
        super().__init__(name)

    def default_name(self) -> str:
        return f"Top{self.k}Accuracy"

    def terms(self, output, target, weight):
        output = np.asarray(output)
        if output.ndim < 2 or output.shape[1] < 2:
            raise ShapeError(
                f"{self!r} takes one score per class, (batch, classes, *), got {output.shape}; "
                "for a single score per row use BinaryAccuracy."
            )
        places = (output.shape[0], *output.shape[2:])
        target = np.asarray(target)
        counted = np.ones(places, bool)
        if self.ignore_index is not None:
            counted = target.reshape(places) != self.ignore_index
            target = np.where(counted, target.reshape(places), 0)
        target = labels(self, target, output.shape[1], places)
        right = ranks(output, target) < self.k
        return weighed(right & counted, weight), weighed(counted, weight)


class Top1Accuracy(TopK):
    """Share of places whose class has the highest score: `TopK` with k = 1."""

    def __init__(self, ignore_index: int | None = None, name: str | None = None) -> None:
        super().__init__(1, ignore_index, name)


class CategoricalAccuracy(SumMetric):
    """Share of places where output and target, both (batch, classes, *), are highest for the same class."""

    def terms(self, output, target, weight):
        output, target = same_shape(self, output, target)
        right = ranks(output, target.argmax(1)) == 0
        return weighed(right, weight), counts(right, weight)


class BinaryAccuracy(SumMetric):
    """Share of values on their target's side of ``threshold``: right is ``(output > threshold) == (target > 0.5)``.

    The threshold is 0.5 for probabilities; for logits use 0.
    """

    def __init__(self, threshold: float = 0.5, name: str | None = None) -> None:
        self.threshold = threshold
        super().__init__(name)

    def terms(self, output, target, weight):
        output, target = same_shape(self, output, target)
        right = ((output > self.threshold) == (target > 0.5)) & ~np.isnan(output)
        return weighed(right, weight), counts(right, weight)


class TreeNNAccuracy(SumMetric):
    """Accuracy at the root of a tree: only the first node of each row counts.

    Shapes
    ------
    output  (batch, nodes, classes)  scores of each node, the root first
    target  (batch,) or (batch, nodes)
    """

    def terms(self, output, target, weight):
        output, target = np.asarray(output), np.asarray(target)
        if output.ndim != 3:
            raise ShapeError(f"{self!r} takes (batch, nodes, classes), got {output.shape}.")
        root = labels(self, target if target.ndim == 1 else target[:, 0], output.shape[2], output.shape[:1])
        right = ranks(output[:, 0], root) == 0
        return weighed(right, weight), counts(right, weight)


def ranks(output: np.ndarray, target: np.ndarray) -> np.ndarray:
    """How many classes stand before the target's; ``output`` (batch, classes, *), ``target`` (batch, *)."""
    picked = target[:, None]
    score = np.take_along_axis(output, picked, 1)
    number = np.arange(output.shape[1]).reshape(1, -1, *[1] * (output.ndim - 2))
    before = ~(output < score) & ((output != score) | (number < picked))
    before &= number != picked
    return np.where(np.isnan(score[:, 0]), output.shape[1], before.sum(1))


def same_shape(metric: Any, output: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays of one shape; a last axis of length one may be missing from the target or the output."""
    output, target = np.asarray(output), np.asarray(target)
    if output.shape != target.shape and (*target.shape, 1) == output.shape:
        target = target[..., None]
    elif output.shape != target.shape and (*output.shape, 1) == target.shape:
        output = output[..., None]
    if output.shape != target.shape:
        raise ShapeError(
            f"{metric!r} compares arrays of one shape, got outputs {output.shape}, targets {target.shape}."
        )
    return output, target
