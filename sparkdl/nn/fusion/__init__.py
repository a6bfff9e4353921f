"""Groups of layers that one fused layer does better: which, and by what.

A row is a chain of layer classes, each reading only what the one before it made, and the fused layer as
``module:Class``. ``Class.of(*layers)`` makes it, or returns None where these layers do not fit. The first row that
fits wins, so longer chains stand first.
"""

from __future__ import annotations

import importlib
from typing import Any

Rows = list[tuple[tuple[str, ...], str]]
_CONV_POOL: Rows = [
    *((("Conv2d", act, "MaxPool2d"), "conv_pool:ConvPool") for act in ("Tanh", "ReLU")),
    *((("Conv2d", "MaxPool2d", act), "conv_pool:ConvPool") for act in ("Tanh", "ReLU")),
    (("Conv2d", "MaxPool2d"), "conv_pool:ConvPool"),
]
TABLE: Rows = [
    *_CONV_POOL,
    (("BatchNorm2d", "ReLU", "MaxPool2d"), "batchnorm_act:BatchNormAct"),
    (("BatchNorm2d", "ReLU"), "batchnorm_act:BatchNormAct"),
    (("BatchNorm2d",), "batchnorm_act:BatchNormAct"),
    *((("Linear", act), "linear_act:LinearAct") for act in ("Tanh", "ReLU")),
    (("Add", "ReLU"), "add_relu:AddReLU"),
]
ANSWERING: Rows = [  # for a model whose weights do not change any more
    *_CONV_POOL,
    (("Conv2d", "BatchNorm2d", "ReLU"), "conv_ready:ConvReady"),
    (("Conv2d", "BatchNorm2d"), "conv_ready:ConvReady"),
    (("Conv2d", "ReLU"), "conv_ready:ConvReady"),
    (("Conv2d",), "conv_ready:ConvReady"),
    *TABLE[len(_CONV_POOL) :],
]


def fused(layers: list[Any], table: Rows = TABLE) -> tuple[Any, int] | None:
    """The fused layer of ``table`` for the start of a chain of layers, and how many of them it stands for."""
    names = [type(layer).__name__ if type(layer).__module__.startswith("sparkdl.nn.") else "" for layer in layers]
    for chain, where in table:
        if tuple(names[: len(chain)]) == chain:
            module, _, name = where.partition(":")
            formats = {layer.data_format for layer in layers[: len(chain)] if hasattr(layer, "data_format")}
            if len(formats) > 1:
                continue
            made = getattr(importlib.import_module(f"sparkdl.nn.fusion.{module}"), name).of(*layers[: len(chain)])
            if made is not None:
                if formats:
                    made.data_format = formats.pop()
                return made, len(chain)
    return None
