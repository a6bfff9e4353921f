"""Normalising layers, and the learned scale and shift that go with them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.errors import FormatError, UnsupportedError
from sparkdl.importers.build import Value
from sparkdl.importers.caffe.convert import Conversion, Held
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.caffe.table import converts
from sparkdl.importers.limits import within

_NORMS = {2: "BatchNorm1d", 3: "BatchNorm1d", 4: "BatchNorm2d", 5: "BatchNorm3d"}
_ONE = Message("FillerParameter", type="constant", value=1.0)


def _batch_norm(c: Conversion, x: Value, eps: float, momentum: float, affine: bool, **options: Any) -> Any:
    if x.ndim not in _NORMS:
        raise FormatError(f"layer {c.name!r}: batch normalisation of a blob with {x.ndim} axes.")
    return getattr(nn, _NORMS[x.ndim])(x.size(1), eps=eps, momentum=momentum, affine=affine, **options)


@converts("BatchNorm", note="running sums are divided by their scale factor; use_global_stats; the affine part is a Scale layer, or NVIDIA's scale_bias")
def batch_norm(c: Conversion) -> Value:
    p = c.layer["batch_norm_param"]
    y = _normalised(c, p)
    if not any(field in p for field in ("scale_filler", "bias_filler")) and not p["scale_bias"]:
        return y
    shape = (c.x.size(1),)
    layer = nn.ScaleShift(shape, 1)
    c.set(layer, "weight", 3, c.blob(3, shape, p["scale_filler"] if "scale_filler" in p else _ONE))
    c.set(layer, "bias", 4, c.blob(4, shape, p["bias_filler"]))
    return c.apply(layer, y, suffix="scale_bias")


def _normalised(c: Conversion, p: Message) -> Value:
    x = c.x
    channels, stored = x.size(1), c.net.blobs is not None
    if p.fields.get("use_global_stats", True) is False and not c.net.train:
        warnings.warn(f"layer {c.name!r}: use_global_stats is false, so scores depend on which samples share a batch.", stacklevel=2)
        if stored:
            c.used = 3
        return c.apply(_batch_norm(c, x, p["eps"], 0.0, False, track_running_stats=False), x)
    fixed = p["use_global_stats"] and c.net.train
    layer = _batch_norm(c, x, p["eps"], 1 - p["moving_average_fraction"], False, fixed=bool(fixed))
    if c.net.blobs is not None:
        mean, variance = c.blob(0, (channels,)), c.blob(1, (channels,))
        factor = float(c.blob(2, (1,))[0]) if c.has_blob(2) else 1.0
        scale = 0.0 if factor == 0 else 1 / factor
        layer.running_mean[...] = mean * np.float32(scale)
        layer.running_var[...] = variance * np.float32(scale)
    return c.apply(layer, x)


@converts("BN", note="fork (PSPNet): slope, bias, mean, variance; or, with bn_mode: INFERENCE (SegNet), scale and shift alone")
def bn(c: Conversion) -> Value:
    p, x = c.layer["bn_param"], c.x
    channels = x.size(1)
    if p["bn_mode"] == "INFERENCE":
        affine = nn.ScaleShift((channels,), 1)
        c.set(affine, "weight", 0, c.blob(0, (channels,), p["scale_filler"] if "scale_filler" in p else _ONE))
        c.set(affine, "bias", 1, c.blob(1, (channels,), p["shift_filler"]))
        return c.apply(affine, x)
    slope, shift = c.blob(0, (channels,), _ONE), c.blob(1, (channels,))
    layer = _batch_norm(c, x, p["eps"], 1 - p["momentum"], True)
    c.set(layer, "weight", 0, slope)
    c.set(layer, "bias", 1, shift)
    if c.has_blob(2) or c.net.blobs is not None:
        layer.running_mean[...] = c.blob(2, (channels,))
        layer.running_var[...] = c.blob(3, (channels,))
    return c.apply(layer, x)


def _learned(c: Conversion, p: Message) -> tuple[int, tuple[int, ...]]:
    """Axis and shape of a learned scale or bias."""
    x = c.inputs[0]
    axis, count = c.axis(p["axis"], x.ndim), p["num_axes"]
    if count < -1 or axis + count > x.ndim:
        raise FormatError(f"layer {c.name!r}: {count} axes from axis {axis} of a blob with {x.ndim}.")
    sizes = x.sizes() if count else ()
    return axis, sizes[axis - 1 :] if count == -1 else sizes[axis - 1 : axis - 1 + count]


@converts("Scale", note="learned, or a second bottom; with bias")
def scale(c: Conversion) -> Value:
    c.takes(1, 2)
    p = c.layer["scale_param"]
    if len(c.inputs) == 2 and isinstance(held := c.inputs[1], Held):
        layer = _of_parameter(c, held, p["axis"], scale=True, shift=p["bias_term"])
        if p["bias_term"]:
            c.set(layer, "bias", 0, c.blob(0, held.array.shape, p["bias_filler"]).reshape(layer.bias.shape))
        return c.apply(layer, c.inputs[0])
    if len(c.inputs) == 2:
        y = c.apply(nn.Mul(), c.inputs[0], _stretched(c, p["axis"]))
        if not p["bias_term"]:
            return y
        axis, count = c.axis(p["axis"], c.inputs[0].ndim), c.inputs[1].ndim - 1
        shape = c.inputs[0].sizes()[axis - 1 : axis - 1 + count]
        shift = nn.ScaleShift(shape, axis, scale=False)
        c.set(shift, "bias", 0, c.blob(0, shape, p["bias_filler"]))
        return c.apply(shift, y, suffix="bias")
    axis, shape = _learned(c, p)
    weight = c.blob(0, shape, p["filler"] if "filler" in p else _ONE)
    layer = nn.ScaleShift(shape, axis, shift=p["bias_term"])
    c.set(layer, "weight", 0, weight.reshape(layer.weight.shape))
    if p["bias_term"]:
        c.set(layer, "bias", 1, c.blob(1, shape, p["bias_filler"]).reshape(layer.bias.shape))
    return c.apply(layer, c.inputs[0])


@converts("Bias", note="learned, or a second bottom")
def bias(c: Conversion) -> Value:
    c.takes(1, 2)
    p = c.layer["bias_param"]
    if len(c.inputs) == 2 and isinstance(held := c.inputs[1], Held):
        return c.apply(_of_parameter(c, held, p["axis"], scale=False, shift=True), c.inputs[0])
    if len(c.inputs) == 2:
        return c.apply(nn.Add(), c.inputs[0], _stretched(c, p["axis"]))
    axis, shape = _learned(c, p)
    values = c.blob(0, shape, p["filler"])
    layer = nn.ScaleShift(shape, axis, scale=False)
    c.set(layer, "bias", 0, values.reshape(layer.bias.shape))
    return c.apply(layer, c.inputs[0])


def _of_parameter(c: Conversion, held: Held, axis: int, scale: bool, shift: bool) -> nn.Layer:
    """A scale, or a bias alone, whose array is that of a Parameter layer."""
    x, shape = c.inputs[0], held.array.shape
    start = c.axis(axis, x.ndim)
    if shape != x.sizes()[start - 1 : start - 1 + len(shape)]:
        raise FormatError(f"layer {c.name!r}: a parameter of shape {shape} from axis {start} of a blob of {(None, *x.sizes())}.")
    layer, name = nn.ScaleShift(shape, start, scale=scale, shift=shift), "weight" if scale else "bias"
    held.conversion.set(layer, name, 0, held.array.reshape(getattr(layer, name).shape))
    return layer


def _stretched(c: Conversion, axis: int) -> Value:
    """The second bottom with axes of size 1 behind its own, so that it lies along the first one's axes from the batch on."""
    x, other = c.inputs
    if axis % x.ndim != 0 and not (axis == 1 and other.ndim < x.ndim):
        raise UnsupportedError(f"layer {c.name!r} ({c.type}): a second bottom from axis {axis} on has no batch axis.")
    if axis == 1:
        raise UnsupportedError(f"layer {c.name!r} ({c.type}): a second bottom from axis 1 on has no batch axis; set axis: 0.")
    if other.ndim == x.ndim:
        return other
    return c.apply(nn.Reshape((*other.sizes(), *[1] * (x.ndim - other.ndim))), other, suffix="reshape")


@converts("LRN", note="ACROSS_CHANNELS and WITHIN_CHANNEL; k is honoured")
def lrn(c: Conversion) -> Value:
    p, x = c.layer["lrn_param"], c.x
    size = p["local_size"]
    if size < 1 or size % 2 == 0 or size > 1 << 12:
        raise FormatError(f"layer {c.name!r}: local_size is odd and positive, got {size}.")
    if p["norm_region"] == "ACROSS_CHANNELS":
        return c.apply(nn.LocalResponseNorm(size, alpha=p["alpha"], beta=p["beta"], k=p["k"]), x)
    squares = c.apply(nn.Mul(), x, x, suffix="square")
    mean = c.apply(nn.AvgPool2d(size, 1, size // 2), squares, suffix="mean")
    factor = c.apply(nn.Power(-p["beta"], scale=p["alpha"], shift=1.0), mean, suffix="factor")
    return c.apply(nn.Mul(), x, factor)


@converts("MVN", note="per channel or across channels")
def mvn(c: Conversion) -> Value:
    p, x = c.layer["mvn_param"], c.x
    dims = tuple(range(1 if p["across_channels"] else 2, x.ndim))
    return c.apply(nn.MeanVarianceNorm(dims, p["normalize_variance"], p["eps"]), x)


@converts("Normalize", "NormalizeBBox", note="fork (SSD): L2 norm with learned scale")
def normalize(c: Conversion) -> Value:
    p, x = c.layer["norm_param"], c.x
    channels = x.size(1)
    shape = () if p["channel_shared"] else (channels,)
    scale_ = c.blob(0, shape, p["scale_filler"] if "scale_filler" in p else _ONE)
    dims = tuple(range(1, x.ndim)) if p["across_spatial"] else (1,)
    y = c.apply(nn.L2Normalize(dims, eps=p["eps"], added=True), x, suffix="norm")
    layer = nn.ScaleShift(shape, 1, shift=False)
    c.set(layer, "weight", 0, scale_.reshape(layer.weight.shape))
    within(f"layer {c.name!r}: channels", channels, 1 << 24)
    return c.apply(layer, y)


@converts(
    "L2Normalization", note="fork: each sample divided by its norm",
    refuse=lambda layer: "l2n_param is not known" if "l2n_param" in layer.unknown else None,
)  # fmt: skip
def l2_normalization(c: Conversion) -> Value:
    return c.apply(nn.L2Normalize(tuple(range(1, c.x.ndim))), c.x)
