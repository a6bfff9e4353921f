"""Mean files and the like: a ``.binaryproto`` holds one BlobProto."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sparkdl.errors import FormatError
from sparkdl.importers.caffe import wire
from sparkdl.importers.caffe.weights import blob_array
from sparkdl.importers.limits import reading


def load_blob(path: str | Path) -> np.ndarray:
    """The array of a ``.binaryproto``, float32."""
    with reading(path):
        return blob_array(wire.load_binary(path, "BlobProto"), "its array").astype(np.float32)


def load_caffe_mean(path: str | Path) -> np.ndarray:
    """The mean picture of a mean file, (channels, height, width) float32, channels in the order BGR."""
    array = load_blob(path)
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if array.ndim != 3 or not array.size:
        raise FormatError(f"{path} holds an array of shape {array.shape}, no mean picture (channels, height, width).")
    return array


def beside(folder: Path, name: str) -> Path | None:
    """The file of this name, if it lies beside the prototxt; a file's text never makes us read elsewhere."""
    if not name:
        return None
    found = folder / Path(name.replace("\\", "/")).name
    return found if found.is_file() else None
