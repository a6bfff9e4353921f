"""Regularisers of a Keras model, by the parameter that they weigh on."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from sparkdl import nn
from sparkdl.importers.keras.spec import LayerSpec, ModelSpec

if TYPE_CHECKING:
    from sparkdl.optim import L1L2

_NORMALISING = ("BatchNormalization", "SyncBatchNormalization", "LayerNormalization", "GroupNormalization")


def factors(given: Any) -> tuple[float, float] | None:
    """``(l1, l2)`` of a regulariser in a config; None for no or an unknown one (which warns)."""
    if given is None:
        return None
    kind, config = given, {}
    if isinstance(given, dict):
        kind = given.get("class_name") or given.get("name")
        inner = given.get("config")
        config = inner if isinstance(inner, dict) else given
    kind = str(kind).lower()
    if kind in ("l1", "l2", "l1l2", "l1_l2", "l1l2regularizer", "activityregularizer", "weightregularizer"):
        plain = 0.01 if isinstance(given, str) else 0.0  # a name alone means Keras's default
        l1, l2 = (config.get(k, plain if k in kind else 0.0) for k in ("l1", "l2"))
        if all(isinstance(n, int | float) and n >= 0 for n in (l1, l2)):
            return (float(l1), float(l2)) if l1 or l2 else None
    warnings.warn(f"regulariser {str(kind)[:60]!r} is not known here and left out.", stacklevel=3)
    return None


def regularizers(model: ModelSpec, graph: nn.Graph) -> dict[str, L1L2]:
    """Path of a parameter in ``graph`` -> its regulariser."""
    if not any(key.endswith("_regularizer") and value for spec in model.walk() for key, value in spec.config.items()):
        return {}
    from sparkdl.optim import L1L2

    path_of = {id(parameter): path for path, parameter in graph.named_parameters()}
    found = {}
    for spec in model.walk():
        for made, layer in spec.made.items():
            if not isinstance(layer, nn.Module):
                continue
            for name, parameter in layer.named_parameters():
                weighs = factors(spec.config.get(f"{_variable(spec, made, name)}_regularizer"))
                if weighs is not None and parameter.trainable and id(parameter) in path_of:
                    found[path_of[id(parameter)]] = L1L2(*weighs)
    return found


def _variable(spec: LayerSpec, made: str, name: str) -> str:
    """What Keras calls the weight that parameter ``name`` of the layer kept as ``made`` holds."""
    last = name.rpartition(".")[2]
    if last.startswith("weight_hh") or made in ("recurrent", "steps/recurrent", "steps/gates", "steps/candidate"):
        return "recurrent"
    plain = "bias" if "bias" in last else "kernel"
    if spec.kind in _NORMALISING:
        return {"kernel": "gamma", "bias": "beta"}[plain]
    if plain == "bias":
        return "bias"
    if spec.kind == "Embedding":
        return "embeddings"
    if spec.kind == "PReLU":
        return "alpha"
    if made.startswith("depthwise"):
        return "depthwise"
    return "pointwise" if made == "pointwise" else "kernel"


def as_groups(found: dict[str, L1L2]) -> dict[str, dict[str, Any]]:
    """Parameter groups of an update rule, one per regularised parameter."""
    return {path.replace("[", "[[]"): {"regularizer": each} for path, each in found.items()}
