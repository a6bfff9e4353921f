"""``load_keras``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sparkdl import nn
from sparkdl.errors import FormatError
from sparkdl.importers.hdf5 import Hdf5
from sparkdl.importers.hdf5.file import MAGIC
from sparkdl.importers.keras.archive import read_archive
from sparkdl.importers.keras.config import parse_model
from sparkdl.importers.keras.convert import NetBuilder, check_supported
from sparkdl.importers.keras.spec import ModelSpec, Version
from sparkdl.importers.keras.store import assign, weight_names
from sparkdl.importers.keras.table import variables
from sparkdl.importers.limits import current, read_file, reading


def load_keras(
    path: str | Path, weights: str | Path | None = None, compile: bool = False, *, backend: str | None = None
) -> nn.Graph:
    """The model of a Keras file as a graph in eval mode.

    ``path`` is a whole model (HDF5 of Keras 1, 2 and tf.keras, or ``.keras``), or the JSON or YAML of one with its
    ``weights`` (HDF5) beside it; without weights they are drawn anew. The graph keeps the file's layout at its edges
    (NHWC unless the file says channels_first) and ignores its batch size. Inputs and outputs are in the file's order;
    inputs may be given as a dict by name, ``output_names`` are the layers that make the outputs.

    ``compile=True`` reads the optimizer, loss and metrics that the file holds into ``model.compiled``.
    ``regularizers`` are those of the weights by their paths, which ``compiled`` puts into the optimizer; penalties on
    activities are layers of the graph.
    ``backend`` ("tensorflow" or "theano") overrules what is inferred from a Keras 1 file's weight names.

    Raises ``UnsupportedError`` with all layers that cannot be converted, before any weight is read, and
    ``FormatError`` for files that are corrupt or do not fit together. No code of a file is ever run.
    """
    if backend not in (None, "tensorflow", "theano"):
        raise ValueError(f"load_keras: backend is 'tensorflow' or 'theano', got {backend!r}.")
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}." if not path.is_dir() else f"{path} is a folder; SavedModel is not read, save as .keras or .h5.")
    with reading(path):
        source = _open(path, weights)
        try:
            graph, model = source.convert(backend)
        finally:
            source.close()
        from sparkdl.importers.keras.penalties import regularizers
        from sparkdl.importers.keras.training import compiled

        graph.regularizers = regularizers(model, graph)
        graph.compiled = compiled(source.training, model, graph.regularizers) if compile else None
    return graph.eval()  # type: ignore[return-value]


class _Source:
    """Config, weights, and what the file says of its writer."""

    def __init__(self, config: Any, file: Hdf5 | None, version: str, backend: str, training: Any = None) -> None:
        self.config, self.file, self.training = config, file, training
        self.version, self.backend = _version(version, config), backend
        self.in_tensorflow = "-tf" in version or self.version >= (2, 4)

    def close(self) -> None:
        if self.file is not None:
            self.file.close()

    def convert(self, backend: str | None) -> tuple[nn.Graph, ModelSpec]:
        backend = backend or self.backend or self._inferred_backend()
        model = parse_model(self.config, self.version, backend)
        _default_layout(model, backend, self.in_tensorflow)
        check_supported(model)
        if self.file is not None:
            assign(self.file, model, variables)
        return NetBuilder().graph(model), model

    def _inferred_backend(self) -> str:
        """TensorFlow's weight names end in ``:0``, Theano's do not."""
        if self.version[0] > 1 or self.file is None:
            return "tensorflow"
        names = weight_names(self.file)
        return "theano" if names and not any(name.endswith(":0") for name in names) else "tensorflow"


def _open(path: Path, weights: str | Path | None) -> _Source:
    with open(path, "rb") as file:
        magic = file.read(8)
    if magic == MAGIC:
        return _from_hdf5(path)
    if magic[:4] == b"PK\x03\x04":
        parts = read_archive(path)
        if "config.json" not in parts or "model.weights.h5" not in parts:
            raise FormatError(f"{path} is no .keras file: config.json or model.weights.h5 is missing.")
        config = _json(parts["config.json"], path)
        metadata = _json(parts.get("metadata.json", b"{}"), path)
        version = str(metadata.get("keras_version", "3")) if isinstance(metadata, dict) else "3"
        training = config.get("compile_config") if isinstance(config, dict) else None
        return _Source(config, Hdf5(parts["model.weights.h5"]), version, "tensorflow", training)
    config = _text(path)
    version = str(config.get("keras_version") or "") if isinstance(config, dict) else ""
    backend = str(config.get("backend") or "") if isinstance(config, dict) else ""
    held = None if weights is None else Hdf5(Path(weights))
    if held is not None:
        attrs = {**(held.root.get("model_weights") or held.root).attrs, **held.root.attrs}
        version = version or str(attrs.get("keras_version") or "")
        backend = backend or str(attrs.get("backend") or "")
    return _Source(config, held, version, backend, config.get("compile_config") if isinstance(config, dict) else None)


def _from_hdf5(path: Path) -> _Source:
    file = Hdf5(path)
    attrs = file.root.attrs
    if "model_config" not in attrs:
        raise FormatError(f"{path} holds weights only; give the model's JSON: load_keras('model.json', weights={str(path)!r}).")
    inner = file.root.get("model_weights")
    more = inner.attrs if inner is not None else {}
    version, backend = (str(attrs.get(k) or more.get(k) or "") for k in ("keras_version", "backend"))
    training = attrs.get("training_config")
    config = _json(str(attrs["model_config"]).encode(), path)
    return _Source(config, file, version or "1", backend, None if training is None else _json(str(training).encode(), path))


def _json(text: bytes, path: Path) -> Any:
    try:
        return json.loads(text, parse_constant=float)
    except (ValueError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: its description is no JSON ({error}).") from error


def _text(path: Path) -> Any:
    raw = read_file(path, current().text)
    start = raw.lstrip()[:1]
    if start in (b"{", b"["):
        return _json(raw, path)
    from sparkdl.importers.keras.yaml import parse_yaml

    return parse_yaml(raw.decode("utf-8", "replace"))


def _version(text: str, config: Any) -> Version:
    parts = text.split("-")[0].split(".")
    if parts and parts[0].isdigit():
        return int(parts[0]), *(int(part) if part.isdigit() else 0 for part in (parts[1:3] or ["0"]))
    if isinstance(config, dict) and "module" in config:
        return 3, 0
    return (1, 2) if _looks_like_keras1(config) else (2, 0)


def _looks_like_keras1(config: Any) -> bool:
    """Keras 1 knew no ``units``, ``filters``, ``use_bias`` or ``data_format``."""
    text = json.dumps(config)
    return any(f'"{key}"' in text for key in ("output_dim", "nb_filter", "border_mode", "dim_ordering")) and '"units"' not in text


def _default_layout(model: ModelSpec, backend: str, in_tensorflow: bool) -> None:
    """Layers that do not say take the layout of the model's other layers, else the backend's own."""
    layers = model.walk()
    said = [spec.config["data_format"] for spec in layers if spec.config.get("data_format") in ("channels_first", "channels_last")]
    default = said[0] if said else "channels_first" if backend == "theano" and model.version[0] == 1 else "channels_last"
    for spec in layers:
        if spec.config.get("data_format") is None and spec.kind != "Flatten":
            spec.config["data_format"] = "channels_last" if spec.kind.endswith("1D") else default
        spec.backend, spec.in_tensorflow = backend, in_tensorflow
