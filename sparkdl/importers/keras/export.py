"""``save_keras``."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sparkdl.importers.export import list_uses, write_uses
from sparkdl.importers.keras.store import snake
from sparkdl.importers.keras.writers import WRITERS
from sparkdl.importers.keras.writers.graph import Graph, Value, place
from sparkdl.nn.module import Module

_VERSION = "3.8.0"  # the oldest Keras whose layers are written


def save_keras(model: Module, path: str | Path, input_shapes: Sequence[Sequence[int]] | None = None) -> None:
    """Writes ``model`` as a Keras 3 file (``.keras``) of a functional model; needs h5py.

    The file takes and gives arrays in the layout of ``model``; inside, convolutions are channels-last. ``input_shapes``
    (without the batch axis) are needed where the graph does not know them. All layers that Keras, or this exporter,
    cannot write are listed in one error before the file is made.
    """
    try:
        import h5py
    except ImportError as error:
        raise ImportError("save_keras writes HDF5, which needs h5py: pip install h5py.") from error
    listing = list_uses(model, input_shapes)
    w = Graph()
    values = {}
    for i, (name, shape) in enumerate(listing.inputs):
        values[i] = Value(w, plain=w.input(name, shape))
    input_names = list(w.names)
    write_uses(listing, WRITERS, w, values, "Keras", lambda shape: Value(w, plain=("", shape)))
    outputs = [values[n].plain for n in listing.outputs]
    w.sort([str(place(name)[0]) for name, _ in outputs])
    config = {
        "module": "keras.src.models.functional", "class_name": "Functional", "registered_name": "Functional",
        "config": {
            "name": "model", "trainable": True, "layers": w.layers,
            "input_layers": [[name, 0, 0] for name in input_names],
            "output_layers": [place(name) for name, _ in outputs],
        },
    }  # fmt: skip
    if len(outputs) == 1:
        config["config"]["output_layers"] = config["config"]["output_layers"][0]  # type: ignore[index]
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        counts: dict[str, int] = {}
        for layer, arrays in zip(w.layers, w.arrays, strict=True):
            base = snake(layer["class_name"])
            n = counts.get(base, 0)
            counts[base] = n + 1
            group = file.create_group(f"layers/{f'{base}_{n}' if n else base}")
            _store(group, arrays)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": _VERSION, "date_saved": "1980-01-01@00:00:00"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights.getvalue())


def _store(group: Any, arrays: Any) -> None:
    if isinstance(arrays, dict):  # a cell inside
        group.create_group("vars")
        for key, inner in arrays.items():
            _store(group.create_group(key), inner)
        return
    held = group.create_group("vars")
    for i, array in enumerate(arrays):
        held.create_dataset(str(i), data=np.ascontiguousarray(array, np.float32).reshape(np.shape(array)))
