"""Dense and normalising layers."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import UnsupportedError
from sparkdl.importers.onnx.writers import writes


@writes("Linear")
def _linear(w, use, x):
    p = use.layer
    if len(use.shape) == 1:
        inputs = [x[0], w.array(p.weight.value)] + ([] if p.bias is None else [w.array(p.bias.value)])
        return w.node("Gemm", inputs, transB=1)
    y = w.node("MatMul", [x[0], w.array(p.weight.value.T)])
    return y if p.bias is None else w.node("Add", [y, w.array(p.bias.value)])


@writes("Embedding")
def _embedding(w, use, x):
    return w.node("Gather", [w.array(use.layer.weight.value), w.node("Cast", x, to=7)])


@writes("BatchNorm1d", "BatchNorm2d", "BatchNorm3d")
def _batch_norm(w, use, x):
    p = use.layer
    if not p.track_running_stats:
        raise UnsupportedError(f"{use.name!r}: it keeps no running statistics to write down.")
    n = p.num_features
    weight = np.ones(n) if p.weight is None else p.weight.value
    bias = np.zeros(n) if p.bias is None else p.bias.value
    return w.node("BatchNormalization", [x[0], *(w.array(a) for a in (weight, bias, p.running_mean, p.running_var))], epsilon=float(p.eps))


@writes("ScaleShift")
def _scale_shift(w, use, x):
    p = use.layer
    axis = p.dim % (len(use.shape) + 1)
    full = (*p.shape, *[1] * (len(use.shape) + 1 - axis - len(p.shape)))
    y = x[0] if p.weight is None else w.node("Mul", [x[0], w.array(p.weight.value.reshape(full))])
    return y if p.bias is None else w.node("Add", [y, w.array(p.bias.value.reshape(full))])


@writes("LocalResponseNorm")
def _lrn(w, use, x):
    p = use.layer
    if p.size % 2 == 0:
        raise UnsupportedError(f"{use.name!r}: ONNX's LRN has an odd size in its runtimes, not {p.size}.")
    return w.node("LRN", x, size=int(p.size), alpha=float(p.alpha), beta=float(p.beta), bias=float(p.k))


@writes("LayerNorm")
def _layer_norm(w, use, x):
    p = use.layer
    axes = len(np.atleast_1d(p.normalized_shape))
    weight = np.ones(p.normalized_shape) if p.weight is None else p.weight.value
    inputs = [x[0], w.array(weight)] + ([] if p.bias is None else [w.array(p.bias.value)])
    return w.node("LayerNormalization", inputs, axis=-axes, epsilon=float(p.eps))


@writes("AxisNorm")
def _axis_norm(w, use, x):
    p, axes = use.layer, list(use.layer.dims)
    centred = w.node("Sub", [x[0], w.node("ReduceMean", x, axes=axes)]) if p.centre else x[0]
    variance = w.node("ReduceMean", [w.node("Mul", [centred, centred])], axes=axes)
    y = w.node("Div", [centred, w.node("Sqrt", [w.node("Add", [variance, w.array(p.eps)])])])
    sizes = dict(zip(p.dims, p.shape, strict=True))
    full = tuple(sizes.get(i, 1) for i in range(len(use.shape) + 1))
    y = y if p.weight is None else w.node("Mul", [y, w.array(p.weight.value.reshape(full))])
    return y if p.bias is None else w.node("Add", [y, w.array(p.bias.value.reshape(full))])
