"""Optimizer, loss and metrics that a Keras file was compiled with."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sparkdl.importers.keras.penalties import as_groups
from sparkdl.importers.keras.rates import rate_and_schedule
from sparkdl.importers.keras.spec import ModelSpec


@dataclass
class Compiled:
    """``optimizer`` and ``loss`` are None where the file holds none, or none that is known here (a warning said so)."""

    optimizer: Any = None
    loss: Any = None
    metrics: list[Any] = field(default_factory=list)
    clip: Any = None  # of gradients

    def trainer(self, model: Any, **options: Any) -> Any:
        """A Trainer that goes on training ``model`` as it was compiled."""
        from sparkdl import optim

        if self.optimizer is None or self.loss is None:
            raise ValueError("the file holds no optimizer and loss that are known here; make a Trainer with your own.")
        return optim.Trainer(model.train(), self.loss, self.optimizer, **{"clip": self.clip, **options})


def compiled(config: Any, model: ModelSpec, regularizers: dict[str, Any] | None = None) -> Compiled:
    """What a file's training configuration says; unknown parts warn. ``regularizers`` become groups of the optimizer."""
    made = Compiled()
    if not isinstance(config, dict):
        return made
    given = config.get("optimizer_config") or config.get("optimizer")
    if given is not None:
        made.optimizer = _known("optimizer", given, lambda: optimizer_from(given, as_groups(regularizers or {}) or None))
        made.clip = _known("clipping", given, lambda: _clip(given, model))
    loss = config.get("loss")
    if loss is not None:
        made.loss = _known("loss", loss, lambda: _losses(loss, config.get("loss_weights"), model))
    metrics = config.get("metrics")
    for output, metric in _metrics(metrics, [ref.layer for ref in model.outputs]) if metrics else []:
        one = _known("metric", metric, functools.partial(_metric_of, metric, output, model))
        if one is not None:
            made.metrics.append(one)
    return made


def _metrics(given: Any, names: list[str]) -> list[tuple[int | str, Any]]:
    """Each metric and the number (or unknown name) of its output, from lists with an entry per output or a dict by name."""
    if len(names) == 1:
        return [(0, metric) for metric in _flat(given)]
    if isinstance(given, dict):
        places: list[tuple[int | str, Any]] = [(names.index(k) if k in names else k, each) for k, each in given.items()]
    else:
        places = list(enumerate(given))
    return [(place, metric) for place, each in places for metric in _flat([each]) if metric is not None]


def _metric_of(given: Any, output: int | str, model: ModelSpec) -> Any:
    from sparkdl import optim

    made = metric_from(given)
    if len(model.outputs) == 1:
        return made
    if isinstance(output, str) or output >= len(model.outputs):
        raise ValueError(f"the model has no output {output!r}")
    return optim.OfOutput(made, output, name=f"{model.outputs[output].layer}_{made.name}")


def _known(what: str, given: Any, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError, IndexError) as error:
        warnings.warn(f"the file's {what} {_short(given)} is not known here and left out ({error}).", stacklevel=4)
        return None


def _short(given: Any) -> str:
    return str(given.get("class_name") if isinstance(given, dict) and "class_name" in given else given)[:80]


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict) and "class_name" not in value:
        value = list(value.values())
    return [x for each in value for x in _flat(each)] if isinstance(value, list) else [value]


# -- optimizers ------------------------------------------------------------------------------------------------------
def _clip(given: Any, model: ModelSpec) -> Any:
    from sparkdl import optim

    config = (given.get("config") or {}) if isinstance(given, dict) else {}
    if config.get("clipnorm") and not any(layer.in_tensorflow for layer in model.layers):
        return optim.ClipNorm(float(config["clipnorm"]))  # until Keras 2.3 the norm of all gradients
    if config.get("clipnorm"):
        raise ValueError("it clips each weight's gradient by its own norm; Trainer(clip=...) knows values and the norm of all")
    if config.get("global_clipnorm"):
        return optim.ClipNorm(float(config["global_clipnorm"]))
    return optim.ClipValue(float(config["clipvalue"])) if config.get("clipvalue") else None


def optimizer_from(given: Any, groups: dict[str, Any] | None = None) -> Any:
    """The update rule of a name or of a Keras configuration, with Keras's defaults and these parameter groups."""
    from sparkdl import optim

    kind, config = (given, {}) if isinstance(given, str) else (given["class_name"], given.get("config") or {})
    kind = str(kind).split(">")[-1].lower()
    rate = config.get("learning_rate", config.get("lr", 0.01 if kind == "sgd" else 0.001))
    lr, schedule = rate_and_schedule(rate) if isinstance(rate, dict) else (float(rate), None)
    named = isinstance(given, str)  # then Keras 3's defaults hold; a configuration that lacks a number is an older one
    decay = float(config.get("decay") or 0.0)
    if decay and schedule is None and kind != "nadam":
        schedule = optim.InverseTimeLR(decay)
    shared: dict[str, Any] = {"lr": lr, "schedule": schedule, "groups": groups}
    if config.get("weight_decay") or (named and kind == "adamw"):
        shared["weight_decay"] = float(config.get("weight_decay", 0.004))

    def number(key: str, default: float) -> float:
        value = config.get(key)
        return default if value is None else float(value)

    betas = number("beta_1", 0.9), number("beta_2", 0.999)
    eps = number("epsilon", 1e-7)
    if kind == "sgd":
        momentum = number("momentum", 0.0)
        return optim.SGD(momentum=momentum, nesterov=bool(config.get("nesterov")) and momentum > 0, **shared)
    if kind == "rmsprop":
        return optim.RMSprop(alpha=number("rho", 0.9), eps=eps, momentum=number("momentum", 0.0), centered=bool(config.get("centered")), **shared)
    if kind == "adagrad":
        return optim.Adagrad(eps=eps, initial_accumulator_value=number("initial_accumulator_value", 0.1 if named else 0.0), **shared)
    if kind == "adadelta":
        return optim.Adadelta(rho=number("rho", 0.95), eps=eps, **shared)
    if kind == "nadam":
        momentum_decay = number("schedule_decay", decay or 1.0)
        return optim.NAdam(betas=betas, eps=eps, momentum_decay=momentum_decay, **shared)
    if kind in ("adam", "adamw", "adamax", "lamb"):
        names = {"adam": "AMSGrad" if config.get("amsgrad") else "Adam", "adamw": "AdamW", "adamax": "Adamax", "lamb": "LAMB"}
        return getattr(optim, names[kind])(betas=betas, eps=eps, **shared)
    if kind == "ftrl":
        return optim.Ftrl(lr_power=number("learning_rate_power", -0.5), l1=number("l1_regularization_strength", 0.0),
                          l2=number("l2_regularization_strength", 0.0), lr=lr, schedule=schedule, groups=groups)  # fmt: skip
    if kind == "lion":
        return optim.Lion(betas=(betas[0], number("beta_2", 0.99)), **shared)
    raise ValueError("no such rule")


# -- losses ----------------------------------------------------------------------------------------------------------
def _losses(given: Any, weights: Any, model: ModelSpec) -> Any:
    from sparkdl import nn

    if isinstance(given, dict) and "class_name" not in given:
        given = [given[ref.layer] for ref in model.outputs]
        weights = [weights.get(ref.layer, 1.0) for ref in model.outputs] if isinstance(weights, dict) else weights
    sums = model.version[0] > 1

    def made(loss: Any) -> Any:
        return loss_from("cosine_similarity" if sums and loss == "cosine_proximity" else loss)  # Keras 1 took the mean

    if isinstance(given, list):
        parts = [made(each) for each in given]
        return parts[0] if len(parts) == 1 else nn.ParallelLoss(parts, weights)
    one = made(given)
    return one if len(model.outputs) == 1 else nn.ParallelLoss([made(given) for _ in model.outputs], weights)


_LOSSES: dict[str, str] = {
    "categoricalcrossentropy": "CategoricalCrossEntropyLoss", "sparsecategoricalcrossentropy": "CategoricalCrossEntropyLoss",
    "binarycrossentropy": "BCELoss", "meansquarederror": "MSELoss", "mse": "MSELoss", "meanabsoluteerror": "L1Loss",
    "mae": "L1Loss", "meanabsolutepercentageerror": "MAPELoss", "mape": "MAPELoss", "meansquaredlogarithmicerror": "MSLELoss",
    "msle": "MSLELoss", "categoricalhinge": "CategoricalHingeLoss", "hinge": "MarginLoss", "logcosh": "LogCoshLoss",
    "bce": "BCELoss", "huber": "HuberLoss", "huberloss": "HuberLoss", "kullbackleiblerdivergence": "KullbackLeiblerDivergenceLoss",
    "kldivergence": "KullbackLeiblerDivergenceLoss", "cosineproximity": "CosineProximityLoss", "poisson": "PoissonNLLLoss",
    "kld": "KullbackLeiblerDivergenceLoss", "squaredhinge": "MarginLoss", "cosinesimilarity": "CosineProximityLoss",
}  # fmt: skip


def _plain(given: Any) -> tuple[str, dict[str, Any]]:
    kind: Any = given
    config: Any = {}
    if isinstance(given, dict):
        kind, config = given["class_name"], given.get("config") or {}
        if isinstance(config, dict) and isinstance(config.get("fn"), str):  # a wrapper around a function
            kind = config["fn"]
        if kind == "function":
            kind, config = config, {}
    return str(kind).replace("_", "").lower(), config if isinstance(config, dict) else {}


def loss_from(given: Any) -> Any:
    """The loss of a name or of a Keras configuration."""
    from sparkdl import nn

    kind, config = _plain(given)
    smoothing = {"label_smoothing": float(config["label_smoothing"])} if config.get("label_smoothing") else {}
    if smoothing and kind not in ("categoricalcrossentropy", "binarycrossentropy"):
        raise ValueError(f"label smoothing of {kind}")
    if config.get("from_logits"):
        logits = {"sparsecategoricalcrossentropy": "CrossEntropyLoss", "binarycrossentropy": "BCEWithLogitsLoss"}
        if kind not in logits:
            raise ValueError(f"{kind} from logits")
        return getattr(nn, logits[kind])(**smoothing)
    if kind not in _LOSSES:
        raise ValueError("no such loss")
    if kind == "poisson":
        return nn.PoissonNLLLoss(log_input=False)
    if kind == "squaredhinge":
        return nn.MarginLoss(squared=True)
    if kind == "cosinesimilarity":
        return nn.CosineProximityLoss(of_vectors=True)
    return nn.HuberLoss(float(config.get("delta") or 1.0)) if kind.startswith("huber") else getattr(nn, _LOSSES[kind])(**smoothing)


def metric_from(given: Any) -> Any:
    """The metric of a name or of a Keras configuration."""
    from sparkdl import optim
    from sparkdl.importers.keras.metrics import METRICS, REFUSED, ClassAccuracy

    kind, config = _plain(given)
    if kind in ("acc", "logcosherror"):
        given = kind = {"acc": "accuracy", "logcosherror": "logcosh"}[kind]
    if kind in REFUSED:
        raise ValueError(REFUSED[kind])
    if kind in METRICS:
        made = METRICS[kind]()
        if isinstance(made, ClassAccuracy) and made.k > 1:
            made.k = int(config.get("k") or made.k)
        if isinstance(config.get("threshold"), float) and hasattr(made, "threshold"):
            made.threshold = config["threshold"]
        made.name = given if isinstance(given, str) else config.get("name") or made.name
        return made
    if kind == "treennaccuracy":
        return optim.TreeNNAccuracy()
    if kind not in _LOSSES:
        raise ValueError("no such metric")
    return optim.Loss(loss_from(given), given if isinstance(given, str) else None)
