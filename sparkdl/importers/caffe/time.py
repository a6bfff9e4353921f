"""Which blobs of a net have time in front of the batch."""

from __future__ import annotations

from collections.abc import Sequence

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
        elif found & set(layer["top"]):
            found |= set(layer["bottom"])
    for layer in layers:
        if layer["type"] not in RECURRENT and found & set(layer["bottom"]):
            found |= set(layer["top"])
    return found


def _static(layer: Message) -> int:
    """The number of x_static among the bottoms, or -1."""
    if layer["type"] == "LSTMUnit":
        return -1
    states = {"LSTM": 2, "RNN": 1}[layer["type"]] if layer["recurrent_param"]["expose_hidden"] else 0
    return 2 if len(layer["bottom"]) == 3 + states else -1
