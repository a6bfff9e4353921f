"""Mean files: a ``.binaryproto`` holds one BlobProto."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sparkdl.errors import FormatError
from sparkdl.importers.caffe import wire
from sparkdl.importers.caffe.weights import blob_array
from sparkdl.importers.limits import reading


def load_caffe_mean(path: str | Path) -> np.ndarray:
    """The mean picture of a mean file, (channels, height, width) float32, channels in the order BGR."""
    with reading(path):
        array = blob_array(wire.load_binary(path, "BlobProto"), "the mean").astype(np.float32)
        if array.ndim == 4 and len(array) == 1:
            array = array[0]
        if array.ndim != 3 or not array.size:
            raise FormatError(f"{path} holds an array of shape {array.shape}, no mean picture (channels, height, width).")
        return array
