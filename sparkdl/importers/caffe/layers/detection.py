"""Boxes of single-shot detectors."""

from __future__ import annotations

from sparkdl import nn
from sparkdl.errors import FormatError
from sparkdl.importers.build import Value
from sparkdl.importers.caffe.convert import Conversion
from sparkdl.importers.caffe.table import converts
from sparkdl.importers.limits import within


@converts("PriorBox", note="fork (SSD)")
def prior_box(c: Conversion) -> Value:
    p = c.layer["prior_box_param"]
    c.takes(2)
    if not p["min_size"] or any(not size > 0 for size in p["min_size"]):
        raise FormatError(f"layer {c.name!r}: min_size must be given and positive.")
    if p["max_size"] and len(p["max_size"]) != len(p["min_size"]):
        raise FormatError(f"layer {c.name!r}: {len(p['max_size'])} max sizes for {len(p['min_size'])} min sizes.")
    within(f"layer {c.name!r}: boxes per place", len(p["min_size"]) * (1 + 2 * len(p["aspect_ratio"])), 1 << 12)
    if len(p["variance"]) not in (0, 1, 4):
        raise FormatError(f"layer {c.name!r}: {len(p['variance'])} variances; 1 or 4 are wanted.")
    size = (p["img_h"] or p["img_size"], p["img_w"] or p["img_size"])
    layer = nn.CaffePriorBox(
        tuple(p["min_size"]), tuple(p["max_size"]), tuple(p["aspect_ratio"]), p["flip"], p["clip"],
        tuple(p["variance"] or [0.1]), size if all(size) else None,
        (p["step_h"] or p["step"], p["step_w"] or p["step"]), p["offset"],
    )
    return c.apply(layer, *c.inputs)


@converts("DetectionOutput", note="fork (SSD); rows (picture, label, score, x1, y1, x2, y2)")
def detection_output(c: Conversion) -> Value:
    p = c.layer["detection_output_param"]
    c.takes(3)
    if p["num_classes"] < 1:
        raise FormatError(f"layer {c.name!r}: num_classes is {p['num_classes']}.")
    nms = p["nms_param"]
    threshold = p["confidence_threshold"]
    layer = nn.CaffeDetectionOutput(
        p["num_classes"], p["share_location"], p["background_label_id"], nms["nms_threshold"], nms["top_k"], nms["eta"],
        p["code_type"], p["variance_encoded_in_target"], p["keep_top_k"],
        float("-inf") if threshold is None else threshold, p["clip"],
    )
    return c.apply(layer, *c.inputs)
