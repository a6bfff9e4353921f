"""Models as plain files: a folder with ``model.json`` (structure) and a file of arrays beside it.

Loading executes no code: class names are looked up among sparkdl.nn's public names and in the caller's ``layers``
only, arrays are read without pickle, and the arrays' hash is checked first. ``model.json`` names its file of arrays,
whose name holds its hash, and is put in place last: a reader finds the old model or the new one, whole.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sparkdl.errors import FormatError
from sparkdl.nn.graph import Graph
from sparkdl.nn.module import Module
from sparkdl.nn.sequential import ModuleList, Sequential

FORMAT, VERSION = "sparkdl-model", 1


def save(model: Module, path: str | Path) -> None:
    """Writes ``model`` into folder ``path``, which is made if need be; a model that is there is replaced."""
    path = Path(path)
    description, arrays = describe(model)
    content = io.BytesIO()
    np.savez(content, **{name.replace("/", "\\"): value for name, value in arrays.items()})  # type: ignore[arg-type]
    data = content.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    name = f"weights-{digest[:16]}.npz"
    path.mkdir(parents=True, exist_ok=True)
    _write(path / name, data)
    description["arrays"] = {"file": name, "sha256": digest}
    _write(path / "model.json", json.dumps(description, indent=1).encode())
    for old in path.glob("weights-*.npz"):
        if old.name != name:
            old.unlink(missing_ok=True)


def load(path: str | Path, layers: Mapping[str, type[Module]] | None = None) -> Module:
    """The model saved in folder ``path``. ``layers`` gives the classes of one's own layers and containers by name.

    Raises FormatError if the folder holds no whole model of this format.
    """
    path = Path(path)
    return make(*_read(path), str(path), layers)


def describe(model: Module) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The model's structure as plain JSON, and its arrays by name."""
    arrays = model.state_dict()
    description = {
        "format": FORMAT,
        "version": VERSION,
        "dtype": str(model.dtype),
        "compute": model.compute,
        "training": model.training,
        "model": _describe(model, "", {}, arrays),
        "ties": _ties(model),
        "frozen": [name for name, p in model.named_parameters() if not p.trainable],
    }
    return description, arrays


def make(
    description: Mapping[str, Any], arrays: Mapping[str, np.ndarray], where: str,
    layers: Mapping[str, type[Module]] | None = None,
) -> Module:  # fmt: skip
    """The model that `describe` told of; ``where`` it was found, for messages."""
    try:
        model = _build(description["model"], "", {}, dict(layers or {}), dict(arrays))
        _tie(model, description["ties"])
        model.to(description["dtype"])
        model.compute_in(description.get("compute", "float32"))
        model.load_state_dict({name: value for name, value in arrays.items() if not name.startswith("config:")})
        for name, p in model.named_parameters():
            p.trainable = name not in description["frozen"]
        return model.train(bool(description["training"]))
    except FormatError as error:
        raise FormatError(f"{where}: {error}") from error
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        text = f"{type(error).__name__}: {error}"
        raise FormatError(f"{where}: model.json does not describe a model of these arrays: {text}") from error


# -- writing -----------------------------------------------------------------------------------------------------------
def _describe(module: Module, path: str, seen: dict[int, str], arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    if id(module) in seen:
        return {"same": seen[id(module)]}
    seen[id(module)] = path
    told: dict[str, Any] = {"class": type(module).__name__}
    if isinstance(module, Graph) and type(module) is Graph:
        told["graph"] = module.describe()
    elif not isinstance(module, Sequential | ModuleList):
        told["config"] = {
            name: _encode(value, f"config:{path}:{name}", module, name, arrays)
            for name, value in module.config().items()
        }
    children = {
        name: _describe(child, f"{path}.{name}" if path else name, seen, arrays)
        for name, child in module._modules.items()
    }
    return {**told, "children": children} if children else told


def _encode(value: Any, key: str, module: Module, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """``value`` as JSON; what JSON lacks is marked by a dict with one key that starts with ``$``."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else {"$float": repr(float(value))}
    if isinstance(value, np.integer | np.bool_):
        return value.item()
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return {"$dtype": str(np.dtype(value))}
    if isinstance(value, tuple | list):
        items = [_encode(each, f"{key}:{i}", module, name, arrays) for i, each in enumerate(value)]
        return {"$tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, Mapping) and all(isinstance(k, str) and k[:1] != "$" for k in value):
        return {k: _encode(each, f"{key}:{k}", module, name, arrays) for k, each in value.items()}
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        arrays[key] = value
        return {"$array": key}
    for child, each in module._modules.items():
        if each is value:
            return {"$child": child}
    raise FormatError(
        f"{type(module).__name__}: argument {name!r} is a {type(value).__name__}, which no file can hold; "
        "define config() to return plain values from which the layer can be made again."
    )


def _ties(model: Module) -> dict[str, str]:
    """``{path of a parameter: path of the same parameter met before}``."""
    first: dict[int, str] = {}
    ties = {}
    for path, module in model.named_modules():
        for name, parameter in module._parameters.items():
            full = f"{path}.{name}" if path else name
            if first.setdefault(id(parameter), full) != full:
                ties[full] = first[id(parameter)]
    return ties


def _write(path: Path, data: bytes) -> None:
    """Puts a file in place, whole."""
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


# -- reading -----------------------------------------------------------------------------------------------------------
def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    file = path / "model.json"
    if not file.is_file():
        raise FormatError(f"{path}: no model.json there; give the folder that model.save made.")
    try:
        description = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{file} is not JSON: {error}") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise FormatError(f"{file} is not a description of a sparkdl model.")
    if description.get("version") != VERSION:
        raise FormatError(f"{file} has format version {description.get('version')!r}; this library reads {VERSION}.")
    arrays = description.get("arrays")
    if not isinstance(arrays, dict) or not isinstance(name := arrays.get("file"), str) or Path(name).name != name:
        raise FormatError(f"{file} names no file of arrays.")
    if not (path / name).is_file():
        raise FormatError(f"{path / name}: the file of arrays is missing.")
    data = (path / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != arrays.get("sha256"):
        raise FormatError(f"{path / name} was changed or cut off: its sha256 is not the one in model.json.")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            return description, {key.replace("\\", "/"): stored[key] for key in stored.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError(f"{path / name} is not a file of arrays: {error}") from error


def _build(
    told: Any, path: str, built: dict[str, Module], layers: dict[str, type[Module]], arrays: dict[str, np.ndarray]
) -> Module:
    if "same" in told:
        return built[told["same"]]
    cls = _class(told["class"], layers)
    children = {}
    for name, child in told.get("children", {}).items():
        children[name] = _build(child, f"{path}.{name}" if path else name, built, layers, arrays)
    if cls is Graph:
        module: Module = Graph.from_description(told["graph"], children)
    elif issubclass(cls, Sequential | ModuleList):
        module = cls.__new__(cls)
        module._modules.update(children)
    else:
        config = {name: _decode(value, children, arrays) for name, value in told["config"].items()}
        module = cls(**config)
        for name in module._modules.keys() - children.keys():
            delattr(module, name)
        for name, child in children.items():  # in place of what the constructor made: it may have been replaced later
            if module._modules.get(name) is not child:
                module._put(name, child)
    built[path] = module
    return module


def _class(name: str, layers: dict[str, type[Module]]) -> type[Module]:
    from sparkdl import nn

    cls = layers.get(name) or (getattr(nn, name) if name in nn.__all__ else None)
    if not (isinstance(cls, type) and issubclass(cls, Module)):
        raise FormatError(f"unknown class {name!r}; is it yours? Then nn.load(path, layers={{{name!r}: {name}}}).")
    return cls


def _decode(value: Any, children: dict[str, Module], arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_decode(each, children, arrays) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((mark, inner),) = value.items()
        if mark == "$float":
            return float(inner)
        if mark == "$dtype":
            return np.dtype(inner)
        if mark == "$tuple":
            return tuple(_decode(each, children, arrays) for each in inner)
        if mark == "$array":
            return arrays[inner]
        if mark == "$child":
            return children[inner]
    return {k: _decode(each, children, arrays) for k, each in value.items()}


def _tie(model: Module, ties: dict[str, str]) -> None:
    for path, first in ties.items():
        owner, _, name = path.rpartition(".")
        origin, _, original = first.rpartition(".")
        setattr(model[owner] if owner else model, name, (model[origin] if origin else model)._parameters[original])
