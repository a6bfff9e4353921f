"""Optimizers, losses and metrics by the names that Keras knows them under."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from sparkdl import nn, optim
from sparkdl.importers.keras.metrics import ClassAccuracy
from sparkdl.importers.keras.training import loss_from, metric_from, optimizer_from


def optimizer(given: Any) -> optim.UpdateRule:
    """An update rule, or Keras's name for one, which then has Keras's learning rate and the like."""
    return given if isinstance(given, optim.UpdateRule) else _named("optimizer", given, optimizer_from)


def loss(given: Any) -> nn.Loss:
    """A loss, or Keras's name for one.

    Its mean over weighted samples is Keras's: their sum divided by how many they are, not by what they weigh.
    """
    made: nn.Loss = copy.copy(given) if isinstance(given, nn.Loss) else _named("loss", given, loss_from)
    made.weighted_mean = False
    return made


def metric(given: Any, trained: nn.Loss | None) -> optim.Metric:
    """A metric, or Keras's name for one; "accuracy" is the one that fits outputs, targets and the loss."""
    if isinstance(given, optim.Metric):
        made, name = copy.copy(given), given.name
    elif isinstance(given, str):
        name = given
        made = _named("metric", {"acc": "accuracy"}.get(given, given), metric_from)
        if isinstance(trained, nn.BCEWithLogitsLoss) and hasattr(made, "threshold"):
            made.threshold = 0.0  # of outputs before their sigmoid
        if isinstance(made, ClassAccuracy) and isinstance(trained, nn.NLLLoss):
            made.axis = 1  # where these losses have their classes
    else:
        hint = f"; make an object of it, {given.__name__}()" if isinstance(given, type) else ""
        raise TypeError(f"compile: a metric is a name or an optim.Metric, got {given!r}{hint}.")
    made.name = name
    return made


def renamed(metric: optim.Metric, prefix: str) -> optim.Metric:
    """The same metric for other rows."""
    made = copy.copy(metric)
    made.name = prefix + metric.name
    return made


def _named(what: str, given: Any, make: Callable[[Any], Any]) -> Any:
    if not isinstance(given, str | Mapping):
        got = f"the class {given.__name__}; make an object of it" if isinstance(given, type) else type(given).__name__
        raise TypeError(f"compile: {what} is a name or an object of sparkdl, got {got}.")
    try:
        return make(given)
    except (KeyError, ValueError) as error:
        told = f" ({error})" if str(error).count(" ") > 3 else ""
        known = f"no {what} is called {given!r} here{told}"
        raise ValueError(f"compile: {known}; give an object of sparkdl instead.") from error
