"""Functions of single values, dropout and softmax as layers of Caffe."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import UnsupportedError
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.caffe.writers import writes

_SIMPLE = {
    "ReLU": "ReLU", "Sigmoid": "Sigmoid", "Tanh": "TanH", "Abs": "AbsVal", "Softplus": "BNLL", "Identity": "Power",
    "ActivityRegularization": "Power",
}


@writes(*_SIMPLE)
def _simple(w, use, x):
    if type(use.layer).__name__ == "Softplus" and (use.layer.beta != 1 or use.layer.threshold < 15):
        raise UnsupportedError(f"{use.name!r}: Caffe's BNLL has beta 1 and no threshold.")
    return w.layer(_SIMPLE[type(use.layer).__name__], x)


@writes("LeakyReLU")
def _leaky(w, use, x):
    return w.layer("ReLU", x, relu_param=Message("ReLUParameter", negative_slope=float(use.layer.negative_slope)))


@writes("ELU")
def _elu(w, use, x):
    return w.layer("ELU", x, elu_param=Message("ELUParameter", alpha=float(use.layer.alpha)))


@writes("PReLU")
def _prelu(w, use, x):
    slopes = use.layer.weight.value
    shared = slopes.size == 1 and use.shape[0] != 1
    return w.layer("PReLU", x, blobs=[slopes.reshape(()) if shared else slopes], prelu_param=Message("PReLUParameter", channel_shared=shared))


@writes("SiLU")
def _silu(w, use, x):
    return w.layer("Swish", x, swish_param=Message("SwishParameter", beta=1.0))


@writes("Hardtanh", "Clamp", "ReLU6")
def _clip(w, use, x):
    return w.layer("Clip", x, clip_param=Message("ClipParameter", min=float(use.layer.min_val), max=float(use.layer.max_val)))


@writes("BinaryThreshold")
def _threshold(w, use, x):
    return w.layer("Threshold", x, threshold_param=Message("ThresholdParameter", threshold=float(use.layer.threshold)))


@writes("Exp", "Log")
def _exponent(w, use, x):
    return w.layer(type(use.layer).__name__, x)


@writes("Power")
def _power(w, use, x):
    p = use.layer
    return w.layer("Power", x, power_param=Message("PowerParameter", power=float(p.exponent), scale=float(p.scale), shift=float(p.shift)))


@writes("AddConstant", "MulConstant")
def _constant(w, use, x):
    if np.ndim(use.layer.constant):
        raise UnsupportedError(f"{use.name!r}: Caffe has no layer for an array of constants; use nn.ScaleShift.")
    key = "shift" if type(use.layer).__name__ == "AddConstant" else "scale"
    return w.layer("Power", x, power_param=Message("PowerParameter", **{key: float(use.layer.constant)}))


@writes("Negative", "Square")
def _negative(w, use, x):
    return w.layer("Power", x, power_param=Message("PowerParameter", **({"scale": -1.0} if type(use.layer).__name__ == "Negative" else {"power": 2.0})))


@writes("Dropout", "Dropout1d", "Dropout2d")
def _dropout(w, use, x):
    return w.layer("Dropout", x, dropout_param=Message("DropoutParameter", dropout_ratio=float(use.layer.p)))


@writes("Softmax", "LogSoftmax")
def _softmax(w, use, x):
    axis = use.layer.dim % (len(use.shape) + 1)
    y = w.layer("Softmax", x, softmax_param=Message("SoftmaxParameter", axis=axis))
    return w.layer("Log", [y]) if type(use.layer).__name__ == "LogSoftmax" else y
