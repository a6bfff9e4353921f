"""The Keras model that is being written: its layers, their arrays, and the tensors between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sparkdl.importers.export import Shape, Use


class Value:
    """A tensor by layer name, in the model's own layout and with channels last; each is made when it is asked for."""

    def __init__(self, w: Graph, plain: tuple[str, Shape] | None = None, last: tuple[str, Shape] | None = None) -> None:
        self._w, self._plain, self._last = w, plain, last

    @property
    def rank(self) -> int:
        return len((self._plain or self._last)[1])  # type: ignore[index]

    @property
    def plain(self) -> tuple[str, Shape]:
        if self._plain is None:
            name, shape = self._last  # type: ignore[misc]
            dims = (len(shape), *range(1, len(shape)))
            self._plain = self._w.add("Permute", [(name, shape)], (shape[-1], *shape[:-1]), {"dims": list(dims)})
        return self._plain

    @property
    def last(self) -> tuple[str, Shape]:
        if self._last is None:
            name, shape = self._plain  # type: ignore[misc]
            if len(shape) < 2:
                return self._plain  # type: ignore[return-value]
            dims = (*range(2, len(shape) + 1), 1)
            self._last = self._w.add("Permute", [(name, shape)], (*shape[1:], shape[0]), {"dims": list(dims)})
        return self._last

    @property
    def is_last(self) -> bool:
        return self._last is not None


class Graph:
    def __init__(self) -> None:
        self.layers: list[dict[str, Any]] = []
        self.arrays: list[Any] = []
        self.names: list[str] = []
        self.base = ""

    def at(self, use: Use) -> Graph:
        self.base = use.name
        return self

    def _name(self, base: str) -> str:
        base = "".join(ch if ch.isalnum() or ch in "_-" else "_" for ch in base) or "layer"
        made, i = base, 1
        while made in self.names:
            i += 1
            made = f"{base}_{i}"
        self.names.append(made)
        return made

    def input(self, name: str, shape: Shape) -> tuple[str, Shape]:
        made = self._name(name)
        self._layer("InputLayer", made, {"batch_shape": [None, *shape], "dtype": "float32", "sparse": False}, [], [])
        return made, shape

    def _layer(self, kind: str, name: str, config: dict[str, Any], nodes: list[Any], arrays: Any) -> None:
        config = {"name": name, **({"trainable": True, "dtype": "float32"} if kind != "InputLayer" else {}), **config}
        self.layers.append(
            {"module": "keras.layers", "class_name": kind, "config": config, "registered_name": None, "name": name, "inbound_nodes": nodes}
        )
        self.arrays.append(arrays)

    def add(
        self, kind: str, inputs: Sequence[tuple[str, Shape]], shape: Shape, config: dict[str, Any], arrays: Any = (), base: str = ""
    ) -> tuple[str, Shape]:
        """Adds a layer; the name and shape of its output."""
        name = self._name(base or self.base)
        tensors = [_tensor(n, s) for n, s in inputs]
        several = kind in ("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Concatenate")
        self._layer(kind, name, config, [{"args": [tensors] if several else tensors, "kwargs": {}}], arrays)
        return name, tuple(int(n) for n in shape)

    def operation(self, kind: str, x: tuple[str, Shape], shapes: Sequence[Shape], config: dict[str, Any]) -> list[tuple[str, Shape]]:
        """Adds an operation of ``keras.ops`` of one tensor; the names, with their numbers behind a colon, and shapes of what it makes."""
        name = self._name(self.base)
        self._layer(kind, name, config, [{"args": [_tensor(*x)], "kwargs": {}}], ())
        self.layers[-1].update(module="keras.src.ops.numpy", registered_name=kind, config={"name": name, **config})
        return [(f"{name}:{i}", tuple(int(n) for n in shape)) for i, shape in enumerate(shapes)]

    def sort(self, outputs: Sequence[str]) -> None:
        """Puts the layers in Keras's own order, by which it finds their weights: falling distance from the outputs, then
        the order in which a walk from the outputs meets them. Layers that lead to no output go, but for inputs."""
        reads = {
            layer["name"]: [t["config"]["keras_history"][0] for node in layer["inbound_nodes"] for t in _tensors(node["args"])]
            for layer in self.layers
        }
        met: dict[str, int] = {}
        stack = list(reversed(outputs))
        while stack:
            name = stack.pop()
            if name not in met:
                met[name] = len(met)
                stack.extend(reversed(reads[name]))
        for layer in self.layers:
            if layer["class_name"] == "InputLayer":
                met.setdefault(layer["name"], len(met))
        depth = dict.fromkeys(met, 0)
        for layer in reversed(self.layers):  # each comes after those it reads
            for name in reads[layer["name"]] if layer["name"] in depth else ():
                depth[name] = max(depth[name], depth[layer["name"]] + 1)
        kept = [i for i, layer in enumerate(self.layers) if layer["name"] in met]
        kept.sort(key=lambda i: (-depth[self.layers[i]["name"]], met[self.layers[i]["name"]]))
        self.layers, self.arrays = [self.layers[i] for i in kept], [self.arrays[i] for i in kept]


def place(name: str) -> list[Any]:
    """Layer, call and number of a tensor."""
    layer, _, number = name.partition(":")
    return [layer, 0, int(number or 0)]


def _tensor(name: str, shape: Shape) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"shape": [None, *shape], "dtype": "float32", "keras_history": place(name)}}


def _tensors(args: Any) -> list[dict[str, Any]]:
    return [t for a in args for t in (a if isinstance(a, list) else [a])]
