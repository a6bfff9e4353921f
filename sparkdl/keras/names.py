"""Optimizers, losses and metrics by the names that Keras knows them under."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sparkdl import nn, optim
from sparkdl.importers.keras.training import loss_from, metric_from, optimizer_from
from sparkdl.keras.accuracy import Accuracy
from sparkdl.keras.unweighted import Unweighted


def optimizer(given: Any) -> optim.UpdateRule:
    """An update rule, or Keras's name for one, which then has Keras's learning rate and the like."""
    return given if isinstance(given, optim.UpdateRule) else _named("optimizer", given, optimizer_from)


def loss(given: Any, weights: Any = None) -> nn.Loss:
    """A loss, Keras's name for one, or a list with one per output, of which ``weights`` makes a weighted sum.

    Its mean over weighted samples is Keras's: their sum divided by how many they are, not by what they weigh.
    """
    if isinstance(given, Sequence) and not isinstance(given, str):
        made: nn.Loss = nn.ParallelLoss([loss(each) for each in given], None if weights is None else list(weights))
    elif weights is not None:
        raise ValueError("compile: loss_weights go with a list of losses, one per output of the model.")
    else:
        made = copy.copy(given) if isinstance(given, nn.Loss) else _named("loss", given, loss_from)
    made.weighted_mean = False
    return made


def metrics(given: Sequence[Any], weighted: Sequence[Any], trained: nn.Loss) -> list[optim.Metric]:
    """The metrics, in Keras's order: those that sample weights do not touch, then those that they do."""
    plain = [Unweighted(metric(each, trained)) for each in given]
    weighed = [metric(each, trained) for each in weighted]
    for each in weighed:
        if each.name in [other.name for other in plain]:
            each.name = f"weighted_{each.name}"
    return [*plain, *weighed]


def metric(given: Any, trained: nn.Loss) -> optim.Metric:
    """A metric, or Keras's name for one; "accuracy" is the one that fits the loss."""
    if isinstance(given, optim.Metric):
        made, name = copy.copy(given), given.name
    elif isinstance(given, str):
        name = {"acc": "accuracy"}.get(given, given)
        made = _accuracy(trained) if name == "accuracy" else _named("metric", name, metric_from)
    else:
        raise TypeError(f"compile: a metric is a name or an optim.Metric, got {given!r}.")
    made.name = name
    return made


def renamed(metric: optim.Metric, prefix: str) -> optim.Metric:
    """The same metric for other rows."""
    made = copy.copy(metric)
    made.name = prefix + metric.name
    return made


def _accuracy(trained: nn.Loss) -> optim.Metric:
    """Of values on their side of the threshold where the loss is of such, else of classes."""
    if isinstance(trained, nn.BCEWithLogitsLoss):
        return optim.BinaryAccuracy(0.0)
    if isinstance(trained, nn.BCELoss):
        return optim.BinaryAccuracy()
    return Accuracy()


def _named(what: str, given: Any, make: Callable[[Any], Any]) -> Any:
    if not isinstance(given, str | Mapping):
        raise TypeError(f"compile: {what} is a name or an object of sparkdl, got {type(given).__name__}.")
    try:
        return make(given)
    except (KeyError, ValueError) as error:
        raise ValueError(f"compile: no {what} is called {given!r} here; give an object of sparkdl instead.") from error
