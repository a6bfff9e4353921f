"""Layers of unknown types that training alone needs."""

from __future__ import annotations

from collections.abc import Container, Sequence

from sparkdl.importers.caffe.losses import predictions
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.caffe.net import LOSSES, METRICS

_LABELLED = {"Data", "ImageData", "MemoryData", "WindowData", "AnnotatedData", "ImageSegData", "DenseImageData", "CoSData"}


def is_loss(layer: Message) -> bool:
    return layer["type"].endswith("Loss") or any(layer["loss_weight"])


def for_training(layers: Sequence[Message], known: Container[str]) -> list[Message]:
    """Layers of unknown types that can be left out: losses, what scores a label, and what makes the targets of losses."""
    labels = {top for layer in layers for i, top in enumerate(layer["top"]) if "label" in top or (i and layer["type"] in _LABELLED)}
    needed: set[str] = set()  # what is read by layers behind, but for targets
    targets: set[str] = set()
    found = []
    for layer in reversed(layers):
        kind, tops, read = layer["type"], set(layer["top"]), layer["bottom"]
        spare = read and kind not in known and kind not in LOSSES | METRICS and not tops & (needed | set(read))
        if spare and (is_loss(layer) or tops & targets or labels & set(read)):
            found.append(layer)
        elif kind in METRICS:
            targets |= set(read[1:])
        elif kind in LOSSES:
            needed |= set(predictions(layer))
            targets |= set(read) - set(predictions(layer))
        else:
            needed |= set(read)
    return found[::-1]
