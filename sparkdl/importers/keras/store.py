"""Weights of a Keras file, given to the layers of a spec: by order and name (HDF5 until Keras 2), by path (from Keras 2.12 on)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from sparkdl.errors import FormatError
from sparkdl.importers.hdf5 import Dataset, Group, Hdf5
from sparkdl.importers.keras.lora import merged, with_lora
from sparkdl.importers.keras.spec import LayerSpec, ModelSpec
from sparkdl.importers.limits import current, within

Variables = Callable[[LayerSpec], list[str]]
"""The names of a layer's own variables in order; ``!`` at the end marks one that is not trained."""


def assign(file: Hdf5, model: ModelSpec, variables: Variables) -> None:
    """Sets ``weights`` (datasets, not read yet) of all layers of ``model``."""
    root = file.root
    top = root.get("model_weights") or root
    if "layer_names" in top.attrs or "layer_names0" in top.attrs:
        _Legacy(top, model, variables).assign()
    elif any(name in root for name in ("layers", "_layer_checkpoint_dependencies", "vars")):
        _by_path(root, model, variables)
    else:
        raise FormatError(f"{file.path} holds no Keras weights (neither 'layer_names' nor 'layers').")


def weight_names(file: Hdf5) -> list[str]:
    """All names in the file, which tell the backend of Keras 1."""
    root = file.root
    top = root.get("model_weights") or root
    groups = [top.find(name) for name in _names(top, "layer_names") or top.keys()]
    return [w for group in groups if isinstance(group, Group) for w in _names(group, "weight_names")]


def _names(group: Group, key: str) -> list[str]:
    """A list of names; long ones are cut into ``key0``, ``key1``, ..."""
    attrs = group.attrs
    values = list(_strings(attrs[key])) if key in attrs else []
    i = 0
    while f"{key}{i}" in attrs:
        values += _strings(attrs[f"{key}{i}"])
        i += 1
    return values


def _strings(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(v) for v in (value if value is not None else [])]


# -- by order ----------------------------------------------------------------------------------------------------------
class _Legacy:
    def __init__(self, top: Group, model: ModelSpec, variables: Variables) -> None:
        self.top, self.model, self.variables = top, model, variables

    def assign(self) -> None:
        names = _names(self.top, "layer_names")
        within("layers of the file", len(names), current().layers)
        arrays: dict[str, list[Dataset]] = {}
        for name in names:
            group = self.top.find(name)  # "conv1/bn" is a group in a group
            if not isinstance(group, Group):
                raise FormatError(f"{self.top.file.path}: the weights of layer {name!r} are missing.")
            arrays[name] = [self._dataset(group, weight) for weight in _names(group, "weight_names")]
        used: set[str] = set()
        own = {layer.name for layer in self.model.walk()}
        self.spare = [name for name in arrays if arrays[name] and name not in own]
        for layer in self.model.layers:
            self._layer(layer, arrays, used)
        surplus = sorted(name for name in arrays if name not in used and arrays[name])
        if surplus:
            warnings.warn(f"the file holds weights of layers that the model does not have: {', '.join(surplus[:10])}.", stacklevel=2)

    def _dataset(self, group: Group, name: str) -> Dataset:
        found = group.dataset(name) if name in group and group.is_dataset(name) else group.find(name)
        if not isinstance(found, Dataset):
            raise FormatError(f"{self.top.file.path}: weight {name!r} of {group.name} is missing.")
        return found

    def _layer(self, layer: LayerSpec, arrays: dict[str, list[Dataset]], used: set[str]) -> None:
        slots = list(_slots(layer, self.variables))
        name = layer.name
        if name not in arrays:
            if layer.model is None:
                if slots:
                    raise FormatError(f"layer {name!r} ({layer.original}): its weights are missing in the file.")
                return
            one_by_one = any(inner.name in arrays for inner in layer.model.walk())
            if one_by_one or not slots or not self.spare:  # Keras 1 does so with the branches of a Merge
                for inner in layer.model.layers:
                    self._layer(inner, arrays, used)
                return
            name = self.spare.pop(0)  # Keras 1 writes no names of nested models, but keeps their order
        used.add(name)
        found = arrays[name]
        order = [slot for slot in slots if slot[2]] + [slot for slot in slots if not slot[2]]
        if len(found) != len(order) and not (layer.model is None and _grouped(layer, len(found))):
            wanted = ", ".join(f"{spec.name}.{name}" for spec, name, _ in order[:12]) or "none"
            raise FormatError(
                f"layer {layer.name!r} ({layer.original}): {len(found)} weights in the file, {len(order)} are wanted ({wanted})."
            )
        if len(found) != len(order):
            layer.weights = list(found)
            return
        by_name: dict[int, dict[str, Any]] = {}
        for (spec, name, _), array in zip(order, found, strict=True):
            by_name.setdefault(id(spec), {})[name] = array
        for spec in {id(spec): spec for spec, _, _ in order}.values():
            own = by_name[id(spec)]
            spec.weights = merged(spec, {name: own[name] for s, name, _ in slots if s is spec}, read)


def _grouped(layer: LayerSpec, count: int) -> bool:
    """Keras 1 wrote the gates of a recurrent layer as one array each, or (``consume_less='gpu'``) all as one."""
    return layer.version[0] == 1 and layer.kind in ("LSTM", "GRU") and count in (3, 9, 12)


def _slots(layer: LayerSpec, variables: Variables, trainable: bool = True) -> Iterator[tuple[LayerSpec, str, bool]]:
    """``(layer, variable, trained)`` of a layer, and of all inside it, in order of definition."""
    trainable = trainable and layer.trainable
    for name in with_lora(layer, variables(layer)):
        yield layer, name.rstrip("!"), trainable and not name.endswith("!")
    for inner in layer.children.values():
        yield from _slots(inner, variables, trainable)
    if layer.model is not None:
        for inner in layer.model.layers:
            yield from _slots(inner, variables, trainable)


# -- by path -----------------------------------------------------------------------------------------------------------
_CHILD_NAMES = {
    "layer": ("layer", "forward_layer"), "backward_layer": ("backward_layer",), "cell": ("cell",),
}  # fmt: skip


def _by_path(root: Group, model: ModelSpec, variables: Variables) -> None:
    _model_by_path(root, model, variables, "")


def _model_by_path(group: Group, model: ModelSpec, variables: Variables, path: str) -> None:
    inner = group.get("layers") or group.get("_layer_checkpoint_dependencies") or group
    named = {str(g.attrs["name"]): key for key in inner.keys() if (g := _vars(inner, key)) is not None and "name" in g.attrs}
    counts: dict[str, int] = {}
    for layer in model.layers:
        if layer.kind.startswith("ops."):
            continue
        if layer.kind == "InputLayer" and model.sequential:
            continue
        base = snake(layer.original if layer.model is None else layer.kind)
        n = counts.get(base, 0)
        counts[base] = n + 1
        key = f"{base}_{n}" if n else base
        key = key if key in inner else named.get(layer.name, key if key in inner else layer.name)
        _layer_by_path(inner.get(key), layer, variables, f"{path}/{layer.name}")


def _vars(group: Group, key: str) -> Group | None:
    return None if group.is_dataset(key) else group.group(key).get("vars")


def _layer_by_path(group: Group | None, layer: LayerSpec, variables: Variables, path: str) -> None:
    wanted = variables(layer)
    held = group.get("vars") if group is not None else None
    if wanted and group is not None and (held is None or not held.keys()) and "cell" in group:
        held = group.group("cell").get("vars")  # a recurrent layer keeps its weights in its cell
    keys = sorted((k for k in held.keys() if k.isdigit()), key=int) if held is not None else []
    ordered = [name for name in wanted if not name.endswith("!")] + [name for name in wanted if name.endswith("!")]
    if len(keys) < len(ordered):
        raise FormatError(
            f"layer {path.strip('/')!r} ({layer.original}): {len(keys)} weights in the file, "
            f"{len(ordered)} are wanted ({', '.join(n.rstrip('!') for n in ordered)})."
        )
    if len(keys) > len(ordered):
        warnings.warn(f"layer {path.strip('/')!r}: {len(keys) - len(ordered)} of {len(keys)} weights in the file are not used.", stacklevel=2)
    by_name = {name: held.dataset(key) for name, key in zip(ordered, keys, strict=False)}  # type: ignore[union-attr]
    layer.weights = [by_name[name] for name in wanted]
    for attribute, inner in layer.children.items():
        _layer_by_path(_child(group, attribute, layer), inner, variables, f"{path}/{attribute}")
    if layer.model is not None:
        if group is None:
            raise FormatError(f"layer {path.strip('/')!r}: the weights of this model are missing in the file.")
        _model_by_path(group, layer.model, variables, path)


def _child(group: Group | None, attribute: str, layer: LayerSpec) -> Group | None:
    if group is None:
        return None
    if attribute.startswith("cell") and attribute[4:].isdigit():
        cells = group.get("cells")
        kinds = [snake(layer.children[f"cell{i}"].original) for i in range(int(attribute[4:]) + 1)]
        n = kinds.count(kinds[-1]) - 1
        return None if cells is None else cells.get(f"{kinds[-1]}_{n}" if n else kinds[-1])
    names = _CHILD_NAMES.get(attribute, (attribute, attribute.lstrip("_"), f"_{attribute}"))
    if layer.kind == "Bidirectional" and attribute == "layer":
        names = ("forward_layer", "layer")
    return next((group.get(name) for name in names if group.get(name) is not None), None)


def snake(name: str) -> str:
    """``Conv2DTranspose`` -> ``conv2d_transpose``, as Keras writes class names in paths."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def read(dataset: Any) -> np.ndarray:
    """The array of a weight."""
    return dataset.read() if isinstance(dataset, Dataset) else np.asarray(dataset)
