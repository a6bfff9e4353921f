"""Dense, embedding, activations, dropout, masking."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.importers.build import Value
from sparkdl.importers.keras import activations
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.spec import LayerSpec
from sparkdl.importers.keras.table import converts
from sparkdl.importers.keras.tensor import Tensor


def with_bias(*names: str) -> Any:
    """Variables of a layer: ``names``, and a bias where the config has one."""
    return lambda spec: [*names, *(["bias"] if spec.get("use_bias", True) else [])]


def refuse_activation(spec: LayerSpec) -> str | None:
    return activations.refuse(spec.config.get("activation"))


def linear(c: Conversion, weight: np.ndarray, bias: np.ndarray | None) -> nn.Linear:
    """A Linear of a kernel (in, out)."""
    layer = nn.Linear(*weight.shape, bias=bias is not None)
    layer.weight.value = weight.T
    if bias is not None:
        layer.bias.value = bias
    return layer


@converts("Dense", "TimeDistributedDense", variables=with_bias("kernel"), refuse=refuse_activation)
def dense(c: Conversion) -> Tensor:
    units = c.number("units")

    def make() -> nn.Linear:
        kernel = c.weight(0, (x.size(-1), units))
        return linear(c, kernel, c.weight(1, (units,), 0.0) if c.spec.get("use_bias", True) else None)

    x = c.x
    if x.ndim < 2:
        raise c.fail("its input has no axis but the batch")
    y = Tensor(c.apply(c.once("linear", make), x.plain), mask=x.mask)
    return activations.apply(c, c.spec.config.get("activation"), y, "activation")


@converts("Activation", refuse=refuse_activation)
def activation(c: Conversion) -> Tensor:
    y = activations.apply(c, c.spec.config.get("activation"), c.x)
    return y if y is not c.x else Tensor(c.x.plain, mask=c.x.mask)


def _embeddings(spec: LayerSpec) -> list[str]:
    return ["embeddings"] if spec.kind == "Embedding" or spec.get("tie_weights", True) else ["embeddings", "reverse_embeddings"]


def _reversed(c: Conversion, rows: int, width: int) -> Tensor:
    """Scores of all rows: the product with the table, or with one of its own."""

    x = c.x.plain
    axes = "abcdefgh"[: x.ndim]

    def make() -> nn.Einsum:
        if c.spec.get("tie_weights", True):
            layer = nn.Einsum(f"{axes},z{axes[-1]}->{axes[:-1]}z", (rows, width))
            layer.weight = c.once("table", lambda: _table(c, rows, width)).weight
        else:
            layer = nn.Einsum(f"{axes},{axes[-1]}z->{axes[:-1]}z", (width, rows))
            layer.weight.value = c.weight(1, (width, rows))
        return layer

    y = Tensor(c.apply(c.once("reverse", make), x), mask=c.x.mask)
    cap = c.spec.get("logit_soft_cap")
    if cap is None:
        return y
    y = c.each(nn.Tanh(), c.each(nn.MulConstant(1 / float(cap)), y, "share"), "tanh")
    return c.each(nn.MulConstant(float(cap)), y, "cap")


def _table(c: Conversion, rows: int, width: int) -> nn.Embedding:
    table = c.weight(0, (rows, width))
    layer = nn.Embedding(rows, width)
    layer.weight.value = table
    return layer


@converts("Embedding", "ReversibleEmbedding", variables=_embeddings)
def embedding(c: Conversion) -> Tensor:
    rows, width = c.number("input_dim"), c.number("output_dim")
    if c.kwargs.get("reverse") is True or c.args[1:2] == [True]:
        return _reversed(c, rows, width)
    x = c.x
    mask = c.apply(nn.NotEqualMask(0.0, False), x.plain, suffix="mask") if c.spec.get("mask_zero", False) else None
    y = c.apply(c.once("table", lambda: _table(c, rows, width)), x.plain)
    if c.spec.version[0] == 1 and c.spec.get("dropout", 0.0):
        y = c.apply(nn.Dropout(c.spec["dropout"]), y, suffix="dropout")
    return Tensor(y, mask=mask)


@converts("Masking", note="steps that hold mask_value only do not count")
def masking(c: Conversion) -> Tensor:
    value = float(c.spec.get("mask_value", 0.0))
    x, places = c.x.plain, c.x.plain.sizes()[:-1] if c.x.ndim > 3 else ()
    if places:  # of pictures per step: a mask for each place
        x = c.apply(nn.Reshape((prod(places), c.x.size(-1))), x, suffix="places")
    mask = c.apply(nn.NotEqualMask(value), x, suffix="mask")
    y = c.apply(nn.MaskSteps(), x, mask, suffix="kept" if places else "")
    if places:
        mask = c.apply(nn.Reshape(places), mask, suffix="masks")
        y = c.apply(nn.Reshape((*places, c.x.size(-1))), y)
    return Tensor(y, mask=mask)


def _rate(c: Conversion, key: str = "rate") -> float:
    rate = c.spec.get(key, 0.0)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < 1:
        raise c.fail(f"{key} is {rate!r}")
    return float(rate)


@converts("Dropout", "AlphaDropout", "GaussianDropout", note="of noise_shape, only what drops whole channels is honoured while training")
def dropout(c: Conversion) -> Tensor:
    x, noise = c.x, c.spec.get("noise_shape", [])
    noise = noise.get("items", []) if isinstance(noise, dict) else noise
    channels = noise[-1:] in ([None], [x.shape[-1] if x.shape else None]) and all(n == 1 for n in noise[1:-1])
    if c.spec.kind == "Dropout" and 3 <= len(noise) <= 5 and len(noise) == x.ndim and noise[0] != 1 and channels:
        return Tensor(moved=c.apply(getattr(nn, f"Dropout{len(noise) - 2}d")(_rate(c)), x.moved), mask=x.mask)
    return c.each(getattr(nn, c.spec.kind)(_rate(c)))


@converts("GaussianNoise")
def gaussian_noise(c: Conversion) -> Tensor:
    return c.each(nn.GaussianNoise(float(c.spec.get("stddev", 0.0))))


@converts("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")
def spatial_dropout(c: Conversion) -> Tensor:
    layer = getattr(nn, f"Dropout{c.spec.kind[-2]}d")(_rate(c))
    if c.spec.channels_first and c.spec.kind != "SpatialDropout1D":
        return Tensor(c.apply(layer, c.x.plain), mask=c.x.mask)
    return Tensor(moved=c.apply(layer, c.x.moved), mask=c.x.mask)


@converts("ActivityRegularization")
def activity_regularization(c: Conversion) -> Tensor:
    return c.each(nn.ActivityRegularization(float(c.spec.get("l1", 0.0)), float(c.spec.get("l2", 0.0))))


@converts("Identity")
def identity(c: Conversion) -> Tensor:
    return c.each(nn.Identity())


# -- activation layers -------------------------------------------------------------------------------------------------
def _number(c: Conversion, *keys: str, default: float) -> float:
    for key in keys:
        value = c.spec.config.get(key)
        if isinstance(value, dict):  # Keras 2 writes some numbers as {"class_name": "__numpy__", "value": ...}
            value = value.get("value", value.get("config"))
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if value is not None:
            return float(value)
    return default


@converts("LeakyReLU")
def leaky_relu(c: Conversion) -> Tensor:
    return c.each(nn.LeakyReLU(_number(c, "negative_slope", "alpha", default=0.3)))


@converts("ELU")
def elu(c: Conversion) -> Tensor:
    return c.each(nn.ELU(_number(c, "alpha", default=1.0)))


@converts("ThresholdedReLU")
def thresholded_relu(c: Conversion) -> Tensor:
    return c.each(nn.Threshold(_number(c, "theta", default=1.0), 0.0))


@converts("ReLU", note="max_value, negative_slope, threshold")
def relu(c: Conversion) -> Tensor:
    slope, threshold = _number(c, "negative_slope", default=0.0), _number(c, "threshold", default=0.0)
    most = _number(c, "max_value", default=float("inf"))
    if slope == threshold == 0:
        return c.each(nn.ReLU() if np.isinf(most) else nn.Clamp(0.0, most))
    if slope == 0:
        y = c.each(nn.Threshold(threshold, 0.0))
        return y if np.isinf(most) else c.each(nn.Clamp(0.0, most), y, "max")  # Keras 2's threshold may be below 0
    if threshold == 0:
        y = c.each(nn.LeakyReLU(slope))
        return y if np.isinf(most) else c.each(nn.Clamp(-np.inf, most), y, "max")
    # x above the threshold, else slope * (x - threshold)
    above = c.each(nn.Threshold(threshold, 0.0), suffix="above")
    below = c.each(nn.LeakyReLU(0.0), c.each(nn.MulConstant(-1.0), c.each(nn.AddConstant(-threshold), suffix="shift"), "negative"), "below")
    above = above if np.isinf(most) else c.each(nn.Clamp(-np.inf, most), above, "max")
    scaled = c.each(nn.MulConstant(-slope), below, "slope")
    if above.is_moved:
        return Tensor(moved=c.apply(nn.Add(), above.moved, scaled.moved), mask=c.x.mask)
    return Tensor(c.apply(nn.Add(), above.plain, scaled.plain), mask=c.x.mask)


@converts("Softmax", note="any axes but the batch")
def softmax(c: Conversion) -> Tensor:
    axis, x = c.spec.get("axis", -1), c.x
    axes = axis if isinstance(axis, list) else [axis]
    if len(axes) == 1 and axes[0] in (-1, x.ndim - 1):
        return activations.over_channels(c, nn.Softmax, x)
    if not axes or not all(isinstance(a, int) and -x.ndim <= a < x.ndim and a % x.ndim for a in axes):
        raise c.refuse(f"softmax along axes {axes}")
    if len(axes) == 1:
        return Tensor(c.apply(nn.Softmax(axes[0] % x.ndim), x.plain), mask=x.mask)
    return Tensor(_softmax_of_several(c, x.plain, sorted({a % x.ndim for a in axes})), mask=x.mask)


def _softmax_of_several(c: Conversion, x: Value, axes: list[int]) -> Value:
    """The axes go last, become one, and come back."""
    sizes = x.sizes()
    order = [i for i in range(1, x.ndim) if i not in axes] + axes
    turned = [sizes[i - 1] for i in order]
    y = c.apply(nn.Permute(tuple(order)), x, suffix="turn")
    y = c.apply(nn.Flatten(x.ndim - len(axes)), y, suffix="join")
    y = c.apply(nn.Softmax(y.ndim - 1), y)
    y = c.apply(nn.Reshape(tuple(turned)), y, suffix="part")
    return c.apply(nn.Permute(tuple(order.index(i) + 1 for i in range(1, x.ndim))), y, suffix="back")


def slopes_shape(c: Conversion, x: Tensor) -> tuple[int, ...]:
    """The shape of a weight for each value of ``x`` but along shared axes, which Keras 1 does not write down."""
    shared = {a % x.ndim for a in c.spec.get("shared_axes", [])}
    if c.spec.version[0] == 1 and c.weights and c.weights[0].ndim == x.ndim - 1:
        shared = {i for i, n in enumerate(c.weights[0].shape, start=1) if n == 1}
    return tuple(1 if i in shared else x.size(i) for i in range(1, x.ndim))


@converts("PReLU", variables=("alpha",), note="shared_axes")
def prelu(c: Conversion) -> Tensor:
    x = c.x
    shape = slopes_shape(c, x)

    def make() -> nn.Layer:
        slopes = c.weight(0, shape, 0.0)
        layer = nn.SlopeBelowZero(shape)
        layer.weight.value = slopes
        return layer

    return Tensor(c.apply(c.once("slope", make), x.plain), mask=x.mask)
