"""Arrays of old files in the layout of the newest Keras."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import FormatError
from sparkdl.importers.keras.spec import LayerSpec

_FLIPPED = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "ConvLSTM2D")
# positions of the gates' arrays in Keras 1 files, in the newest order of gates
_GATES = {("LSTM", 12): (0, 6, 3, 9), ("ConvLSTM2D", 12): (0, 6, 3, 9), ("GRU", 9): (0, 3, 6)}


def upgrade_weights(spec: LayerSpec, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The arrays of one layer as the newest Keras keeps them."""
    if spec.version[0] == 1:
        arrays = _keras1(spec, arrays)
    if spec.backend == "theano" and spec.version[0] < 3:
        flipped = _FLIPPED + (("SeparableConv2D",) if spec.version[0] == 1 else ())
        if spec.kind in flipped and arrays:
            arrays = [_turned(arrays[0], spec), *arrays[1:]]
        if spec.kind == "ConvLSTM2D" and len(arrays) > 1:
            arrays = [arrays[0], _turned(arrays[1], spec), *arrays[2:]]
    return arrays


def _turned(kernel: np.ndarray, spec: LayerSpec) -> np.ndarray:
    """Theano's convolution turns its kernel by 180 degrees; the first axes are the places."""
    places = kernel.ndim - 2
    return np.flip(kernel, tuple(range(places)))


def _keras1(spec: LayerSpec, arrays: list[np.ndarray]) -> list[np.ndarray]:
    order = _GATES.get((spec.kind, len(arrays)))
    if order:
        parts = [[arrays[i + k] for i in order] for k in range(3)]
        if spec.kind == "ConvLSTM2D" and spec.channels_first:
            parts[:2] = [[_axes(spec, a, (2, 3, 1, 0)) for a in part] for part in parts[:2]]
        return [np.concatenate(part, axis=-1) for part in parts]
    if not arrays:
        return arrays
    kernel = arrays[0]
    if spec.kind == "Conv1D":
        width, filters = spec["kernel_size"][0], spec["filters"]
        if kernel.ndim == 4:
            if kernel.shape[:2] != (width, 1) or kernel.shape[3] != filters:
                kernel = _axes(spec, kernel, (2, 3, 1, 0))
            kernel = kernel[:, 0]
    elif spec.kind == "Conv2D" and spec.channels_first:
        kernel = _axes(spec, kernel, (2, 3, 1, 0))
    elif spec.kind == "Conv3D" and spec.channels_first:
        kernel = _axes(spec, kernel, (2, 3, 4, 1, 0))
    elif spec.kind == "Conv2DTranspose":
        kernel = _axes(spec, kernel, (2, 3, 0, 1) if spec.channels_first else (0, 1, 3, 2))
    elif spec.kind == "SeparableConv2D" and spec.channels_first:
        depthwise = _axes(spec, kernel, (2, 3, 1, 0))
        return [depthwise, _axes(spec, arrays[1], (2, 3, 1, 0)), *arrays[2:]]
    return [kernel, *arrays[1:]]


def _axes(spec: LayerSpec, array: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    if array.ndim != len(order):
        raise FormatError(f"layer {spec.name!r} ({spec.original}): a kernel of shape {array.shape} in the file.")
    return array.transpose(order)
