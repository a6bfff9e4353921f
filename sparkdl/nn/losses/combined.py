"""Several losses in one, each with its weight."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sparkdl.errors import ShapeError, UnsupportedError
from sparkdl.nn.losses.loss import Loss, leaf_sums, per_sample, weighted


class CombinedLoss(Loss):
    """Base: ``sum(weights[i] * losses[i])``, each part reduced in its own way first.

    A part whose mean divides by what depends on the targets (class weights, ignored places) needs the total over all
    tasks before the others can be added to it; ``ctx.merge`` gets it. Values per sample (``terms``) know no such total:
    there the part is divided by its number of places.
    """

    def __init__(self, losses: Sequence[Loss], weights: Sequence[float] | None = None) -> None:
        super().__init__()
        self.losses, self.weights = list(losses), weights
        if not self.losses or not all(isinstance(loss, Loss) for loss in self.losses):
            raise TypeError(f"{type(self).__name__} takes a list of losses, got {losses!r}.")
        if weights is not None and len(weights) != len(self.losses):
            raise ValueError(f"{self!r}: {len(self.losses)} losses need as many weights, got {len(weights)}.")

    def split(self, y: Any, target: Any) -> list[tuple[Any, Any]]:
        """What each loss gets."""
        raise TypeError(f"{type(self).__name__} defines no split(y, target).")

    def join(self, slopes: list[Any]) -> Any:
        """The slope in ``y`` from that of each loss."""
        raise TypeError(f"{type(self).__name__} defines no join(slopes).")

    def check(self, y, target):
        for loss, part in zip(self.losses, self.split(y, target), strict=True):
            loss.check(*part)

    def terms(self, y, target):
        total: Any = 0
        for loss, factor, part in zip(self.losses, self._factors(), self.split(y, target), strict=True):
            values, counts = loss.totals(part[0], loss.fit(*part))
            if not isinstance(counts, float):
                values = loss.terms(part[0], loss.fit(*part))[0]
                values, counts = per_sample(values), float(math.prod(values.shape[1:]))
            total = total + values * (factor / (1.0 if loss.reduction == "sum" else counts))
        return total, None

    def slope(self, y, target):
        raise UnsupportedError(f"{self!r} cannot be part of another loss; list its losses there.")

    def _factors(self) -> list[float]:
        return [1.0] * len(self.losses) if self.weights is None else [float(w) for w in self.weights]

    def forward(self, y, target, weight, ctx):
        parts = [(y_, loss.fit(y_, t)) for loss, (y_, t) in zip(self.losses, self.split(y, target), strict=True)]
        counted = samples = np.ones(len(parts[0][0][0] if isinstance(parts[0][0], tuple) else parts[0][0]))
        if weight is not None:
            samples = samples * weight
            counted = samples if self.weighted_mean else counted
        heads = leaf_sums(counted, ctx.bounds)
        sums, scales, wholes = [], self._factors(), {}
        for i, (loss, (y_, t)) in enumerate(zip(self.losses, parts, strict=True)):
            values, counts = loss.totals(y_, t)
            sums.append(leaf_sums(values * samples, ctx.bounds))
            if loss.reduction == "sum":
                wholes[i] = np.zeros(len(heads))
            elif isinstance(counts, float):
                scales[i] /= counts
            else:
                wholes[i] = leaf_sums(counts * counted, ctx.bounds)
        if wholes:
            all_heads, *totals = ctx.merge(np.stack([heads, *wholes.values()], axis=1)).tolist()
            for i, total in zip(wholes, totals, strict=True):
                divisor = 1.0 if self.losses[i].reduction == "sum" else total
                scales[i] *= all_heads / divisor if divisor else 0.0
        ctx.save(parts, scales, weight)
        return sum(s * scale for s, scale in zip(sums, scales, strict=True)), heads

    def backward(self, ctx):
        parts, scales, weight = ctx.saved
        slopes = [
            _scaled(weighted(loss.slope(y, t), weight), scale)
            for loss, (y, t), scale in zip(self.losses, parts, scales, strict=True)
        ]
        return self.join(slopes)


def _scaled(slope: Any, scale: float) -> Any:
    if isinstance(slope, tuple):
        return tuple(_scaled(each, scale) for each in slope)
    return slope * slope.dtype.type(scale)


class MultiLoss(CombinedLoss):
    """Several losses of the same outputs and targets: ``sum(weights[i] * losses[i](y, target))``."""

    def split(self, y, target):
        return [(y, target)] * len(self.losses)

    def join(self, slopes):
        if isinstance(slopes[0], tuple):
            return tuple(sum(each) for each in zip(*slopes, strict=True))
        return sum(slopes[1:], slopes[0])


class ParallelLoss(CombinedLoss):
    """One loss for each output: ``sum(weights[i] * losses[i](y[i], target[i]))``.

    ``repeat_target`` gives the one target to all of them.

    Shapes
    ------
    y       a tuple, one output per loss
    target  a tuple, one target per loss
    """

    def __init__(
        self, losses: Sequence[Loss], weights: Sequence[float] | None = None, repeat_target: bool = False
    ) -> None:
        super().__init__(losses, weights)
        self.repeat_target = repeat_target

    def split(self, y, target):
        n = len(self.losses)
        targets = (target,) * n if self.repeat_target else target
        for name, given in (("outputs", y), ("targets", targets)):
            if not isinstance(given, tuple) or len(given) != n:
                got = len(given) if isinstance(given, tuple) else f"one of shape {getattr(given, 'shape', None)}"
                raise ShapeError(f"{self!r} takes {n} {name}, one per loss, got {got}.")
        return list(zip(y, targets, strict=True))

    def join(self, slopes):
        return tuple(slopes)
