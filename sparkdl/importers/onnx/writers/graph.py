"""The ONNX graph that is being written: its nodes and constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparkdl.importers.caffe.message import Message
from sparkdl.importers.export import Use

TYPES = {np.dtype(np.float32): 1, np.dtype(np.int64): 7, np.dtype(np.float64): 11}


class Graph:
    def __init__(self) -> None:
        self.nodes: list[Message] = []
        self.arrays: list[Message] = []
        self.known: dict[int, str] = {}
        self.count = 0
        self.place = ""

    def at(self, use: Use | None, place: str = "") -> Graph:
        self.place = use.name if use is not None else place
        return self

    def array(self, value: Any, dtype: Any = np.float32) -> str:
        """A constant; parameters used several times stand once."""
        array = np.ascontiguousarray(value, dtype).reshape(np.shape(value))
        name = f"{self.place}.{len(self.arrays)}"
        self.arrays.append(
            Message("TensorProto", dims=[int(n) for n in array.shape], data_type=TYPES[array.dtype], name=name, raw_data=array.tobytes())
        )
        return name

    def node(self, op: str, inputs: Sequence[str], outputs: int = 1, name: str = "", **attributes: Any) -> Any:
        self.count += 1
        made = [name or f"{self.place}/{self.count}" + (f"_{i}" if outputs > 1 else "") for i in range(outputs)]
        listed = [attribute_of(k, v) for k, v in attributes.items() if v is not None]
        self.nodes.append(Message("NodeProto", input=list(inputs), output=made, name=f"{self.place}#{self.count}", op_type=op, attribute=listed))
        return made[0] if outputs == 1 else made


def attribute_of(name: str, value: Any) -> Message:
    if isinstance(value, bool | int | np.integer):
        return Message("AttributeProto", name=name, i=int(value), type=2)
    if isinstance(value, float | np.floating):
        return Message("AttributeProto", name=name, f=float(value), type=1)
    if isinstance(value, str):
        return Message("AttributeProto", name=name, s=value.encode(), type=3)
    if value and isinstance(value[0], str):
        return Message("AttributeProto", name=name, strings=[v.encode() for v in value], type=8)
    return Message("AttributeProto", name=name, ints=[int(v) for v in value], type=7)
