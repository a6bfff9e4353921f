"""Loss layers of a net as losses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.errors import FormatError, UnsupportedError
from sparkdl.importers.caffe.mean import beside, load_blob
from sparkdl.importers.caffe.message import Message

_MODES = {"VALID": "valid", "FULL": "full", "BATCH_SIZE": "batch_size", "NONE": "none"}


def predictions(layer: Message) -> list[str]:
    """The blobs of a loss layer that the net makes; the rest are labels."""
    return layer["bottom"][: 2 if layer["type"] == "ContrastiveLoss" else 1]


def loss_of(layers: Sequence[Message], outputs: Sequence[str], folder: Path = Path()) -> nn.Loss | None:
    """The loss of a net whose outputs are the blobs ``outputs``; None without loss layers. Its files are in ``folder``."""
    known = [layer for layer in layers if layer["bottom"] and layer["bottom"][0] in outputs]
    if not known:
        return None
    pairs = [layer for layer in known if layer["type"] == "ContrastiveLoss"]
    if pairs:
        if len(known) > 1 or sorted(predictions(pairs[0])) != sorted(outputs):
            raise UnsupportedError(
                f"layer {pairs[0]['name']!r} (ContrastiveLoss) must be the only loss, of two outputs; "
                f"the net has {len(known)} losses and the outputs {list(outputs)}. Give Trainer a loss of your own."
            )
        p = pairs[0]["contrastive_loss_param"]
        loss = nn.ContrastiveLoss(p["margin"], bool(p["legacy_version"]))
        weight = pairs[0]["loss_weight"][0] if pairs[0]["loss_weight"] else 1.0
        return loss if weight == 1 else nn.MultiLoss([loss], [weight])
    made = [_one(layer, folder) for layer in known]
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


def _one(layer: Message, folder: Path) -> Any:
    kind, p = layer["type"], layer["loss_param"]
    ignore = p["ignore_label"] if "ignore_label" in p else None
    if kind in ("SoftmaxWithLoss", "InfogainLoss"):
        axis = layer["softmax_param" if kind == "SoftmaxWithLoss" else "infogain_loss_param"]["axis"]
        if axis != 1:
            raise UnsupportedError(f"layer {layer['name']!r}: softmax over axis {axis}; 1 is known.")
        mode = p["normalization"]
        if "normalization" not in p and "normalize" in p and not p["normalize"]:
            mode = "BATCH_SIZE"
        if kind == "SoftmaxWithLoss":
            return nn.SoftmaxWithLoss(ignore, _MODES[mode])
        return nn.InfogainLoss(_matrix(layer, folder), ignore, _MODES[mode])
    if kind == "MultinomialLogisticLoss":
        return nn.MultinomialLogisticLoss()
    if kind == "EuclideanLoss":
        return nn.EuclideanLoss()
    if kind == "SigmoidCrossEntropyLoss" and ignore is None and p.fields.get("normalization", "BATCH_SIZE") == "BATCH_SIZE":
        return nn.SigmoidCrossEntropyLoss()
    if kind == "HingeLoss":
        return nn.HingeLoss(2 if layer["hinge_loss_param"]["norm"] == "L2" else 1)
    raise UnsupportedError(f"layer {layer['name']!r} ({kind}): there is no such loss to train with; give Trainer one of your own.")


def _matrix(layer: Message, folder: Path) -> np.ndarray:
    """The matrix of an InfogainLoss, from the file that it names, if that lies beside the net."""
    source = layer["infogain_loss_param"]["source"]
    if len(layer["bottom"]) > 2 or not source:
        raise UnsupportedError(f"layer {layer['name']!r} (InfogainLoss) takes its matrix from a blob, not from a file; give Trainer a loss of your own.")
    found = beside(folder, source)
    if found is None:
        raise FileNotFoundError(f"layer {layer['name']!r} (InfogainLoss): its matrix {source!r} is not beside the net.")
    matrix = load_blob(found)
    size = matrix.shape[-1] if matrix.ndim else 0
    if matrix.size != size * size or not size:
        raise FormatError(f"{found} holds an array of shape {matrix.shape}, no matrix of classes by classes.")
    return matrix.reshape(size, size)
