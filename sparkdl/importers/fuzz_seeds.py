"""Small model files to mutate where no recorded ones are at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


def write_seeds(format: str, folder: Path) -> list[Path]:
    """Files of ``format`` in ``folder``; none where a package that writes them is missing."""
    makers = {
        "prototxt": lambda: _caffe(folder)[:1], "caffemodel": lambda: _caffe(folder)[1:], "keras-json": lambda: _keras_json(folder),
        "keras": lambda: _keras(folder), "solver": lambda: _solver(folder), "safetensors": lambda: _safetensors(folder),
        "pt": lambda: _pt(folder), "keras-hdf5": lambda: _keras_hdf5(folder), "caffehdf5": lambda: _caffe_hdf5(folder),
    }  # fmt: skip
    return makers[format]()


def _net() -> Any:
    from sparkdl import nn

    return nn.Sequential(
        conv=nn.Conv2d(3, 4, 3, padding=1), relu=nn.ReLU(), pool=nn.MaxPool2d(2), norm=nn.BatchNorm2d(4), flat=nn.Flatten(),
        fc=nn.Linear(36, 5), soft=nn.Softmax(),
    )  # fmt: skip


def _caffe(folder: Path) -> list[Path]:
    from sparkdl.importers import save_caffe

    paths = [folder / "deploy.prototxt", folder / "net.caffemodel"]
    save_caffe(_net(), *paths, [(3, 6, 6)])
    return paths


def _solver(folder: Path) -> list[Path]:
    path = folder / "solver.prototxt"
    path.write_text('net: "net.prototxt" base_lr: 0.01 lr_policy: "step" gamma: 0.1 stepsize: 100 momentum: 0.9 max_iter: 500 type: "SGD"')
    return [path]


def _keras_config() -> dict[str, Any]:
    layers: list[tuple[str, dict[str, Any]]] = [
        ("Conv2D", {"filters": 4, "kernel_size": [3, 3], "padding": "same", "activation": "relu", "batch_input_shape": [None, 8, 8, 3]}),
        ("MaxPooling2D", {"pool_size": [2, 2]}), ("Reshape", {"target_shape": [16, 4]}), ("LSTM", {"units": 3, "activation": "tanh"}),
        ("Dense", {"units": 2, "activation": "softmax"}),
    ]  # fmt: skip
    listed = [{"class_name": kind, "config": {"name": f"{kind.lower()}_{i}", **config}} for i, (kind, config) in enumerate(layers)]
    return {"class_name": "Sequential", "config": {"name": "net", "layers": listed}, "keras_version": "2.2.4", "backend": "tensorflow"}


def _keras_json(folder: Path) -> list[Path]:
    path = folder / "model.json"
    path.write_text(json.dumps(_keras_config()))
    return [path]


def _keras(folder: Path) -> list[Path]:
    from sparkdl.importers import save_keras

    try:
        save_keras(_net(), folder / "model.keras", [(3, 6, 6)])
    except ImportError:
        return []
    return [folder / "model.keras"]


def _keras_hdf5(folder: Path) -> list[Path]:
    try:
        import h5py
    except ImportError:
        return []
    shapes = {"conv2d_0": [(3, 3, 3, 4), (4,)], "lstm_3": [(4, 12), (3, 12), (12,)], "dense_4": [(3, 2), (2,)]}
    with h5py.File(folder / "model.h5", "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(_keras_config()), b"2.2.4"
        top = file.create_group("model_weights")
        top.attrs["layer_names"] = [name.encode() for name in shapes]
        for name, arrays in shapes.items():
            group = top.create_group(name)
            group.attrs["weight_names"] = [f"{name}/w{i}:0".encode() for i in range(len(arrays))]
            for i, shape in enumerate(arrays):
                group.create_dataset(f"{name}/w{i}:0", data=np.ones(shape, np.float32))
    return [folder / "model.h5"]


def _caffe_hdf5(folder: Path) -> list[Path]:
    try:
        import h5py
    except ImportError:
        return []
    from sparkdl.importers.caffe.weights import read_weights

    _, binary = _caffe(folder)
    path = folder / "net.caffemodel.h5"
    with h5py.File(path, "w") as file:
        for layer, blobs in read_weights(binary).items():
            for i, blob in enumerate(blobs):
                file.create_dataset(f"data/{layer}/{i}", data=blob)
    return [path]


def _safetensors(folder: Path) -> list[Path]:
    data, head = b"", {}
    arrays: dict[str, np.ndarray] = {"a.weight": np.ones((3, 4), np.float32), "a.bias": np.zeros(3, np.float32), "b": np.ones(2, np.int64)}
    for name, array in arrays.items():
        kind = "F32" if array.dtype == np.float32 else "I64"
        head[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(head).encode()
    path = folder / "weights.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return [path]


def _pt(folder: Path) -> list[Path]:
    try:
        import torch
    except ImportError:
        return []
    state = {"weight": torch.ones(3, 4), "bias": torch.zeros(3), "half": torch.ones(2, 5, dtype=torch.float16).T}
    torch.save(state, folder / "zip.pt")
    torch.save(state, folder / "chain.pt", _use_new_zipfile_serialization=False)
    return [folder / "zip.pt", folder / "chain.pt"]
