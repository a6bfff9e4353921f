"""``save_caffe``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sparkdl.errors import UnsupportedError
from sparkdl.importers.caffe import prototxt, wire
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.export import Use, check_known, list_uses, pair
from sparkdl.nn.module import Module


def save_caffe(
    model: Module, path: str | Path, weights: str | Path, input_shapes: Sequence[Sequence[int]] | None = None, batch: int = 1
) -> None:
    """Writes ``model`` as a deploy prototxt and a ``.caffemodel`` of the newest form.

    ``input_shapes`` (without the batch axis) are needed where the graph does not know them; ``batch`` is the batch size
    written into the prototxt, as Caffe wants one. All layers that Caffe does not have are listed in one error before
    any file is made. Reads back with ``load_caffe``; BVLC Caffe runs it, but for Permute, which its SSD branch has.
    """
    listing = list_uses(model, input_shapes)
    check_known(listing, WRITERS, "Caffe")
    writer = _Writer()
    names = {}
    for i, (name, shape) in enumerate(listing.inputs):
        names[i] = writer.unique(name)
        dims = Message("BlobShape", dim=[batch, *shape])
        writer.layers.append(
            Message("LayerParameter", name=names[i], type="Input", top=[names[i]], input_param=Message("InputParameter", shape=[dims]))
        )
    for use in listing.uses:
        made = WRITERS[type(use.layer).__name__](writer.at(use), use, [names[i] for i in use.inputs])
        names.update(zip(use.outputs, made if isinstance(made, list) else [made], strict=True))
    net = Message("NetParameter", name=getattr(model, "net_name", "") or type(model).__name__, layer=writer.layers)
    Path(weights).write_bytes(wire.write(net))
    bare = [_without_blobs(layer) for layer in writer.layers]
    Path(path).write_text(prototxt.write(Message("NetParameter", name=net["name"], layer=bare)))


def _without_blobs(layer: Message) -> Message:
    new = layer.copy()
    new.fields.pop("blobs", None)
    return new


class _Writer:
    def __init__(self) -> None:
        self.layers: list[Message] = []
        self.names: set[str] = set()
        self.base = ""

    def at(self, use: Use) -> _Writer:
        self.base = use.name
        return self

    def unique(self, name: str) -> str:
        made, i = name, 1
        while made in self.names:
            i += 1
            made = f"{name}_{i}"
        self.names.add(made)
        return made

    def layer(self, kind: str, bottoms: Sequence[str], tops: int = 1, blobs: Sequence[Any] = (), **parameters: Message) -> Any:
        """Adds a layer; the name of its top, or a list of them."""
        name = self.unique(self.base)
        made = [name] if tops == 1 else [self.unique(f"{name}_{i}") for i in range(tops)]
        message = Message("LayerParameter", name=name, type=kind, bottom=list(bottoms), top=made)
        if blobs:
            message["blobs"] = [_blob(array) for array in blobs]
        for key, value in parameters.items():
            message[key] = value
        self.layers.append(message)
        return made[0] if tops == 1 else made


def _blob(array: Any) -> Message:
    values = np.ascontiguousarray(array, np.float32).reshape(-1)
    return Message("BlobProto", shape=Message("BlobShape", dim=[int(n) for n in np.shape(array)]), data=[values])


Writer = Callable[[_Writer, Use, list[str]], Any]
WRITERS: dict[str, Writer] = {}


def _writes(*kinds: str) -> Callable[[Writer], Writer]:
    def register(function: Writer) -> Writer:
        WRITERS.update({kind: function for kind in kinds})
        return function

    return register


_SIMPLE = {
    "ReLU": "ReLU", "Sigmoid": "Sigmoid", "Tanh": "TanH", "Abs": "AbsVal", "Softplus": "BNLL", "Identity": "Power",
    "ActivityRegularization": "Power",
}


@_writes(*_SIMPLE)
def _simple(w, use, x):
    if type(use.layer).__name__ == "Softplus" and use.layer.beta != 1:
        raise UnsupportedError(f"{use.name!r}: Caffe's BNLL has beta 1.")
    return w.layer(_SIMPLE[type(use.layer).__name__], x)


@_writes("LeakyReLU")
def _leaky(w, use, x):
    return w.layer("ReLU", x, relu_param=Message("ReLUParameter", negative_slope=float(use.layer.negative_slope)))


@_writes("ELU")
def _elu(w, use, x):
    return w.layer("ELU", x, elu_param=Message("ELUParameter", alpha=float(use.layer.alpha)))


@_writes("PReLU")
def _prelu(w, use, x):
    slopes = use.layer.weight.value
    shared = slopes.size == 1 and use.shape[0] != 1
    return w.layer("PReLU", x, blobs=[slopes.reshape(()) if shared else slopes], prelu_param=Message("PReLUParameter", channel_shared=shared))


@_writes("SiLU")
def _silu(w, use, x):
    return w.layer("Swish", x, swish_param=Message("SwishParameter", beta=1.0))


@_writes("Hardtanh", "Clamp", "ReLU6")
def _clip(w, use, x):
    return w.layer("Clip", x, clip_param=Message("ClipParameter", min=float(use.layer.min_val), max=float(use.layer.max_val)))


@_writes("BinaryThreshold")
def _threshold(w, use, x):
    return w.layer("Threshold", x, threshold_param=Message("ThresholdParameter", threshold=float(use.layer.threshold)))


@_writes("Exp", "Log")
def _exponent(w, use, x):
    return w.layer(type(use.layer).__name__, x)


@_writes("Power")
def _power(w, use, x):
    p = use.layer
    return w.layer("Power", x, power_param=Message("PowerParameter", power=float(p.exponent), scale=float(p.scale), shift=float(p.shift)))


@_writes("AddConstant", "MulConstant")
def _constant(w, use, x):
    if np.ndim(use.layer.constant):
        raise UnsupportedError(f"{use.name!r}: Caffe has no layer for an array of constants; use nn.ScaleShift.")
    key = "shift" if type(use.layer).__name__ == "AddConstant" else "scale"
    return w.layer("Power", x, power_param=Message("PowerParameter", **{key: float(use.layer.constant)}))


@_writes("Dropout", "Dropout1d", "Dropout2d")
def _dropout(w, use, x):
    return w.layer("Dropout", x, dropout_param=Message("DropoutParameter", dropout_ratio=float(use.layer.p)))


@_writes("Softmax", "LogSoftmax")
def _softmax(w, use, x):
    axis = use.layer.dim % (len(use.shape) + 1)
    y = w.layer("Softmax", x, softmax_param=Message("SoftmaxParameter", axis=axis))
    return w.layer("Log", [y]) if type(use.layer).__name__ == "LogSoftmax" else y


# -- windows ---------------------------------------------------------------------------------------------------------
@_writes("Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")
def _conv(w, use, x):
    p, windows = use.layer, use.layer.windows
    transposed = "Transpose" in type(p).__name__
    if any(a != b for a, b in windows.pads) or (transposed and any(pair(p.output_padding, len(windows.kernel)))):
        raise UnsupportedError(f"{use.name!r}: Caffe pads both sides alike, and has no output_padding.")
    parameter = Message(
        "ConvolutionParameter", num_output=p.out_channels, bias_term=p.bias is not None, kernel_size=list(windows.kernel),
        stride=list(windows.stride), pad=[a for a, _ in windows.pads], dilation=list(windows.dilation), group=p.groups,
    )  # fmt: skip
    blobs = [p.weight.value] + ([] if p.bias is None else [p.bias.value])
    return w.layer("Deconvolution" if transposed else "Convolution", x, blobs=blobs, convolution_param=parameter)


@_writes("MaxPool2d", "AvgPool2d")
def _pool(w, use, x):
    p, windows = use.layer, use.layer.windows
    means = type(p).__name__ == "AvgPool2d"
    if any(d != 1 for d in windows.dilation) or (means and (p.divisor_override is not None or not p.count_include_pad and any(a for a, _ in windows.pads))):
        raise UnsupportedError(f"{use.name!r}: Caffe's pooling has no dilation or divisor, and counts padding.")
    up = windows.out(p, use.shape[1:], True)
    if tuple(up) != tuple(use.made[0][1:]):
        raise UnsupportedError(
            f"{use.name!r}: Caffe's pooling rounds sizes up: {tuple(up)} in place of {use.made[0][1:]}; use ceil_mode=True."
        )
    (kernel_h, kernel_w), (stride_h, stride_w), ((pad_h, _), (pad_w, _)) = windows.kernel, windows.stride, windows.pads
    parameter = Message(
        "PoolingParameter", pool="AVE" if means else "MAX", kernel_h=kernel_h, kernel_w=kernel_w, stride_h=stride_h,
        stride_w=stride_w, pad_h=pad_h, pad_w=pad_w,
    )  # fmt: skip
    return w.layer("Pooling", x, pooling_param=parameter)


@_writes("ReduceMean", "ReduceMax", "ReduceSum")
def _reduce(w, use, x):
    p, ndim = use.layer, len(use.shape) + 1
    kind, axes = type(p).__name__, tuple(sorted(d % ndim for d in p.dims))
    if axes == (2, 3) and ndim == 4 and kind != "ReduceSum":
        pool = Message("PoolingParameter", pool="AVE" if kind == "ReduceMean" else "MAX", global_pooling=True)
        y = w.layer("Pooling", x, pooling_param=pool)
        return y if p.keepdim else w.layer("Flatten", [y])
    if kind == "ReduceMax" or p.keepdim or axes != tuple(range(axes[0], ndim)):
        raise UnsupportedError(f"{use.name!r}: Caffe reduces all last axes, by sum or mean.")
    return w.layer("Reduction", x, reduction_param=Message("ReductionParameter", operation=kind[6:].upper(), axis=axes[0]))


@_writes("LocalResponseNorm")
def _lrn(w, use, x):
    p = use.layer
    return w.layer("LRN", x, lrn_param=Message("LRNParameter", local_size=int(p.size), alpha=float(p.alpha), beta=float(p.beta), k=float(p.k)))


# -- products --------------------------------------------------------------------------------------------------------
@_writes("Linear")
def _linear(w, use, x):
    p = use.layer
    parameter = Message("InnerProductParameter", num_output=p.out_features, bias_term=p.bias is not None, axis=len(use.shape))
    return w.layer("InnerProduct", x, blobs=[p.weight.value] + ([] if p.bias is None else [p.bias.value]), inner_product_param=parameter)


@_writes("Embedding")
def _embedding(w, use, x):
    p = use.layer
    parameter = Message("EmbedParameter", input_dim=p.num_embeddings, num_output=p.embedding_dim, bias_term=False)
    return w.layer("Embed", x, blobs=[p.weight.value], embed_param=parameter)


@_writes("BatchNorm1d", "BatchNorm2d", "BatchNorm3d")
def _batch_norm(w, use, x):
    p = use.layer
    parameter = Message("BatchNormParameter", eps=float(p.eps), use_global_stats=True)
    y = w.layer("BatchNorm", x, blobs=[p.running_mean, p.running_var, np.ones(1, np.float32)], batch_norm_param=parameter)
    if p.weight is None:
        return y
    return w.layer("Scale", [y], blobs=[p.weight.value, p.bias.value], scale_param=Message("ScaleParameter", bias_term=True))


@_writes("ScaleShift")
def _scale_shift(w, use, x):
    p, ndim = use.layer, len(use.shape) + 1
    axis = p.dim % ndim
    if p.shape != tuple(use.shape[axis - 1 : axis - 1 + len(p.shape)]):
        raise UnsupportedError(f"{use.name!r}: Caffe's Scale and Bias do not stretch axes.")
    common = {"axis": axis, "num_axes": len(p.shape)}
    if p.weight is None:
        return w.layer("Bias", x, blobs=[p.bias.value], bias_param=Message("BiasParameter", **common))
    blobs = [p.weight.value] + ([] if p.bias is None else [p.bias.value])
    return w.layer("Scale", x, blobs=blobs, scale_param=Message("ScaleParameter", bias_term=p.bias is not None, **common))


# -- joins and shapes ------------------------------------------------------------------------------------------------
@_writes("Add", "Mul", "Maximum", "Sub")
def _eltwise(w, use, x):
    kind = type(use.layer).__name__
    if len(set(use.shapes)) > 1:
        raise UnsupportedError(f"{use.name!r}: Caffe's Eltwise does not stretch axes, got shapes {use.shapes}.")
    parameter = Message("EltwiseParameter", operation={"Add": "SUM", "Sub": "SUM", "Mul": "PROD", "Maximum": "MAX"}[kind])
    if kind == "Sub":
        parameter["coeff"] = [1.0, -1.0]
    return w.layer("Eltwise", x, eltwise_param=parameter) if len(x) > 1 else x[0]


@_writes("Concat")
def _concat(w, use, x):
    return w.layer("Concat", x, concat_param=Message("ConcatParameter", axis=use.layer.dim % (len(use.shape) + 1)))


@_writes("Split")
def _split(w, use, x):
    axis = use.layer.dim % (len(use.shape) + 1)
    sizes = [s[axis - 1] for s in use.made]
    points = [int(n) for n in np.cumsum(sizes)[:-1]]
    made = w.layer("Slice", x, tops=len(sizes), slice_param=Message("SliceParameter", axis=axis, slice_point=points))
    return made if isinstance(made, list) else [made]


@_writes("Flatten")
def _flatten(w, use, x):
    p, ndim = use.layer, len(use.shape) + 1
    return w.layer("Flatten", x, flatten_param=Message("FlattenParameter", axis=p.start_dim % ndim, end_axis=p.end_dim % ndim))


@_writes("Reshape", "Squeeze", "Unsqueeze")
def _reshape(w, use, x):
    shape = Message("BlobShape", dim=[0, *(int(n) for n in use.made[0])])
    return w.layer("Reshape", x, reshape_param=Message("ReshapeParameter", shape=shape))


@_writes("Permute")
def _permute(w, use, x):
    return w.layer("Permute", x, permute_param=Message("PermuteParameter", order=[0, *use.layer.dims]))


@_writes("Tile")
def _tile(w, use, x):
    axis = use.layer.dim % (len(use.shape) + 1)
    return w.layer("Tile", x, tile_param=Message("TileParameter", axis=axis, tiles=use.layer.times))


@_writes("CropLike")
def _crop(w, use, x):
    return w.layer("Crop", x, crop_param=Message("CropParameter", axis=use.layer.dim, offset=list(use.layer.offsets)))


@_writes("ChannelShuffle")
def _shuffle(w, use, x):
    return w.layer("ShuffleChannel", x, shuffle_channel_param=Message("ShuffleChannelParameter", group=use.layer.groups))
