"""Which layers of a net belong to a phase, and what they are: data, loss, or something that computes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from sparkdl.errors import FormatError
from sparkdl.importers.caffe import prototxt, wire
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.caffe.upgrade import upgrade_net
from sparkdl.importers.limits import current, reading, within

DATA = {
    "Data", "ImageData", "HDF5Data", "MemoryData", "WindowData", "DummyData", "Input", "AnnotatedData", "ImageSegData",
    "DenseImageData", "CoSData",
}  # fmt: skip
LOSSES = {
    "SoftmaxWithLoss", "EuclideanLoss", "HingeLoss", "SigmoidCrossEntropyLoss", "InfogainLoss", "ContrastiveLoss",
    "MultinomialLogisticLoss", "SmoothL1Loss", "MultiBoxLoss", "CenterLoss", "TripletLoss",
}  # fmt: skip
_SCORES = {"SoftmaxWithLoss": "Softmax", "InfogainLoss": "Softmax", "SigmoidCrossEntropyLoss": "Sigmoid"}
METRICS = {"Accuracy", "DetectionEvaluate"}
SINKS = {"Silence", "HDF5Output"}


def read_net(source: str | Path | Message) -> Message:
    """The net of a text or binary file, in the newest form."""
    if isinstance(source, Message):
        return upgrade_net(source)
    with reading(source):
        net = prototxt.load_text(source, "NetParameter") if _is_text(source) else wire.load_binary(source, "NetParameter")
        if not net["layer"] and not net["layers"]:
            raise FormatError(f"{source} holds no layers; a net's prototxt (not a solver's) is wanted.")
        within("layers", len(net["layer"]) + len(net["layers"]), current().layers)
        return upgrade_net(net)


def _is_text(path: str | Path) -> bool:
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}.")
    with open(path, "rb") as file:
        start = file.read(1024)
    return not any(byte < 9 or 13 < byte < 32 for byte in start)


def in_phase(net: Message, phase: str, level: int = 0, stages: Sequence[str] = ()) -> list[Message]:
    """The layers that are there in ``phase`` (TRAIN or TEST), at ``level`` and in ``stages``, by the include and exclude rules."""
    kept = []
    for layer in net["layer"]:
        include, exclude = list(layer["include"]), layer["exclude"]
        if "phase" in layer and not include and not exclude:
            include = [Message("NetStateRule", phase=layer["phase"])]
        if include and exclude:
            raise FormatError(f"layer {layer['name']!r} has include and exclude rules; only one kind is allowed.")
        met = [_meets(rule, phase, level, stages) for rule in include or exclude]
        if any(met) if include else not any(met):
            kept.append(layer)
    return kept


def _meets(rule: Message, phase: str, level: int, stages: Sequence[str]) -> bool:
    return not (
        ("phase" in rule and rule["phase"] != phase)
        or ("min_level" in rule and level < rule["min_level"])
        or ("max_level" in rule and level > rule["max_level"])
        or any(stage not in stages for stage in rule["stage"])
        or any(stage in stages for stage in rule["not_stage"])
    )


def with_scores(layers: Sequence[Message]) -> list[Message]:
    """``layers``, with one more behind each loss layer whose second top, the scores that it makes, another layer reads."""
    made = []
    last_read = {bottom: i for i, layer in enumerate(layers) if layer["type"] not in METRICS for bottom in layer["bottom"]}
    for i, layer in enumerate(layers):
        made.append(layer)
        kind = _SCORES.get(layer["type"])
        if kind and len(layer["top"]) > 1 and last_read.get(layer["top"][1], -1) > i:
            new = Message("LayerParameter", name=f"{layer['name']}/scores", type=kind, bottom=layer["bottom"][:1], top=layer["top"][1:2])
            if kind == "Softmax" and "softmax_param" in layer:
                new["softmax_param"] = layer["softmax_param"]
            made.append(new)
    return made


def data_shapes(layer: Message, time_first: Collection[str] = ()) -> list[tuple[int | None, ...] | None]:
    """The shapes of a data layer's tops, without the batch axis (axis 1 of those in ``time_first``); None where the
    layer does not say."""
    tops = len(layer["top"])
    kind = layer["type"]
    if kind in ("Input", "DummyData"):
        shapes = [tuple(s["dim"]) for s in layer["input_param" if kind == "Input" else "dummy_data_param"]["shape"]]
        if kind == "DummyData" and not shapes:
            dummy = layer["dummy_data_param"]
            sizes = [dummy[f] for f in ("num", "channels", "height", "width")]
            if any(len(given) not in (1, tops) for given in sizes) and any(sizes):
                raise FormatError(f"layer {layer['name']!r}: num, channels, height and width are given once or for each of {tops} tops.")
            shapes = list(zip(*(given if len(given) == tops else given * tops for given in sizes), strict=False))
        if not shapes:
            return [None] * tops
        if len(shapes) not in (1, tops):
            raise FormatError(f"layer {layer['name']!r} has {tops} tops, but {len(shapes)} shapes.")
        each = shapes if len(shapes) == tops else shapes * tops
        return [s[:1] + s[2:] if top in time_first else s[1:] for s, top in zip(each, layer["top"], strict=True)]
    shape = _picture_shape(layer)
    return [shape, *[() for _ in range(tops - 1)]]


def _picture_shape(layer: Message) -> tuple[int | None, ...] | None:
    transform = layer["transform_param"]
    height, width = (transform["crop_h"], transform["crop_w"]) if transform["crop_h"] else (transform["crop_size"],) * 2
    if layer["type"] == "MemoryData":
        memory = layer["memory_data_param"]
        return (memory["channels"], height or memory["height"], width or memory["width"])
    if layer["type"] == "HDF5Data":
        return None
    gray = transform["force_gray"] or (layer["type"] == "ImageData" and not layer["image_data_param"]["is_color"])
    if not height and layer["type"] == "ImageData":
        height, width = layer["image_data_param"]["new_height"], layer["image_data_param"]["new_width"]
    if not height and transform["resize_param"]["height"]:
        height, width = transform["resize_param"]["height"], transform["resize_param"]["width"]
    colour = transform["force_color"] or layer["type"] in ("ImageData", "WindowData") or len(transform["mean_value"]) == 3
    channels = 1 if gray else 3 if colour else None
    return None if channels is None and not height else (channels, height or None, width or None)
