"""Which blobs of a net have time in front of the batch."""

from __future__ import annotations

from collections.abc import Container, Sequence

from sparkdl.importers.caffe.message import Message

RECURRENT = {"LSTM", "RNN", "LSTMUnit"}
# layers to which the place of the batch is all one, or that name their axis
KEEPING = RECURRENT | {
    "AbsVal", "ArgMax", "BNLL", "Clip", "Concat", "Dropout", "ELU", "Eltwise", "Embed", "Exp", "InnerProduct", "Log", "Power",
    "PReLU", "ReLU", "ReLU6", "Scale", "Sigmoid", "Slice", "Softmax", "Split", "Swish", "TanH", "Threshold",
}  # fmt: skip


def time_first(layers: Sequence[Message]) -> set[str]:
    """Names of the blobs (time, batch, *): what recurrent layers read but for x_static, where that comes from, and what
    is made of their outputs."""
    found: set[str] = set()
    for layer in reversed(layers):
        if layer["type"] in RECURRENT:
            found |= {bottom for i, bottom in enumerate(layer["bottom"]) if i != _static(layer)} | set(layer["top"])
        elif found & set(layer["top"]) and not steps_made(layer, found):
            found |= set(layer["bottom"])
    for layer in layers:
        if layer["type"] not in RECURRENT and found & set(layer["bottom"]):
            found |= set(layer["top"])
    return found


def steps_made(layer: Message, found: Container[str]) -> int:
    """The steps of a Reshape from (time * batch, *) to (time, batch, *), as its top is one of ``found``; 0 of others."""
    p, top = layer["reshape_param"], layer["top"][:1]
    if layer["type"] != "Reshape" or not top or top[0] not in found or top == layer["bottom"] or p["axis"] != 0 or p["num_axes"] != -1:
        return 0
    dims = p["shape"]["dim"]
    return dims[0] if len(dims) > 1 and dims[0] > 0 and (dims[1] > 0 or dims[1] == -1 and -1 not in dims[2:]) else 0


def _static(layer: Message) -> int:
    """The number of x_static among the bottoms, or -1."""
    if layer["type"] == "LSTMUnit":
        return -1
    states = {"LSTM": 2, "RNN": 1}[layer["type"]] if layer["recurrent_param"]["expose_hidden"] else 0
    return 2 if len(layer["bottom"]) == 3 + states else -1
