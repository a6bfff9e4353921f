"""Layers that slide windows over pictures."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl import nn
from sparkdl.errors import FormatError
from sparkdl.importers.build import Value
from sparkdl.importers.caffe.convert import Conversion
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.caffe.table import converts
from sparkdl.importers.limits import within

_MOST = 1 << 16  # a window, step or padding beyond this is no picture's


def _per_axis(c: Conversion, p: Message, name: str, rank: int, default: int, least: int) -> tuple[int, ...]:
    """A size per spatial axis from ``kernel_size`` (none, one or several) or ``kernel_h`` and ``kernel_w``."""
    short = {"kernel_size": "kernel"}.get(name, name)
    high, wide = (p[f"{short}_h"], p[f"{short}_w"]) if f"{short}_h" in p.fields or f"{short}_w" in p.fields else (0, 0)
    given = p[name] if p.spec(name).repeated else ([p[name]] if name in p else [])
    if f"{short}_h" in p or f"{short}_w" in p:
        sizes: Any = (high, wide)
    elif len(given) in (0, 1):
        sizes = (given or [default]) * rank
    else:
        sizes = given
    if len(sizes) != rank:
        raise FormatError(f"layer {c.name!r}: {len(sizes)} sizes as {name} for {rank} axes.")
    for size in sizes:
        within(f"layer {c.name!r}: {name}", size - least, _MOST)
    return tuple(int(n) for n in sizes)


def _without_batch(layer: Message) -> str | None:
    return "channels are axis 0, which is the batch here" if layer["convolution_param"]["axis"] == 0 else None


def _conv(c: Conversion, transposed: bool, depthwise: bool = False) -> Value:
    p, x = c.layer["convolution_param"], c.x
    axis = c.axis(p["axis"], x.ndim)
    rank = x.ndim - axis - 1
    if not 1 <= rank <= 3:
        raise FormatError(f"layer {c.name!r}: a convolution of a blob with {x.ndim} axes.")
    kernel = _per_axis(c, p, "kernel_size", rank, 0, 1)
    stride = _per_axis(c, p, "stride", rank, 1, 1)
    padding = _per_axis(c, p, "pad", rank, 0, 0)
    given = p["dilation"] or [1]
    dilation = tuple(given * rank if len(given) == 1 else given)
    if len(dilation) != rank or not all(1 <= d <= _MOST for d in dilation):
        raise FormatError(f"layer {c.name!r}: dilation {list(dilation)} for {rank} axes.")
    channels, outputs = x.size(axis), p["num_output"]
    groups = channels if depthwise and "group" not in p else p["group"]
    if groups < 1 or outputs < 1 or channels < 1 or channels % groups or outputs % groups:
        raise FormatError(f"layer {c.name!r}: {groups} groups do not divide {channels} and {outputs} channels.")
    first, second = (channels, outputs // groups) if transposed else (outputs, channels // groups)
    weight = c.blob(0, (first, second, *kernel), p["weight_filler"])
    bias = c.blob(1, (outputs,), p["bias_filler"]) if p["bias_term"] else None
    kind = f"ConvTranspose{rank}d" if transposed else f"Conv{rank}d"
    layer = getattr(nn, kind)(
        channels, outputs, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups, bias=bias is not None
    )
    c.set(layer, "weight", 0, weight)
    if bias is not None:
        c.set(layer, "bias", 1, bias)
    for _ in range(1, axis):  # axes in front of the channels are so many pictures
        layer = nn.TimeDistributed(layer)
    return c.apply(layer, x)


@converts("Convolution", refuse=_without_batch, note="1-D to 3-D; groups, dilation, any stride and padding, channels along any axis but the batch")
def convolution(c: Conversion) -> Any:
    return _each(c, lambda one: _conv(one, False))


@converts("ConvolutionDepthwise", "DepthwiseConvolution", "DepthwiseConv", "ConvolutionDepthWise", refuse=_without_batch)
def depthwise(c: Conversion) -> Any:
    return _each(c, lambda one: _conv(one, False, depthwise=True))


@converts("Deconvolution", refuse=_without_batch, note="groups, dilation, any stride and padding")
def deconvolution(c: Conversion) -> Any:
    return _each(c, lambda one: _conv(one, True))


def _each(c: Conversion, convert: Any) -> Any:
    """Several bottoms go through the same weights, each to a top of its own."""
    if len(c.inputs) <= 1:
        return convert(c)
    bottoms, tops, first = c.inputs, [], None
    for i, value in enumerate(bottoms):
        c.inputs = [value]
        tops.append(convert(c) if i == 0 else c.apply(first, value, suffix=str(i)))
        first = first or tops[0].node.call.layer
    return tuple(tops)


# -- pooling -----------------------------------------------------------------------------------------------------------
@converts("Pooling", note="MAX, AVE and STOCHASTIC (as at test); sizes round up as in Caffe; global_pooling")
def pooling(c: Conversion) -> Any:
    p, x = c.layer["pooling_param"], c.x
    if x.ndim != 4:
        raise FormatError(f"layer {c.name!r}: pooling of a blob with {x.ndim} axes.")
    if p["global_pooling"]:
        return _pool_all(c, x, p["pool"])
    kernel = _per_axis(c, p, "kernel_size", 2, 0, 1)
    stride = _per_axis(c, p, "stride", 2, 1, 1)
    padding = _per_axis(c, p, "pad", 2, 0, 0)
    if any(pad >= k for pad, k in zip(padding, kernel, strict=True)):
        raise FormatError(f"layer {c.name!r}: padding {padding} is not smaller than the window {kernel}.")
    up = p["ceil_mode"] and p["round_mode"] == "CEIL"
    if p["pool"] == "MAX" and len(c.layer["top"]) > 1:
        return c.apply(nn.MaxPoolWithIndices2d(kernel, stride, padding, ceil_mode=up), x)
    x, padding = _padded(c, x, kernel, stride, padding, p["pool"], up)
    if p["pool"] == "MAX":
        return c.apply(nn.MaxPool2d(kernel, stride, padding, ceil_mode=up), x)
    if p["pool"] == "AVE":
        return c.apply(nn.AvgPool2d(kernel, stride, padding, ceil_mode=up), x)
    return _stochastic(c, x, lambda: nn.AvgPool2d(kernel, stride, padding, ceil_mode=up))


def _padded(
    c: Conversion, x: Value, kernel: Any, stride: Any, padding: Any, method: str, up: bool = True, suffix: str = "pad"
) -> tuple[Value, Any]:
    """Padding that pooling layers do not have becomes a layer of its own: more than half a window of it, and windows
    that lie behind the picture, which Caffe lets be where there is no padding at all."""
    within_half = all(2 * pad <= k for pad, k in zip(padding, kernel, strict=True))
    if within_half and (any(padding) or not up or all(s <= k for s, k in zip(stride, kernel, strict=True))):
        return x, padding
    pairs = []
    for n, k, s, pad in zip((x.size(2), x.size(3)), kernel, stride, padding, strict=True):
        room = max(n + 2 * pad - k, 0)
        last = (-(-room // s) if up else room // s) * s - pad  # where the last window starts
        if any(padding) and last >= n:
            last -= s
        short = last + k - n  # what it reaches beyond the picture, of which only padding counts
        pairs.append((pad, short if last >= n else min(short, pad)))
    fill = float(np.finfo(np.float32).min) if method == "MAX" else 0.0
    return c.apply(nn.Pad(tuple(pairs), fill), x, suffix=suffix), (0, 0)


def _pool_all(c: Conversion, x: Value, method: str) -> Value:
    if method == "MAX":
        return c.apply(nn.ReduceMax((2, 3), keepdim=True), x)
    if method == "AVE":
        return c.apply(nn.ReduceMean((2, 3), keepdim=True), x)
    return _stochastic(c, x, lambda: nn.ReduceMean((2, 3), keepdim=True))


def _stochastic(c: Conversion, x: Value, mean: Any) -> Value:
    """At test, stochastic pooling weighs each value by itself: ``sum(x * x) / sum(x)``."""
    squares = c.apply(mean(), c.apply(nn.Mul(), x, x, suffix="square"), suffix="squares")
    sums = c.apply(nn.AddConstant(float(np.finfo(np.float32).tiny)), c.apply(mean(), x, suffix="sums"), suffix="tiny")
    return c.apply(nn.Div(), squares, sums)


@converts("SPP", note="spatial pyramid pooling")
def spp(c: Conversion) -> Value:
    p, x = c.layer["spp_param"], c.x
    within(f"layer {c.name!r}: pyramid_height", p["pyramid_height"] - 1, 12)
    levels = []
    for level in range(p["pyramid_height"]):
        bins = 2**level
        sizes = [x.size(2), x.size(3)]
        kernel = tuple(-(-n // bins) for n in sizes)
        pads = tuple((k * bins - n + 1) // 2 for k, n in zip(kernel, sizes, strict=True))
        kind = nn.MaxPool2d if p["pool"] == "MAX" else nn.AvgPool2d
        part, pads = _padded(c, x, kernel, kernel, pads, p["pool"], suffix=f"pad{level}")
        pooled = c.apply(kind(kernel, kernel, pads, ceil_mode=True), part, suffix=f"pool{level}")
        levels.append(c.apply(nn.Flatten(), pooled, suffix=f"flat{level}"))
    return levels[0] if len(levels) == 1 else c.apply(nn.Concat(1), *levels)


@converts("Im2col")
def im2col(c: Conversion) -> Value:
    p, x = c.layer["convolution_param"], c.x
    kernel, stride = _per_axis(c, p, "kernel_size", 2, 0, 1), _per_axis(c, p, "stride", 2, 1, 1)
    padding, dilation = _per_axis(c, p, "pad", 2, 0, 0), tuple((p["dilation"] or [1]) * 2)[:2]
    return c.apply(nn.Im2col(kernel, stride, padding, dilation), x)


@converts("Crop", note="spatial and channel axes, offsets")
def crop(c: Conversion) -> Value:
    c.takes(2)
    p, (x, like) = c.layer["crop_param"], c.inputs
    axis = c.axis(p["axis"], x.ndim)
    offsets, cropped = p["offset"] or [0], x.ndim - axis
    if len(offsets) not in (1, cropped):
        raise FormatError(f"layer {c.name!r}: {len(offsets)} offsets for {cropped} axes.")
    offsets = tuple(offsets * cropped if len(offsets) == 1 else offsets)
    return c.apply(nn.CropLike(axis, offsets), x, like)


# -- forks -------------------------------------------------------------------------------------------------------------
@converts("Interp", note="fork (DeepLab): bilinear with aligned corners")
def interp(c: Conversion) -> Value:
    p, x = c.layer["interp_param"], c.inputs[0]
    begin, end = p["pad_beg"], p["pad_end"]
    if begin > 0 or end > 0:
        raise FormatError(f"layer {c.name!r}: pad_beg and pad_end crop, so they are at most 0, got {begin} and {end}.")
    if begin or end:
        x = c.apply(nn.ZeroPad2d((begin, end, begin, end)), x, suffix="crop")
    if len(c.inputs) == 2:
        like = c.inputs[1]
        return c.apply(nn.Upsample(size=(like.size(2), like.size(3)), mode="bilinear", align_corners=True), x)
    sizes = [x.size(2), x.size(3)]
    if "height" in p or "width" in p:
        wanted = [p["height"], p["width"]]
    else:
        if p["shrink_factor"] < 1 or p["zoom_factor"] < 1:
            raise FormatError(f"layer {c.name!r}: shrink_factor and zoom_factor are at least 1.")
        shrunk = [(n - 1) // p["shrink_factor"] + 1 for n in sizes]
        wanted = [n + (n - 1) * (p["zoom_factor"] - 1) for n in shrunk]
    for n in wanted:
        within(f"layer {c.name!r}: size", n - 1, _MOST)
    return c.apply(nn.Upsample(size=tuple(wanted), mode="bilinear", align_corners=True), x)


@converts("Upsample", note="fork: nearest with one bottom; with the mask of MAX pooling as second bottom, unpooling")
def upsample(c: Conversion) -> Value:
    c.takes(1, 2)
    p, x = c.layer["upsample_param"], c.inputs[0]
    scale = within(f"layer {c.name!r}: scale", p["scale"], 1 << 10)
    if len(c.inputs) == 1:
        return c.apply(nn.Upsample(scale_factor=scale, mode="nearest"), x)
    if p["upsample_h"] and p["upsample_w"]:
        size = (p["upsample_h"], p["upsample_w"])
    else:
        size = (x.size(2) * (p["scale_h"] or scale) - int(p["pad_out_h"]), x.size(3) * (p["scale_w"] or scale) - int(p["pad_out_w"]))
    for n in size:
        within(f"layer {c.name!r}: size", n - 1, _MOST)
    return c.apply(nn.MaxUnpool2d(size), x, c.inputs[1])


@converts("ShuffleChannel", note="fork (ShuffleNet)")
def shuffle_channel(c: Conversion) -> Value:
    group, x = c.layer["shuffle_channel_param"]["group"], c.x
    if group < 1 or x.size(1) % group:
        raise FormatError(f"layer {c.name!r}: {group} groups of {x.size(1)} channels.")
    each = within(f"layer {c.name!r}: channels", x.size(1), 1 << 20) // group
    return c.apply(nn.Take(tuple(g * each + i for i in range(each) for g in range(group))), x)


@converts("Reorg", note="fork (YOLO): blocks of a picture to channels")
def reorg(c: Conversion) -> Value:
    p = c.layer["reorg_param"]
    return c.apply(nn.Reorg(p["stride"], p["reverse"]), c.x)


@converts("ROIPooling", note="fork (Fast R-CNN); regions (n, 5): number of the picture, x1, y1, x2, y2")
def roi_pooling(c: Conversion) -> Value:
    c.takes(2)
    p = c.layer["roi_pooling_param"]
    for name in ("pooled_h", "pooled_w"):
        within(f"layer {c.name!r}: {name}", p[name] - 1, _MOST)
    return c.apply(nn.CaffeRoiPool((p["pooled_h"], p["pooled_w"]), p["spatial_scale"]), *c.inputs)


@converts(
    "ROIAlign", note="fork (Caffe2's form, with sampling_ratio); regions as for ROIPooling",
    refuse=lambda layer: None if "sampling_ratio" in layer["roi_align_param"] else "without sampling_ratio, forks differ in what it does",
)  # fmt: skip
def roi_align(c: Conversion) -> Value:
    c.takes(2)
    p = c.layer["roi_align_param"]
    for name in ("pooled_h", "pooled_w"):
        within(f"layer {c.name!r}: {name}", p[name] - 1, _MOST)
    ratio = within(f"layer {c.name!r}: sampling_ratio", max(p["sampling_ratio"], 0), 1 << 10)
    return c.apply(nn.CaffeRoiAlign((p["pooled_h"], p["pooled_w"]), p["spatial_scale"], ratio), *c.inputs)


@converts("PSROIPooling", note="fork (R-FCN); regions as for ROIPooling")
def psroi_pooling(c: Conversion) -> Value:
    c.takes(2)
    p = c.layer["psroi_pooling_param"]
    if p["spatial_scale"] is None:
        raise FormatError(f"layer {c.name!r}: spatial_scale is missing.")
    size = within(f"layer {c.name!r}: group_size", p["group_size"], _MOST)
    return c.apply(nn.CaffePsRoiPool(p["output_dim"], size, p["spatial_scale"]), *c.inputs)
