"""Losses, update rules and metrics as ML params have them: an object, a name, or the plain JSON of a saved stage."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from sparkdl import nn, optim
from sparkdl.ml.registry import registered
from sparkdl.nn.losses.loss import Loss
from sparkdl.nn.losses.plain import loss_config, loss_from_config
from sparkdl.nn.module import Module
from sparkdl.optim.config import Configured, from_config
from sparkdl.optim.metrics.base import Metric
from sparkdl.optim.rules.base import UpdateRule


def as_module(value: Any) -> Module:
    """A model; for params."""
    if not isinstance(value, Module):
        raise TypeError(f"model must be a sparkdl.nn.Module, got {type(value).__name__}.")
    return value


def as_loss(value: Any) -> Loss:
    """A loss; of a name (``"cross_entropy"``, ``"CrossEntropyLoss"``) the loss of that class with its defaults."""
    if isinstance(value, str):
        return _named("loss", value, nn, "Loss")()
    if isinstance(value, Mapping):
        return loss_from_config(value, registered())
    if not isinstance(value, Loss):
        raise TypeError(f"loss must be a loss of sparkdl.nn or its name, got {value!r}.")
    return value


def as_rule(value: Any) -> UpdateRule:
    """An update rule; of a name (``"adam"``, ``"SGD"``) the rule of that class; see `rule_with_rate`."""
    if isinstance(value, str):
        return rule_with_rate(value, None)
    if isinstance(value, Mapping):
        return from_config(value, registered())
    if not isinstance(value, UpdateRule):
        raise TypeError(f"optimizer must be an update rule of sparkdl.optim or its name, got {value!r}.")
    return value


def rule_with_rate(value: Any, rate: float | None) -> UpdateRule:
    """The update rule ``value`` (an object or a name) with learning rate ``rate``, unless that is None."""
    if isinstance(value, str):
        cls = _named("optimizer", value, optim, "", UpdateRule)
        needs = inspect.signature(cls).parameters["lr"].default is inspect.Parameter.empty
        if rate is None and needs:
            raise ValueError(f"optimizer {value!r} has no learning rate of its own: set learningRate.")
        return cls() if rate is None else cls(lr=rate)
    rule = as_rule(value)
    if rate is None:
        return rule
    return from_config({**rule.config(), "lr": rate}, {**registered(), type(rule).__name__: type(rule)})


def as_metric(value: Any) -> Metric:
    """A metric; of a name (``"AUC"``, ``"top1_accuracy"``) the metric of that class with its defaults."""
    if isinstance(value, str):
        return _named("metric", value, optim, "", Metric)()
    if isinstance(value, Mapping):
        return from_config(value, registered())
    if not isinstance(value, Metric):
        raise TypeError(f"a metric must be one of sparkdl.optim or its name, got {value!r}.")
    return value


def to_json(value: Any) -> Any:
    """A param's value as plain JSON, from which the ``as_`` functions make it again."""
    if isinstance(value, Loss):
        return loss_config(value)
    if isinstance(value, Configured):
        return value.config()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [to_json(each) for each in value]
    return value


def _named(what: str, name: str, package: Any, ending: str, base: type = Loss) -> Any:
    """The class of ``package``, or registered, that a user's spelling means."""

    def plain(text: str) -> str:
        text = text.replace("_", "").lower()
        return text.removesuffix(ending.lower()) if ending else text

    classes = {plain(key): cls for key, cls in registered().items() if issubclass(cls, base)}
    names = {plain(key): key for key in package.__all__ if key[:1].isupper() and key.endswith(ending)}
    wanted = plain(name)
    cls = classes.get(wanted) or (getattr(package, names[wanted]) if wanted in names else None)
    if not (isinstance(cls, type) and issubclass(cls, base)):
        known = ", ".join(key for key in names.values() if ending or _is(package, key, base))
        raise ValueError(f"there is no {what} called {name!r}; known are {known}.")
    return cls


def _is(package: Any, name: str, base: type) -> bool:
    found = getattr(package, name)
    return isinstance(found, type) and issubclass(found, base) and found is not base
