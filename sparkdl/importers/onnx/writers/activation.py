"""Functions of single values."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import UnsupportedError
from sparkdl.importers.onnx.writers import writes

_SIMPLE = {
    "ReLU": "Relu", "Sigmoid": "Sigmoid", "Tanh": "Tanh", "Softsign": "Softsign", "Abs": "Abs", "Exp": "Exp", "Log": "Log",
    "Sqrt": "Sqrt", "Negative": "Neg", "Reciprocal": "Reciprocal", "Identity": "Identity", "ActivityRegularization": "Identity", "Dropout": "Identity",
    "Dropout1d": "Identity", "Dropout2d": "Identity", "Dropout3d": "Identity", "AlphaDropout": "Identity",
    "GaussianNoise": "Identity", "GaussianDropout": "Identity", "Hardswish": "HardSwish", "MatMul": "MatMul", "Sub": "Sub", "Div": "Div",
    "Maximum": "Max", "Minimum": "Min", "Erf": "Erf",
}  # fmt: skip


def swapped(w, x, ndim):
    """``x`` with its last two axes turned."""
    order = list(range(ndim))
    order[-2:] = order[-1], order[-2]
    return w.node("Transpose", [x], perm=order)


@writes(*_SIMPLE)
def _simple(w, use, x):
    if type(use.layer).__name__ == "MatMul":
        swap = [use.layer.transpose_a, use.layer.transpose_b]
        x = [swapped(w, v, len(s) + 1) if t else v for v, s, t in zip(x, use.shapes, swap, strict=True)]
    return w.node(_SIMPLE[type(use.layer).__name__], x)


@writes("Add", "Mul")
def _chain(w, use, x):
    y = x[0]
    for other in x[1:]:
        y = w.node(type(use.layer).__name__, [y, other])
    return y


@writes("AddConstant", "MulConstant")
def _constant(w, use, x):
    return w.node(type(use.layer).__name__[:3], [x[0], w.array(use.layer.constant)])


@writes("Power")
def _power(w, use, x):
    p = use.layer
    y = w.node("Mul", [x[0], w.array(p.scale)]) if p.scale != 1 else x[0]
    y = w.node("Add", [y, w.array(p.shift)]) if p.shift != 0 else y
    return w.node("Pow", [y, w.array(p.exponent)])


@writes("Square")
def _square(w, use, x):
    return w.node("Mul", [x[0], x[0]])


@writes("LeakyReLU")
def _leaky(w, use, x):
    return w.node("LeakyRelu", x, alpha=float(use.layer.negative_slope))


@writes("ELU")
def _elu(w, use, x):
    return w.node("Elu", x, alpha=float(use.layer.alpha))


@writes("SELU")
def _selu(w, use, x):
    return w.node("Selu", x)


@writes("Softplus")
def _softplus(w, use, x):
    if use.layer.beta != 1 or use.layer.threshold < 15:
        raise UnsupportedError(f"{use.name!r}: ONNX's Softplus has beta 1 and no threshold.")
    return w.node("Softplus", x)


@writes("SiLU")
def _silu(w, use, x):
    return w.node("Mul", [x[0], w.node("Sigmoid", x)])


@writes("Mish")
def _mish(w, use, x):
    return w.node("Mul", [x[0], w.node("Tanh", [w.node("Softplus", x)])])


@writes("GELU")
def _gelu(w, use, x):
    if use.layer.approximate == "tanh":
        cube = w.node("Mul", [w.node("Pow", [x[0], w.array(3.0)]), w.array(0.044715)])
        inner = w.node("Tanh", [w.node("Mul", [w.node("Add", [x[0], cube]), w.array(np.sqrt(2 / np.pi))])])
    else:
        inner = w.node("Erf", [w.node("Mul", [x[0], w.array(np.sqrt(0.5))])])
    return w.node("Mul", [w.node("Mul", [x[0], w.array(0.5)]), w.node("Add", [inner, w.array(1.0)])])


@writes("Hardsigmoid")
def _hard_sigmoid(w, use, x):
    return w.node("HardSigmoid", x, alpha=float(use.layer.steepness), beta=float(use.layer.offset))


@writes("Hardtanh", "Clamp", "ReLU6")
def _clip(w, use, x):
    return w.node("Clip", [x[0], w.array(np.float32(use.layer.min_val)), w.array(np.float32(use.layer.max_val))])


@writes("Softmax", "LogSoftmax")
def _softmax(w, use, x):
    return w.node(type(use.layer).__name__, x, axis=use.layer.dim % (len(use.shape) + 1))


@writes("PReLU", "SlopeBelowZero")
def _prelu(w, use, x):
    slopes = use.layer.weight.value
    if type(use.layer).__name__ == "PReLU":
        slopes = slopes.reshape(-1, *[1] * (len(use.shape) - 1))
    return w.node("PRelu", [x[0], w.array(slopes)])
