"""A net that is being written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparkdl.importers.caffe.message import Message
from sparkdl.importers.export import Use


class Net:
    """The layers written so far, and the names that are taken."""

    def __init__(self) -> None:
        self.layers: list[Message] = []
        self.names: set[str] = set()
        self.base = ""

    def at(self, use: Use) -> Net:
        self.base = use.name
        return self

    def unique(self, name: str) -> str:
        made, i = name, 1
        while made in self.names:
            i += 1
            made = f"{name}_{i}"
        self.names.add(made)
        return made

    def layer(self, kind: str, bottoms: Sequence[str], tops: int = 1, blobs: Sequence[Any] = (), **parameters: Message) -> Any:
        """Adds a layer; the name of its top, or a list of them."""
        name = self.unique(self.base)
        made = [name] if tops == 1 else [self.unique(f"{name}_{i}") for i in range(tops)]
        message = Message("LayerParameter", name=name, type=kind, bottom=list(bottoms), top=made)
        if blobs:
            message["blobs"] = [_blob(array) for array in blobs]
        for key, value in parameters.items():
            message[key] = value
        self.layers.append(message)
        return made[0] if tops == 1 else made

    def silence(self, bottom: str) -> None:
        """Lets a blob be no output."""
        self.layers.append(Message("LayerParameter", name=self.unique(f"{bottom}_unused"), type="Silence", bottom=[bottom]))


def _blob(array: Any) -> Message:
    values = np.ascontiguousarray(array, np.float32).reshape(-1)
    return Message("BlobProto", shape=Message("BlobShape", dim=[int(n) for n in np.shape(array)]), data=[values])
