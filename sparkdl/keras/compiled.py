"""What ``compile`` is given for a model's outputs, put together into one loss and a list of metrics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sparkdl import nn, optim
from sparkdl.keras import names
from sparkdl.keras.outputs import Outputs, assumed, outputs_of
from sparkdl.keras.several import LossOfOutputs
from sparkdl.keras.unweighted import Unweighted

OF_ONE = (
    nn.ElementwiseLoss, nn.NLLLoss, nn.CategoricalCrossEntropyLoss, nn.InfogainLoss, nn.MultinomialLogisticLoss,
    nn.HingeLoss, nn.MultiMarginLoss, nn.MultiLabelMarginLoss, nn.ClassSimplexLoss, nn.CosineDistanceLoss,
)  # fmt: skip
"""Losses of one output: one of these for a model of several is the loss of each, any other takes them all at once."""


@dataclass
class Compiled:
    """``wanted``: the outputs that take targets; None: the loss takes targets as they come."""

    outputs: Outputs
    loss: nn.Loss
    metrics: list[optim.Metric] = field(default_factory=list)
    wanted: tuple[str, ...] | None = None

    def targets(self, y: Any, column: bool = False) -> Any:
        """The targets as loss and metrics take them; ``column``: the names of a DataFrame's columns."""
        names = self.outputs.names
        if self.wanted is None or (len(names) == 1 and not isinstance(y, Mapping)):
            many = isinstance(y, Mapping) and set(y) == set(names) and not column
            return tuple(y[name] for name in names) if many else y
        return self.outputs.targets(y, self.wanted, column)


def compiled(module: nn.Module, loss: Any, loss_weights: Any, metrics: Any, weighted: Any) -> Compiled:
    """The loss and metrics of ``module``, whose outputs are named in lists and dicts as Keras 3 has it."""
    outputs = outputs_of(module) or assumed([loss, loss_weights, metrics, weighted])
    if isinstance(loss, nn.ParallelLoss) and not loss.repeat_target:
        loss, loss_weights = list(loss.losses), loss.weights if loss_weights is None else loss_weights
    if len(outputs.names) == 1:
        return _single(outputs, loss, loss_weights, metrics, weighted)
    if isinstance(loss, nn.Loss) and not isinstance(loss, OF_ONE):
        return _whole(outputs, loss, loss_weights, metrics, weighted)
    return _several(outputs, loss, loss_weights, metrics, weighted)


def _single(outputs: Outputs, loss: Any, weights: Any, metrics: Any, weighted: Any) -> Compiled:
    if isinstance(loss, list | tuple) or (isinstance(loss, Mapping) and "class_name" not in loss):
        (loss,) = outputs.each("loss", loss, complete=True)
    if isinstance(weights, list | tuple | Mapping):
        (weights,) = outputs.each("loss_weights", weights)
    made = _given(loss)
    plain, weighed = ([names.metric(each, made) for each in _flat(given)] for given in (metrics, weighted))
    total = made if weights is None else _combined(nn.MultiLoss([made], _numbers([weights])))
    return Compiled(outputs, total, _unique([("", plain)], [("", weighed)], lambda _, m: m), outputs.names)


def _whole(outputs: Outputs, loss: nn.Loss, weights: Any, metrics: Any, weighted: Any) -> Compiled:
    """One loss of all outputs together, and so the metrics."""
    if weights is not None:
        raise ValueError(f"compile: {loss!r} takes all outputs at once; loss_weights weigh losses of one output each.")
    made = names.loss(loss)
    plain, weighed = ([names.metric(each, made) for each in _flat(given)] for given in (metrics, weighted))
    return Compiled(outputs, made, _unique([("", plain)], [("", weighed)], lambda _, m: m))


def _several(outputs: Outputs, loss: Any, weights: Any, metrics: Any, weighted: Any) -> Compiled:
    count = len(outputs.names)
    one = isinstance(loss, str | nn.Loss) or (isinstance(loss, Mapping) and "class_name" in loss)
    losses = [loss] * count if one else outputs.each("loss", loss, complete=True)
    made = [None if each is None else names.loss(each) for each in losses]
    factors = [1.0] * count if weights is None else _numbers(outputs.each("loss_weights", weights, 1.0))
    plain, weighed = (
        [
            [names.metric(one, trained) for one in _flat(each)]
            for each, trained in zip(outputs.each(what, given) if given else [None] * count, made, strict=True)
        ]
        for what, given in (("metrics", metrics), ("weighted_metrics", weighted))
    )
    trained = [i for i, each in enumerate(made) if each is not None]
    if not trained:
        raise ValueError(f"compile: give a loss for at least one of the outputs {', '.join(outputs.names)}.")
    wanted = [i for i in range(count) if made[i] is not None or plain[i] or weighed[i]]
    place = {i: wanted.index(i) if len(wanted) > 1 else None for i in wanted}
    parts = [each for each in made if each is not None]
    places = [wanted.index(i) for i in trained] if len(wanted) > 1 else None
    total = LossOfOutputs(parts, [factors[i] for i in trained], trained, places, count)

    def of(i: int, metric: optim.Metric) -> optim.Metric:
        return optim.OfOutput(metric, i, place[i], metric.name)

    each_loss = [of(i, optim.Loss(made[i], f"{outputs.names[i]}_loss")) for i in trained] if len(trained) > 1 else []
    sets = [[(f"{name}_", each) for name, each in zip(outputs.names, given, strict=True)] for given in (plain, weighed)]
    measured = sorted(_unique(sets[0], sets[1], of), key=lambda metric: metric.name)  # as Keras lists them
    wanted_names = tuple(outputs.names[i] for i in wanted)
    return Compiled(outputs, _combined(total), [*each_loss, *measured], wanted_names)


def _given(loss: Any) -> nn.Loss:
    if loss is None:
        raise ValueError("compile: give a loss, as in compile('adam', 'mse').")
    return names.loss(loss)


def _combined(loss: nn.Loss) -> nn.Loss:
    loss.weighted_mean = False
    return loss


def _numbers(weights: Sequence[Any]) -> list[float]:
    for each in weights:
        if isinstance(each, bool | str) or not isinstance(each, float | int) or not math.isfinite(each):
            raise ValueError(f"compile: loss_weights are finite numbers, one per output, got {each!r}.")
    return [float(each) for each in weights]


def _flat(given: Any) -> list[Any]:
    """The metrics of one output: one, or lists and dicts of them."""
    if given is None:
        return []
    if isinstance(given, Mapping):
        given = list(given.values())
    return [one for each in given for one in _flat(each)] if isinstance(given, list | tuple) else [given]


def _unique(
    plain: Sequence[tuple[str, list[optim.Metric]]], weighed: Sequence[tuple[str, list[optim.Metric]]],
    of: Callable[[int, optim.Metric], optim.Metric],
) -> list[optim.Metric]:  # fmt: skip
    """All metrics under names of their own, as Keras makes them: those that sample weights do not touch, then those
    that they do.
    """
    counts: dict[str, int] = {}
    found: list[optim.Metric] = []

    def add(metric: optim.Metric, name: str) -> None:
        times = counts.get(name, 0)
        counts[name] = times + 1
        metric.name = f"{name}_{times}" if times else name
        found.append(metric)

    for i, (prefix, metrics) in enumerate(plain):
        for metric in metrics:
            add(Unweighted(of(i, metric)), prefix + metric.name)
    for i, (prefix, metrics) in enumerate(weighed):
        for metric in metrics:
            name = prefix + metric.name
            add(of(i, metric), f"{prefix}weighted_{metric.name}" if name in counts else name)
    return found
