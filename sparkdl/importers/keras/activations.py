"""Activation functions by name, as each version of Keras means them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from sparkdl import nn
from sparkdl.importers.keras.spec import LayerSpec
from sparkdl.importers.keras.tensor import Tensor

if TYPE_CHECKING:
    from sparkdl.importers.keras.convert import Conversion

# name -> layer; a function of single values each
_SIMPLE: dict[str, Callable[[], nn.Layer]] = {
    "relu": lambda: nn.ReLU(),
    "relu6": lambda: nn.ReLU6(),
    "sigmoid": lambda: nn.Sigmoid(),
    "tanh": lambda: nn.Tanh(),
    "softplus": lambda: nn.Softplus(threshold=80.0),
    "softsign": lambda: nn.Softsign(),
    "elu": lambda: nn.ELU(),
    "selu": lambda: nn.SELU(),
    "exponential": lambda: nn.Exp(),
    "swish": lambda: nn.SiLU(),
    "silu": lambda: nn.SiLU(),
    "mish": lambda: nn.Mish(),
    "gelu": lambda: nn.GELU(),
    "hard_silu": lambda: nn.Hardswish(),
    "hard_swish": lambda: nn.Hardswish(),
    "hard_tanh": lambda: nn.Hardtanh(),
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "celu": lambda: nn.CELU(),
    "log_sigmoid": lambda: nn.LogSigmoid(),
    "tanh_shrink": lambda: nn.Tanhshrink(),
    "soft_shrink": lambda: nn.Softshrink(),
    "hard_shrink": lambda: nn.Hardshrink(),
    "sparse_sigmoid": lambda: nn.Hardsigmoid(steepness=0.5, offset=0.5),
    "squareplus": lambda: nn.Squareplus(),
    "sparse_plus": lambda: nn.SparsePlus(),
}
_OTHERS = ("linear", "softmax", "log_softmax", "hard_sigmoid", "glu", "sparsemax", "threshold")
NAMES = (*_SIMPLE, *_OTHERS)
_ACTIVATION_LAYERS = ("ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax", "ThresholdedReLU", "Activation")


def name_of(value: Any) -> str | None:
    """The name of an activation in a config; None for one that is not a plain function of Keras."""
    if value is None:
        return "linear"
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        config = value.get("config")
        if value.get("class_name") == "function" and isinstance(config, str):
            return config
        kind = value.get("class_name")
        if kind == "Activation" and isinstance(config, dict):
            return name_of(config.get("activation"))
        if isinstance(kind, str) and (not config or set(config) <= {"name", "trainable", "dtype"}):
            return {"ReLU": "relu", "Softmax": "softmax", "ELU": "elu"}.get(kind, kind.lower())
    return None


def refuse(value: Any) -> str | None:
    """Why an activation is not supported, or None."""
    if isinstance(value, dict) and value.get("class_name") in _ACTIVATION_LAYERS and name_of(value) is None:
        return None if value["class_name"] != "PReLU" else "PReLU as an activation argument holds weights of its own"
    name = name_of(value)
    if name in NAMES:
        return None
    shown = value.get("class_name") if isinstance(value, dict) else value
    return f"activation {str(shown)[:60]!r} is a custom function or unknown; register a converter for the layer"


def apply(c: Conversion, value: Any, x: Tensor, suffix: str = "") -> Tensor:
    """The activation of a layer's config on a tensor."""
    name = name_of(value)
    if name is None:
        from sparkdl.importers.keras.table import table

        spec = LayerSpec(value["class_name"], c.spec.name, dict(value.get("config") or {}), c.spec.version, original=value["class_name"])
        inner = type(c)(spec, [x], {}, f"{c.name}/{suffix}" if suffix else c.name, c.net)
        return table()[spec.kind].convert(inner)
    if name == "linear":
        return x
    if name in _SIMPLE:
        return c.each(_SIMPLE[name](), x, suffix)
    if name == "hard_sigmoid":
        new = c.spec.version[0] >= 3
        return c.each(nn.Hardsigmoid(1 / 6, 0.5) if new else nn.Hardsigmoid(0.2, 0.5), x, suffix)
    if name == "threshold":
        return c.each(nn.Threshold(0.0, 0.0), x, suffix)
    kind = {"softmax": "Softmax", "log_softmax": "LogSoftmax", "glu": "GLU", "sparsemax": "Sparsemax"}[name]
    return over_channels(c, partial(nn.Sparsemax, keras=True) if kind == "Sparsemax" else getattr(nn, kind), x, suffix)


def over_channels(c: Conversion, kind: Callable[..., nn.Layer], x: Tensor, suffix: str = "") -> Tensor:
    """A layer along the last axis of the file's layout."""
    if x.is_moved and x.ndim > 2:
        return Tensor(moved=c.apply(kind(dim=1), x.moved, suffix=suffix), mask=x.mask)
    return Tensor(c.apply(kind(dim=x.plain.ndim - 1), x.plain, suffix=suffix), mask=x.mask)
