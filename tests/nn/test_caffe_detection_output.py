"""CaffeDetectionOutput's options, drawn at random, beside Caffe's steps written out box by box in plain Python."""

import math

import numpy as np
import pytest

from sparkdl import nn

PICTURES, PRIORS, CLASSES = 3, 14, 4


def decoded(code, prior, variance, kind, encoded):
    """bbox_util.cpp, DecodeBBox."""
    v = [1.0] * 4 if encoded else variance
    width, height = prior[2] - prior[0], prior[3] - prior[1]
    if kind == "CORNER":
        return [prior[k] + v[k] * code[k] for k in range(4)]
    if kind == "CORNER_SIZE":
        return [prior[k] + v[k] * code[k] * (width if k in (0, 2) else height) for k in range(4)]
    x = v[0] * code[0] * width + (prior[0] + prior[2]) / 2
    y = v[1] * code[1] * height + (prior[1] + prior[3]) / 2
    w, h = math.exp(v[2] * code[2]) * width, math.exp(v[3] * code[3]) * height
    return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]


def size(box):
    return 0.0 if box[2] < box[0] or box[3] < box[1] else (box[2] - box[0]) * (box[3] - box[1])


def jaccard(a, b):
    shared = [max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])]
    if shared[2] <= shared[0] or shared[3] <= shared[1]:
        return 0.0
    return size(shared) / (size(a) + size(b) - size(shared))


def detections(locations, confidences, priors, o):
    """detection_output_layer.cpp, Forward_cpu: the rows of each picture."""
    pictures = []
    for n in range(len(locations)):
        found = {}
        for label in range(CLASSES):
            if label == o["background_label"]:
                continue
            boxes = []
            for p in range(PRIORS):
                code = locations[n, p, 0 if o["share_location"] else label]
                box = decoded(code, *priors[n, :, p], o["code_type"], o["variance_encoded_in_target"])
                boxes.append([min(max(each, 0.0), 1.0) for each in box] if o["clip"] else box)
            scores = confidences[n, :, label]
            order = [p for p in range(PRIORS) if scores[p] > o["confidence_threshold"]]
            order.sort(key=lambda p: -scores[p])
            if o["nms_top_k"] > -1:
                order = order[: o["nms_top_k"]]
            kept, threshold = [], o["nms_threshold"]
            for p in order:
                if all(jaccard(boxes[p], boxes[k]) <= threshold for k in kept):
                    kept.append(p)
                    if o["nms_eta"] < 1 and threshold > 0.5:
                        threshold *= o["nms_eta"]
            found[label] = [[n, label, scores[p], *boxes[p]] for p in kept]
        rows = [row for label in sorted(found) for row in found[label]]
        if -1 < o["keep_top_k"] < len(rows):
            best = sorted(rows, key=lambda row: -row[2])[: o["keep_top_k"]]
            rows = [row for row in rows if row in best]
        pictures.append(rows)
    return pictures


def drawn(rng):
    return {
        "share_location": bool(rng.integers(2)),
        "background_label": int(rng.integers(-1, CLASSES)),
        "nms_threshold": float(rng.choice([0.0, 0.2, 0.45, 0.6, 0.9])),
        "nms_top_k": int(rng.choice([-1, 0, 1, 5, 100])),
        "nms_eta": float(rng.choice([1.0, 0.9, 0.5])),
        "code_type": str(rng.choice(["CORNER", "CENTER_SIZE", "CORNER_SIZE"])),
        "variance_encoded_in_target": bool(rng.integers(2)),
        "keep_top_k": int(rng.choice([-1, 0, 1, 7, 200])),
        "confidence_threshold": float(rng.choice([-math.inf, 0.0, 0.3, 0.8, 2.0])),
        "clip": bool(rng.integers(2)),
    }


@pytest.mark.parametrize("seed", range(80))
def test_options_drawn_at_random_give_what_caffes_steps_give(seed):
    rng = np.random.default_rng(seed)
    options = drawn(rng)
    kinds = 1 if options["share_location"] else CLASSES
    corner, extent = rng.uniform(0, 0.7, (PICTURES, PRIORS, 2)), rng.uniform(0.05, 0.5, (PICTURES, PRIORS, 2))
    boxes, variances = np.concatenate([corner, corner + extent], 2), rng.uniform(0.05, 0.3, (PICTURES, PRIORS, 4))
    priors = np.stack([boxes, variances], 1)
    locations = rng.standard_normal((PICTURES, PRIORS, kinds, 4)) * (0.3 if options["code_type"] == "CORNER" else 1)
    confidences = rng.random((PICTURES, PRIORS, CLASSES))
    layer = nn.CaffeDetectionOutput(CLASSES, **options).double()
    flat = locations.reshape(PICTURES, -1), confidences.reshape(PICTURES, -1), priors.reshape(PICTURES, 2, -1)
    found = layer(*flat)
    wanted = detections(locations, confidences, priors, options)
    most = max(max(map(len, wanted)), 1)
    assert found.shape == (PICTURES, 1, most, 7)
    for rows, each in zip(found[:, 0], wanted, strict=True):
        np.testing.assert_allclose(rows[: len(each)], np.array(each).reshape(-1, 7), rtol=1e-12)
        assert (rows[len(each) :] == -1).all()
    alone = layer(*(x[1:2] for x in flat))[0, 0, : len(wanted[1])]
    np.testing.assert_array_equal(alone[:, 1:], found[1, 0, : len(wanted[1]), 1:])


def test_the_random_options_make_a_difference():
    """Else the comparison would prove nothing: pictures lose boxes to each rule, and keep others."""
    counts = {"nothing": 0, "some": 0}
    for seed in range(80):
        options = drawn(np.random.default_rng(seed))
        empty = options["nms_top_k"] == 0 or options["keep_top_k"] == 0 or options["confidence_threshold"] > 1
        counts["nothing" if empty else "some"] += 1
    assert counts["some"] > 30 and counts["nothing"] > 10
