"""Old forms of a net (V0 and V1 layers, ``input:`` fields, data options outside ``transform_param``) become the newest."""

from __future__ import annotations

from typing import Any

from sparkdl.errors import FormatError
from sparkdl.importers.caffe.message import Message

V1_TYPES = {
    "NONE": "", "ABSVAL": "AbsVal", "ACCURACY": "Accuracy", "ARGMAX": "ArgMax", "BNLL": "BNLL", "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss", "CONVOLUTION": "Convolution", "DATA": "Data", "DECONVOLUTION": "Deconvolution",
    "DROPOUT": "Dropout", "DUMMY_DATA": "DummyData", "EUCLIDEAN_LOSS": "EuclideanLoss", "ELTWISE": "Eltwise", "EXP": "Exp",
    "FLATTEN": "Flatten", "HDF5_DATA": "HDF5Data", "HDF5_OUTPUT": "HDF5Output", "HINGE_LOSS": "HingeLoss",
    "IM2COL": "Im2col", "IMAGE_DATA": "ImageData", "INFOGAIN_LOSS": "InfogainLoss", "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN", "MEMORY_DATA": "MemoryData", "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss", "MVN": "MVN",
    "POOLING": "Pooling", "POWER": "Power", "RELU": "ReLU", "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss", "SILENCE": "Silence", "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss", "SPLIT": "Split", "SLICE": "Slice", "TANH": "TanH", "WINDOW_DATA": "WindowData",
    "THRESHOLD": "Threshold",
}  # fmt: skip
V0_TYPES = {
    "accuracy": "ACCURACY", "bnll": "BNLL", "concat": "CONCAT", "conv": "CONVOLUTION", "data": "DATA", "dropout": "DROPOUT",
    "euclidean_loss": "EUCLIDEAN_LOSS", "flatten": "FLATTEN", "hdf5_data": "HDF5_DATA", "hdf5_output": "HDF5_OUTPUT",
    "im2col": "IM2COL", "images": "IMAGE_DATA", "infogain_loss": "INFOGAIN_LOSS", "innerproduct": "INNER_PRODUCT",
    "lrn": "LRN", "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS", "pool": "POOLING", "relu": "RELU",
    "sigmoid": "SIGMOID", "softmax": "SOFTMAX", "softmax_loss": "SOFTMAX_LOSS", "split": "SPLIT", "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}  # fmt: skip

# V0 field -> for each V1 type, the parameter message and the field in it
_V0_FIELDS: dict[str, dict[str, tuple[str, str]]] = {
    "num_output": {"conv": ("convolution_param", "num_output"), "innerproduct": ("inner_product_param", "num_output")},
    "biasterm": {"conv": ("convolution_param", "bias_term"), "innerproduct": ("inner_product_param", "bias_term")},
    "weight_filler": {
        "conv": ("convolution_param", "weight_filler"), "innerproduct": ("inner_product_param", "weight_filler"),
    },
    "bias_filler": {"conv": ("convolution_param", "bias_filler"), "innerproduct": ("inner_product_param", "bias_filler")},
    "pad": {"conv": ("convolution_param", "pad"), "pool": ("pooling_param", "pad")},
    "kernelsize": {"conv": ("convolution_param", "kernel_size"), "pool": ("pooling_param", "kernel_size")},
    "group": {"conv": ("convolution_param", "group")},
    "stride": {"conv": ("convolution_param", "stride"), "pool": ("pooling_param", "stride")},
    "pool": {"pool": ("pooling_param", "pool")},
    "dropout_ratio": {"dropout": ("dropout_param", "dropout_ratio")},
    "local_size": {"lrn": ("lrn_param", "local_size")},
    "alpha": {"lrn": ("lrn_param", "alpha")},
    "beta": {"lrn": ("lrn_param", "beta")},
    "k": {"lrn": ("lrn_param", "k")},
    "source": {
        "data": ("data_param", "source"), "hdf5_data": ("hdf5_data_param", "source"),
        "images": ("image_data_param", "source"), "window_data": ("window_data_param", "source"),
        "infogain_loss": ("infogain_loss_param", "source"),
    },
    "batchsize": {
        "data": ("data_param", "batch_size"), "hdf5_data": ("hdf5_data_param", "batch_size"),
        "images": ("image_data_param", "batch_size"), "window_data": ("window_data_param", "batch_size"),
    },
    "new_height": {"images": ("image_data_param", "new_height")},
    "new_width": {"images": ("image_data_param", "new_width")},
    "shuffle_images": {"images": ("image_data_param", "shuffle")},
    "concat_dim": {"concat": ("concat_param", "concat_dim")},
}  # fmt: skip
_V0_TRANSFORM = {"scale": "scale", "meanfile": "mean_file", "cropsize": "crop_size", "mirror": "mirror"}
_DATA_PARAMS = ("data_param", "image_data_param", "window_data_param")


def upgrade_net(net: Message) -> Message:
    """``net`` with ``layer`` fields of the newest form only; inputs have become Input layers in front."""
    new = Message("NetParameter")
    new.unknown = net.unknown
    for name in ("name", "state"):
        if name in net:
            new[name] = net[name]
    layers = [*_inputs(net), *_padded_first(net["layers"]), *net["layer"]]
    new["layer"] = [_transform(layer) for layer in map(_newest, layers)]
    return new


def _inputs(net: Message) -> list[Message]:
    names, shapes, dims = net["input"], net["input_shape"], net["input_dim"]
    if dims and not shapes:
        shapes = [Message("BlobShape", dim=dims[i : i + 4]) for i in range(0, len(dims), 4)]
    if shapes and len(shapes) not in (1, len(names)):
        raise FormatError(f"the net has {len(names)} inputs, but {len(shapes)} input shapes.")
    layers = []
    for i, name in enumerate(names):
        layer = Message("LayerParameter", name=name, type="Input", top=[name])
        if shapes:
            layer["input_param"] = Message("InputParameter", shape=[shapes[i if len(shapes) > 1 else 0]])
        layers.append(layer)
    return layers


def _padded_first(layers: list[Message]) -> list[Message]:
    """V0 nets pad by layers of their own: what such a layer pads goes into the convolution or pooling behind it."""
    pads: dict[str, tuple[str, int]] = {}
    kept = []
    for layer in layers:
        old = layer["layer"] if "layer" in layer else None
        if old is not None and old["type"] == "padding":
            if len(layer["bottom"]) != 1 or len(layer["top"]) != 1:
                raise FormatError(f"padding layer {old['name']!r} must have one bottom and one top.")
            pads[layer["top"][0]] = (layer["bottom"][0], old["pad"])
            continue
        if old is not None and old["type"] in ("conv", "pool") and any(b in pads for b in layer["bottom"]):
            layer, old = layer.copy(), old.copy()
            source, pad = pads[layer["bottom"][0]]
            layer["bottom"], old["pad"], layer["layer"] = [source], pad, old
        kept.append(layer)
    return kept


def _newest(layer: Message) -> Message:
    if layer.type == "V1LayerParameter":
        return _from_v1(_from_v0(layer) if "layer" in layer else layer)
    return layer


def _from_v0(layer: Message) -> Message:
    old = layer["layer"]
    kind = old["type"]
    if kind not in V0_TYPES:
        raise FormatError(f"layer {old['name']!r}: unknown old layer type {kind!r}.")
    new = Message("V1LayerParameter", type=V0_TYPES[kind], bottom=layer["bottom"], top=layer["top"])
    for name, value in old.fields.items():
        if name in ("name", "blobs", "blobs_lr", "weight_decay"):
            new[name] = value
        elif name in _V0_TRANSFORM:
            _inside(new, "transform_param", _V0_TRANSFORM[name], value)
        elif name in _V0_FIELDS and kind in _V0_FIELDS[name]:
            _inside(new, *_V0_FIELDS[name][kind], value)
        elif name != "type":
            new.unknown.append(name)
    return new


def _inside(layer: Message, parameter: str, name: str, value: Any) -> None:
    if parameter not in layer:
        layer[parameter] = Message(layer.spec(parameter).type)
    layer[parameter].add(name, value)


def _from_v1(layer: Message) -> Message:
    new = Message("LayerParameter", type=V1_TYPES[layer["type"]])
    new.unknown = list(layer.unknown)
    for name, value in layer.fields.items():
        if name not in ("type", "param", "blob_share_mode", "blobs_lr", "weight_decay", "layer"):
            new[name] = value
    names, rates, decays, modes = (layer[f] for f in ("param", "blobs_lr", "weight_decay", "blob_share_mode"))
    specs = []
    for i in range(max(len(names), len(rates), len(decays), len(modes))):
        spec = Message("ParamSpec")
        for field, values in (("name", names), ("lr_mult", rates), ("decay_mult", decays), ("share_mode", modes)):
            if i < len(values):
                spec[field] = values[i]
        specs.append(spec)
    if specs:
        new["param"] = specs
    return new


def _transform(layer: Message) -> Message:
    """Scale, mean, crop and mirror of old data layers move to ``transform_param``."""
    for parameter in _DATA_PARAMS:
        if parameter in layer and any(f in layer[parameter] for f in ("scale", "mean_file", "crop_size", "mirror")):
            layer = layer.copy()
            transform = layer["transform_param"].copy()
            for field in ("scale", "mean_file", "crop_size", "mirror"):
                if field in layer[parameter]:
                    transform[field] = layer[parameter][field]
            layer["transform_param"] = transform
    return layer
