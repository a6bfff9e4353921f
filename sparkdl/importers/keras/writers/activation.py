"""Functions of single values, dropout, and normalising of each sample."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import UnsupportedError
from sparkdl.importers.keras.writers import writes
from sparkdl.importers.keras.writers.common import same, turned
from sparkdl.importers.keras.writers.graph import Value

_ACTIVATIONS = {
    "ReLU": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus", "Softsign": "softsign", "SELU": "selu",
    "SiLU": "silu", "Mish": "mish", "Exp": "exponential", "ReLU6": "relu6", "Hardswish": "hard_silu", "LogSigmoid": "log_sigmoid",
}  # fmt: skip


@writes(*_ACTIVATIONS)
def _activation(w, use, x):
    if type(use.layer).__name__ == "Softplus" and (use.layer.beta != 1 or use.layer.threshold < 15):
        raise UnsupportedError(f"{use.name!r}: Keras's softplus has beta 1 and no threshold.")
    return same(w, use, x[0], "Activation", {"activation": _ACTIVATIONS[type(use.layer).__name__]})


@writes("GELU")
def _gelu(w, use, x):
    if use.layer.approximate == "tanh":
        raise UnsupportedError(f"{use.name!r}: Keras's activation gelu is the exact one.")
    return same(w, use, x[0], "Activation", {"activation": "gelu"})


@writes("Hardsigmoid")
def _hard_sigmoid(w, use, x):
    p = use.layer
    if abs(p.steepness - 1 / 6) > 1e-9 or p.offset != 0.5:
        y = same(w, use, x[0], "Rescaling", {"scale": 6 * float(p.steepness), "offset": 6 * (float(p.offset) - 0.5)})
        return same(w, use, y, "Activation", {"activation": "hard_sigmoid"})
    return same(w, use, x[0], "Activation", {"activation": "hard_sigmoid"})


@writes("LeakyReLU")
def _leaky(w, use, x):
    return same(w, use, x[0], "LeakyReLU", {"negative_slope": float(use.layer.negative_slope)})


@writes("ELU")
def _elu(w, use, x):
    return same(w, use, x[0], "ELU", {"alpha": float(use.layer.alpha)})


@writes("Identity", "ActivityRegularization", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "GaussianNoise")
def _dropout(w, use, x):
    if type(use.layer).__name__ == "Dropout":
        return same(w, use, x[0], "Dropout", {"rate": float(use.layer.p)})
    return x[0]


@writes("AddConstant", "MulConstant")
def _constant(w, use, x):
    if np.ndim(use.layer.constant):
        raise UnsupportedError(f"{use.name!r}: arrays of constants are not written; use nn.ScaleShift.")
    add = type(use.layer).__name__ == "AddConstant"
    value = float(use.layer.constant)
    return same(w, use, x[0], "Rescaling", {"scale": 1.0 if add else value, "offset": value if add else 0.0})


@writes("Hardtanh", "Clamp")
def _clamp(w, use, x):
    p = use.layer
    if p.min_val != 0:
        raise UnsupportedError(f"{use.name!r}: Keras has a layer for clipping between 0 and a number only.")
    return same(w, use, x[0], "ReLU", {"max_value": float(p.max_val), "negative_slope": 0.0, "threshold": 0.0})


@writes("Threshold")
def _threshold(w, use, x):
    p = use.layer
    if p.fill != 0 or p.threshold < 0:
        raise UnsupportedError(f"{use.name!r}: Keras fills with 0, below a threshold of at least 0.")
    return same(w, use, x[0], "ReLU", {"max_value": None, "negative_slope": 0.0, "threshold": float(p.threshold)})


@writes("PReLU", "SlopeBelowZero")
def _prelu(w, use, x):
    slopes, rank = use.layer.weight.value, len(use.shape)
    if type(use.layer).__name__ == "SlopeBelowZero":
        shared = [i + 1 for i, n in enumerate(slopes.shape) if n == 1 and use.shape[i] != 1]
        return Value(w, plain=w.add("PReLU", [x[0].plain], use.made[0], {"shared_axes": shared}, [slopes]))
    channels = np.broadcast_to(slopes, use.shape[:1])
    if rank == 1:
        return Value(w, plain=w.add("PReLU", [x[0].plain], use.made[0], {"shared_axes": []}, [channels]))
    config = {"shared_axes": list(range(1, rank))}
    return Value(w, last=w.add("PReLU", [x[0].last], turned(use.made[0]), config, [channels.reshape(*[1] * (rank - 1), -1)]))


@writes("Negative")
def _negative(w, use, x):
    return same(w, use, x[0], "Rescaling", {"scale": -1.0, "offset": 0.0})


@writes("LogSoftmax")
def _log_softmax(w, use, x):
    axis, ndim = use.layer.dim % (len(use.shape) + 1), len(use.shape) + 1
    config = {"activation": "log_softmax"}
    if axis == 1 and ndim > 2:
        return Value(w, last=w.add("Activation", [x[0].last], turned(use.made[0]), config))
    if axis != ndim - 1:
        raise UnsupportedError(f"{use.name!r}: Keras's activation log_softmax goes along the last axis.")
    return Value(w, plain=w.add("Activation", [x[0].plain], use.made[0], config))


@writes("Softmax")
def _softmax(w, use, x):
    axis, ndim = use.layer.dim % (len(use.shape) + 1), len(use.shape) + 1
    if axis == 1 and x[0].is_last and ndim > 2:
        return Value(w, last=w.add("Softmax", [x[0].last], turned(use.made[0]), {"axis": -1}))
    return Value(w, plain=w.add("Softmax", [x[0].plain], use.made[0], {"axis": axis}))
