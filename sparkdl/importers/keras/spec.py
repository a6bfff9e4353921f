"""What a Keras file says, in one form for all versions: models, layers, and which tensors each call reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Version = tuple[int, ...]  # (major, minor), and a third number where it is known


@dataclass(frozen=True)
class Ref:
    """Output ``tensor`` of call ``node`` of a layer."""

    layer: str
    node: int = 0
    tensor: int = 0


@dataclass
class Call:
    """One use of a layer: positional and keyword arguments, where ``Ref`` stands for a tensor."""

    args: list[Any]
    kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass
class LayerSpec:
    kind: str  # the newest class name
    name: str
    config: dict[str, Any]  # with the newest names
    version: Version  # of the Keras that wrote it
    calls: list[Call] = field(default_factory=list)
    children: dict[str, LayerSpec] = field(default_factory=dict)  # wrapped layers by attribute
    model: ModelSpec | None = None
    trainable: bool = True
    original: str = ""  # the class name in the file
    backend: str = "tensorflow"
    in_tensorflow: bool = False  # written by tf.keras or Keras 3
    quantized: bool = False  # its weights are whole numbers with scales beside them
    weights: list[Any] | None = None  # arrays of its own variables, once assigned
    made: dict[str, Any] = field(default_factory=dict)  # what it was converted to, for further calls

    def __getitem__(self, key: str) -> Any:
        return self.config[key]

    def get(self, key: str, default: Any = None) -> Any:
        """A field of the config; ``default`` also where it is null."""
        value = self.config.get(key)
        return default if value is None else value

    @property
    def channels_first(self) -> bool:
        return self.config.get("data_format") == "channels_first"


@dataclass
class ModelSpec:
    name: str
    layers: list[LayerSpec]
    inputs: list[Ref]
    outputs: list[Ref]
    version: Version
    sequential: bool = False

    def walk(self) -> list[LayerSpec]:
        """All layers, those of nested models and wrapped ones too, each once."""
        found: list[LayerSpec] = []
        stack: list[LayerSpec] = list(reversed(self.layers))
        seen: set[int] = set()
        while stack:
            layer = stack.pop()
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            found.append(layer)
            inner = list(layer.children.values()) + (layer.model.layers if layer.model else [])
            stack.extend(reversed(inner))
        return found
