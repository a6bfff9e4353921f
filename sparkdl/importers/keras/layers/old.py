"""Layers that only old versions of Keras had."""

from __future__ import annotations

import numpy as np

from sparkdl import nn
from sparkdl.importers.keras import activations
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.layers.core import linear, refuse_activation, slopes_shape
from sparkdl.importers.keras.spec import LayerSpec
from sparkdl.importers.keras.table import converts
from sparkdl.importers.keras.tensor import Tensor


def _highway(spec: LayerSpec) -> list[str]:
    return ["W", "W_carry", *(["b", "b_carry"] if spec.get("use_bias", True) else [])]


@converts("Highway", variables=_highway, refuse=refuse_activation, note="Keras 1")
def highway(c: Conversion) -> Tensor:
    size, bias = c.x.size(-1), c.spec.get("use_bias", True)

    def make(kernel: int) -> nn.Linear:
        weight = c.weight(kernel, (size, size))
        return linear(c, weight, c.weight(kernel + 2, (size,), 0.0) if bias else None)

    x = c.x.plain
    gate = c.apply(nn.Sigmoid(), c.apply(c.once("gate", lambda: make(1)), x, suffix="carry"), suffix="gate")
    inner = Tensor(c.apply(c.once("linear", lambda: make(0)), x, suffix="linear"))
    value = activations.apply(c, c.spec.config.get("activation"), inner, "activation").plain
    moved = c.apply(nn.Mul(), gate, c.apply(nn.Sub(), value, x, suffix="difference"), suffix="product")
    return Tensor(c.apply(nn.Add(), x, moved))


def _maxout(spec: LayerSpec) -> list[str]:
    return ["W", *(["b"] if spec.get("use_bias", True) else [])]


@converts("MaxoutDense", variables=_maxout, note="Keras 1")
def maxout(c: Conversion) -> Tensor:
    size, units, pieces = c.x.size(-1), c.number("units"), c.number("nb_feature", most=1 << 16)

    def make() -> nn.Linear:
        weight = c.weight(0, (pieces, size, units))
        bias = c.weight(1, (pieces, units), 0.0).reshape(-1) if c.spec.get("use_bias", True) else None
        return linear(c, weight.transpose(1, 0, 2).reshape(size, pieces * units), bias)

    y = c.apply(c.once("linear", make), c.x.plain, suffix="linear")
    y = c.apply(nn.Reshape((pieces, units)), y, suffix="pieces")
    return Tensor(c.apply(nn.ReduceMax((1,)), y))


@converts("SReLU", variables=("t_left", "a_left", "t_right", "a_right"), note="Keras 1; shared_axes")
def srelu(c: Conversion) -> Tensor:
    x = c.x
    sizes, own = x.plain.sizes(), slopes_shape(c, x)
    shared = tuple(i for i, n in enumerate(own, start=1) if n == 1 and sizes[i - 1] != 1)

    def make() -> nn.Layer:
        layer = nn.SReLU(sizes, shared)
        for i, name in enumerate(("t_left", "a_left", "t_right", "a_right")):
            getattr(layer, name).value = c.weight(i, own, 1.0 if name == "a_right" else 0.0)
        return layer

    return Tensor(c.apply(c.once("srelu", make), x.plain), mask=x.mask)


@converts("ParametricSoftplus", variables=("alphas", "betas"), note="Keras 1")
def parametric_softplus(c: Conversion) -> Tensor:
    sizes = c.x.plain.sizes()

    def scale(index: int) -> nn.Layer:
        layer = nn.ScaleShift(sizes, 1, shift=False)
        layer.weight.value = c.weight(index, sizes, 1.0)
        return layer

    inner = c.apply(c.once("betas", lambda: scale(1)), c.x.plain, suffix="beta")
    soft = c.apply(nn.Softplus(threshold=80.0), inner, suffix="softplus")
    return Tensor(c.apply(c.once("alphas", lambda: scale(0)), soft), mask=c.x.mask)


@converts("Lambda", refuse=lambda spec: "holds Python code, which is never run; register a converter for the class 'Lambda', "
          "or save the model with the layer replaced by Keras's own layers", note="refused: holds Python code; register_keras")  # fmt: skip
def lambda_(c: Conversion) -> Tensor:
    raise c.refuse("it holds Python code")


@converts("StringLookup", "TextVectorization", "FeatureSpace", refuse=lambda spec: "works on strings; do that before the model",
          note="refused: strings; do that before the model")  # fmt: skip
def strings(c: Conversion) -> Tensor:
    raise c.refuse("it works on strings")


@converts("Equalization", "ContrastLimitedAdaptiveHistogramEqualization", "MaxNumBoundingBoxes",
          refuse=lambda spec: "prepares pictures or boxes for training; do that before the model and save it without the layer",
          note="refused: prepare pictures or boxes before the model")  # fmt: skip
def preparation(c: Conversion) -> Tensor:
    raise c.refuse("it prepares data")


def cudnn_weights(kind: str, units: int, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Weights of CuDNNLSTM and CuDNNGRU as those of LSTM and GRU (reset_after): cuDNN reads each gate's matrix by rows."""
    gates = 4 if kind == "LSTM" else 3
    kernel, recurrent, bias = arrays
    size = kernel.shape[0]
    turned = [part.reshape(-1).reshape(units, size).T for part in np.split(np.ascontiguousarray(kernel), gates, axis=1)]
    inner = [np.ascontiguousarray(part).T for part in np.split(recurrent, gates, axis=1)]
    both = bias.reshape(2, gates * units)
    return [np.concatenate(turned, axis=1), np.concatenate(inner, axis=1), both.sum(0) if kind == "LSTM" else both]
