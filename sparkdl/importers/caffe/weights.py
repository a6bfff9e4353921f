"""Weights of Caffe files: arrays by layer name, from ``.caffemodel`` (any version) and HDF5."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sparkdl.errors import FormatError
from sparkdl.importers.caffe import wire
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.caffe.upgrade import upgrade_net
from sparkdl.importers.limits import current, reading, within

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_RAW = {"DOUBLE": "<f8", "FLOAT": "<f4", "FLOAT16": "<f2"}


def read_weights(path: str | Path) -> dict[str, list[np.ndarray]]:
    """The blobs of each layer, by its name."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}.")
    with reading(path):
        with open(path, "rb") as file:
            magic = file.read(8)
        if magic == HDF5_MAGIC:
            return _from_hdf5(path)
        net = upgrade_net(wire.load_binary(path, "NetParameter"))
        if not net["layer"]:
            raise FormatError(f"{path} holds no layers; it is no .caffemodel file.")
        return blobs_of(net)


def blobs_of(net: Message) -> dict[str, list[np.ndarray]]:
    """The blobs that the layers of a net of the newest form hold; of layers with one name, the first one's."""
    found: dict[str, list[np.ndarray]] = {}
    for layer in net["layer"]:
        if layer["blobs"] and layer["name"] not in found:
            found[layer["name"]] = [
                blob_array(blob, f"blob {i} of layer {layer['name']!r}") for i, blob in enumerate(layer["blobs"])
            ]
    return found


def blob_array(blob: Message, what: str) -> np.ndarray:
    """The array of a blob; one without any shape is flat."""
    runs = [_raw(blob, what)] if "raw_data" in blob else blob["data"] or blob["double_data"]
    arrays = [np.atleast_1d(run) for run in runs]  # text gives single numbers
    values = arrays[0] if len(arrays) == 1 else np.concatenate(arrays) if arrays else np.zeros(0, np.float32)
    if "shape" in blob:
        shape = tuple(blob["shape"]["dim"])
    elif any(n in blob for n in ("num", "channels", "height", "width")):
        shape = tuple(blob[n] for n in ("num", "channels", "height", "width"))
    else:
        return values
    within(f"{what}: number of axes", len(shape), current().rank)
    count = 1
    for n in shape:
        count *= within(f"{what}: size", n, 1 << 40)
    if count != len(values):
        raise FormatError(f"{what}: its shape {shape} wants {count:,} values, the file holds {len(values):,}.")
    return values.reshape(shape)


def _raw(blob: Message, what: str) -> np.ndarray:
    """Values as NVIDIA's fork writes them, half precision among them, in the bytes of one field."""
    kind, data = blob["raw_data_type"], blob["raw_data"]
    if kind not in _RAW or len(data) % np.dtype(_RAW[kind]).itemsize:
        raise FormatError(f"{what}: {len(data):,} bytes of raw_data of type {kind}; known are whole numbers of {', '.join(_RAW)}.")
    return np.frombuffer(data, _RAW[kind]).astype(np.float32)


def _from_hdf5(path: Path) -> dict[str, list[np.ndarray]]:
    from sparkdl.importers.hdf5 import Hdf5

    with Hdf5(path) as file:
        data = file.root.get("data")
        if data is None:
            raise FormatError(f"{path} has no group 'data': it is no HDF5 file of Caffe weights.")
        found = {}
        for name, group in data.walk_groups():
            numbers = sorted((int(key), key) for key in group.keys() if key.isdigit() and group.is_dataset(key))
            if numbers:
                found[name] = [group.dataset(key).read() for _, key in numbers]
        return found


def fits(array: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether a blob of a file can be a parameter of ``shape``: old files write 1x1xMxN for MxN, the oldest no shape, and
    forks 1xCx1x1 for C."""
    if array.shape == shape:
        return True
    if array.ndim == 1 and array.size == int(np.prod(shape)):
        return True
    if len(shape) == 1 and array.size == max(array.shape, default=1) == shape[0]:
        return True
    return _core(array.shape) == _core(shape)


def _core(shape: tuple[int, ...]) -> tuple[int, ...]:
    first = next((i for i, n in enumerate(shape) if n != 1), len(shape))
    return shape[first:]
