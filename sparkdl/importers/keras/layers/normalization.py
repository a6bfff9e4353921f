"""Normalising layers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.importers.build import Value
from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.spec import LayerSpec
from sparkdl.importers.keras.table import converts
from sparkdl.importers.keras.tensor import Tensor

_NORMS = {2: "BatchNorm1d", 3: "BatchNorm1d", 4: "BatchNorm2d", 5: "BatchNorm3d"}


def _affine(spec: LayerSpec) -> list[str]:
    return (["gamma"] if spec.get("scale", True) else []) + (["beta"] if spec.get("center", True) else [])


def _batch_variables(spec: LayerSpec) -> list[str]:
    renormed = [f"{name}!" for name in ("renorm_mean", "renorm_stddev", "renorm_count")] if spec.get("renorm", False) else []
    return [*_affine(spec), "moving_mean!", "moving_variance!", *renormed]


def _mode(spec: LayerSpec) -> Any:
    """What Keras 1 normalises by: 0 is the kept statistics, 1 each sample's own, 2 always those of the batch."""
    return spec.get("mode", 0) if spec.version[0] == 1 else 0


def _refuse_mode(spec: LayerSpec) -> str | None:
    return None if _mode(spec) in (0, 1, 2) else f"mode {spec['mode']}; known are 0, 1 and 2"


def _eps(c: Conversion) -> float:
    eps = c.spec.get("epsilon", 1e-3)
    if isinstance(eps, bool) or not isinstance(eps, int | float) or not 0 <= eps < 1e6:
        raise c.fail(f"epsilon is {eps!r}")
    return float(eps)


@converts("BatchNormalization", "SyncBatchNormalization", variables=_batch_variables, refuse=_refuse_mode, note="any one axis but the batch; all modes of Keras 1")
def batch_normalization(c: Conversion) -> Tensor:
    if _mode(c.spec) == 1:
        return _by_sample(c)
    of_batch = _mode(c.spec) == 2
    if of_batch:
        warnings.warn(f"layer {c.name!r}: mode 2 normalises by the batch, so scores depend on which samples share one.", stacklevel=2)
    x, axis = c.x, c.spec.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if isinstance(axis, dict):
        axis = axis.get("items", [None])[0]
    if not isinstance(axis, int) or not -x.ndim <= axis < x.ndim or axis % x.ndim == 0:
        raise c.fail(f"axis is {axis!r} for an input of {x.ndim} axes")
    axis %= x.ndim
    size = x.size(axis)
    if x.ndim not in _NORMS or size < 1:
        raise c.fail(f"its input has {x.ndim} axes, {size} values along axis {axis}")

    def make() -> nn.Layer:
        names = _batch_variables(c.spec)[: len(_affine(c.spec)) + 2]  # renormalisation is for training only
        frozen = not (c.net.trainable and c.spec.trainable)  # from TensorFlow 2 on its statistics are then kept
        fixed = frozen and (c.spec.in_tensorflow or c.spec.version >= (2, 4))
        momentum = 1 - float(c.spec.get("momentum", 0.99))
        layer = getattr(nn, _NORMS[x.ndim])(size, eps=_eps(c), momentum=momentum, fixed=fixed, track_running_stats=not of_batch)
        for i, name in enumerate(names):
            values = c.weight(i, (size,), 1.0 if name in ("gamma", "moving_variance!") else 0.0)
            if name == "gamma":
                layer.weight.value = values
            elif name == "beta":
                layer.bias.value = values
            elif of_batch:
                continue  # kept, but not asked
            elif name == "moving_mean!":
                layer.running_mean[...] = values
            else:
                layer.running_var[...] = values
        if "gamma" not in names:
            layer.weight.trainable = False
        if "beta" not in names:
            layer.bias.trainable = False
        return layer

    layer = c.once("norm", make)
    if x.ndim == 2:
        return Tensor(c.apply(layer, x.plain), mask=x.mask)
    if axis == x.ndim - 1:
        return Tensor(moved=c.apply(layer, x.moved), mask=x.mask)
    if axis == 1:
        return Tensor(c.apply(layer, x.plain), mask=x.mask)
    return Tensor(_in_front(c, layer, x.plain, axis), mask=x.mask)


def _by_sample(c: Conversion) -> Tensor:
    """``(x - mean) / (sqrt(var + eps) + eps) * gamma + beta`` over the last axis: Keras 1 adds eps twice."""
    x, eps = c.x.plain, _eps(c)
    last, size = (x.ndim - 1,), x.size(x.ndim - 1)

    def make() -> nn.Layer:
        layer = nn.ScaleShift((size,), -1)
        layer.weight.value, layer.bias.value = c.weight(0, (size,), 1.0), c.weight(1, (size,), 0.0)
        return layer

    centred = c.apply(nn.Sub(), x, c.apply(nn.ReduceMean(last, True), x, suffix="mean"), suffix="centred")
    variance = c.apply(nn.ReduceMean(last, True), c.apply(nn.Square(), centred, suffix="square"), suffix="variance")
    deviation = c.apply(nn.AddConstant(eps), c.apply(nn.Power(0.5, 1.0, eps), variance, suffix="root"), suffix="deviation")
    y = c.apply(nn.Div(), centred, deviation, suffix="standard")
    return Tensor(c.apply(c.once("affine", make), y), mask=c.x.mask)


@converts("LayerScale", variables=("gamma",), note="of keras.applications (ConvNeXt)")
def layer_scale(c: Conversion) -> Tensor:
    x = c.x.plain
    size = x.size(x.ndim - 1)

    def make() -> nn.Layer:
        layer = nn.ScaleShift((size,), -1, shift=False)
        layer.weight.value = c.weight(0, (size,), 1.0)
        return layer

    return Tensor(c.apply(c.once("scale", make), x), mask=c.x.mask)


def _in_front(c: Conversion, layer: nn.Layer, x: Value, axis: int) -> Value:
    """A layer over channels at axis 1, on channels at another one."""
    order = (axis, *(i for i in range(1, x.ndim) if i != axis))
    y = c.apply(layer, c.apply(nn.Permute(order), x, suffix="turn"), suffix="norm")
    return c.apply(nn.Permute(tuple(int(i) + 1 for i in np.argsort(order))), y)


def _axes(c: Conversion, key: str = "axis") -> tuple[int, ...]:
    axis, ndim = c.spec.get(key, -1), c.x.ndim
    axes = axis if isinstance(axis, list) else [axis]
    if not axes or not all(isinstance(a, int) and -ndim <= a < ndim and a % ndim for a in axes):
        raise c.fail(f"{key} is {axis!r}")
    return tuple(sorted({a % ndim for a in axes}))


def _layer_variables(spec: LayerSpec) -> list[str]:
    return ["gamma"] if spec.get("rms_scaling", False) else _affine(spec)


@converts("LayerNormalization", variables=_layer_variables, note="any axes but the batch; rms_scaling")
def layer_normalization(c: Conversion) -> Tensor:
    x, axes = c.x, _axes(c)
    shape = tuple(x.size(a) for a in axes)
    names = _layer_variables(c.spec)
    given = c.spec.get("axis", -1)
    if c.spec.get("rms_scaling", False):
        return Tensor(_over_deviation(c, x.plain, axes, shape), mask=x.mask)
    held = tuple(x.size(a) for a in dict.fromkeys(a % x.ndim for a in given)) if isinstance(given, list) else shape

    def make() -> nn.Layer:
        layer = nn.AxisNorm(axes, shape, eps=_eps(c), scale="gamma" in names, shift="beta" in names)
        for i, name in enumerate(names):
            parameter = layer.weight if name == "gamma" else layer.bias
            # in the order in which the axes are named, and read as if they rose
            parameter.value = c.weight(i, held, 1.0 if name == "gamma" else 0.0).reshape(shape)
        return layer

    return Tensor(c.apply(c.once("norm", make), x.plain), mask=x.mask)


def _over_deviation(c: Conversion, x: Value, axes: tuple[int, ...], shape: tuple[int, ...]) -> Value:
    """``x / sqrt(var + eps) * gamma``: rms_scaling leaves the mean in ``x``, but not in the variance."""

    def make() -> nn.Layer:
        layer = nn.ScaleShift(tuple(n if i in axes else 1 for i, n in enumerate(x.sizes(), start=1)), 1, shift=False)
        layer.weight.value = c.weight(0, shape, 1.0).reshape(layer.weight.shape)
        return layer

    centred = c.apply(nn.Sub(), x, c.apply(nn.ReduceMean(axes, True), x, suffix="mean"), suffix="centred")
    variance = c.apply(nn.ReduceMean(axes, True), c.apply(nn.Square(), centred, suffix="square"), suffix="variance")
    factor = c.apply(nn.Power(-0.5, 1.0, _eps(c)), variance, suffix="factor")
    return c.apply(c.once("gamma", make), c.apply(nn.Mul(), x, factor, suffix="scaled"))


@converts("RMSNormalization", variables=("scale",))
def rms_normalization(c: Conversion) -> Tensor:
    x, axes = c.x, _axes(c)
    shape = tuple(x.size(a) for a in axes)

    def make() -> nn.Layer:
        layer = nn.AxisNorm(axes, shape, eps=float(c.spec.get("epsilon", 1e-6)), shift=False, centre=False)
        layer.weight.value = c.weight(0, shape, 1.0)
        return layer

    return Tensor(c.apply(c.once("norm", make), x.plain), mask=x.mask)


@converts("GroupNormalization", variables=_affine)
def group_normalization(c: Conversion) -> Tensor:
    x, (axis,) = c.x, _axes(c)
    groups, size = c.spec.get("groups", 32), x.size(axis)
    groups = size if groups == -1 else groups
    if not isinstance(groups, int) or groups < 1 or size % groups:
        raise c.fail(f"{groups} groups of {size} channels")
    last = axis == x.ndim - 1

    def make() -> nn.Layer:
        layer = nn.GroupNorm(groups, size, eps=_eps(c))
        for i, name in enumerate(_affine(c.spec)):
            (layer.weight if name == "gamma" else layer.bias).value = c.weight(i, (size,), 1.0 if name == "gamma" else 0.0)
        return layer

    layer = c.once("norm", make)
    if last or axis == 1:
        return Tensor(moved=c.apply(layer, x.moved), mask=x.mask) if last else Tensor(c.apply(layer, x.plain), mask=x.mask)
    return Tensor(_in_front(c, layer, x.plain, axis), mask=x.mask)


@converts("UnitNormalization")
def unit_normalization(c: Conversion) -> Tensor:
    return Tensor(c.apply(nn.L2Normalize(_axes(c), eps=1e-12), c.x.plain), mask=c.x.mask)


def _normalization_variables(spec: LayerSpec) -> list[str]:
    given = spec.config.get("mean") is not None or spec.config.get("input_mean") is not None
    return [] if given else ["mean!", "variance!", "count!"]


@converts("Normalization", variables=_normalization_variables, note="adapted, or with mean and variance given")
def normalization(c: Conversion) -> Tensor:
    x, axis = c.x, c.spec.get("axis", -1)
    axes = [] if axis is None else [a % x.ndim for a in (axis if isinstance(axis, list) else [axis])]
    shape = tuple(x.size(i) if i in axes else 1 for i in range(1, x.ndim))
    kept = tuple(x.size(i) for i in sorted(axes))

    def make() -> nn.Layer:
        if _normalization_variables(c.spec):
            mean, variance = c.weight(0, kept, 0.0), c.weight(1, kept, 1.0)
        else:
            mean, variance = (
                np.broadcast_to(np.asarray(c.spec.config.get(k) if c.spec.config.get(k) is not None else c.spec.config.get(f"input_{k}"), np.float32), kept)
                for k in ("mean", "variance")
            )
        deviation = np.maximum(np.sqrt(variance), 1e-7).reshape(shape)
        layer = nn.ScaleShift(shape, 1)
        scale = deviation if c.spec.get("invert", False) else 1 / deviation
        layer.weight.value = scale
        layer.bias.value = mean.reshape(shape) if c.spec.get("invert", False) else -mean.reshape(shape) / deviation
        return layer.freeze()

    return Tensor(c.apply(c.once("norm", make), x.plain), mask=x.mask)
