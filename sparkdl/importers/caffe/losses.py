"""Loss layers of a net as losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sparkdl import nn
from sparkdl.errors import UnsupportedError
from sparkdl.importers.caffe.message import Message

_MODES = {"VALID": "valid", "FULL": "full", "BATCH_SIZE": "batch_size", "NONE": "none"}


def loss_of(layers: Sequence[Message], outputs: Sequence[str]) -> nn.Loss | None:
    """The loss of a net whose outputs are the blobs ``outputs``; None without loss layers."""
    known = [layer for layer in layers if layer["bottom"] and layer["bottom"][0] in outputs]
    if not known:
        return None
    made = [_one(layer) for layer in known]
    weights = [layer["loss_weight"][0] if layer["loss_weight"] else 1.0 for layer in known]
    order = [outputs.index(layer["bottom"][0]) for layer in known]
    if len(outputs) == len(made) == 1 and weights == [1.0]:
        return made[0]
    if sorted(order) != list(range(len(outputs))):
        names = [name for i, name in enumerate(outputs) if i not in order]
        raise UnsupportedError(f"the net's outputs {names} have no loss layer; cut them off to train it.")
    ranked = sorted(range(len(made)), key=lambda i: order[i])
    one_label = len({layer["bottom"][1] for layer in known if len(layer["bottom"]) > 1}) == 1
    return nn.ParallelLoss([made[i] for i in ranked], [weights[i] for i in ranked], repeat_target=one_label)


def _one(layer: Message) -> Any:
    kind, p = layer["type"], layer["loss_param"]
    ignore = p["ignore_label"] if "ignore_label" in p else None
    if kind == "SoftmaxWithLoss":
        if layer["softmax_param"]["axis"] != 1:
            raise UnsupportedError(f"layer {layer['name']!r}: softmax over axis {layer['softmax_param']['axis']}; 1 is known.")
        mode = p["normalization"]
        if "normalization" not in p and "normalize" in p and not p["normalize"]:
            mode = "BATCH_SIZE"
        return nn.SoftmaxWithLoss(ignore, _MODES[mode])
    if kind == "EuclideanLoss":
        return nn.EuclideanLoss()
    if kind == "SigmoidCrossEntropyLoss" and ignore is None and p.fields.get("normalization", "BATCH_SIZE") == "BATCH_SIZE":
        return nn.SigmoidCrossEntropyLoss()
    if kind == "HingeLoss":
        return nn.HingeLoss(2 if layer["hinge_loss_param"]["norm"] == "L2" else 1)
    raise UnsupportedError(f"layer {layer['name']!r} ({kind}): there is no such loss to train with; give Trainer one of your own.")
