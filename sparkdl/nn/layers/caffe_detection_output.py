"""Boxes that a single-shot detector found, in Caffe's order."""

from typing import Any

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.module import Layer


class CaffeDetectionOutput(Layer):
    """Decodes boxes, drops weak and overlapping ones per class, and keeps the best of each picture.

    ``background_label`` is left out (-1: none is). Of each class, boxes that score above ``confidence_threshold``, at
    most ``nms_top_k`` (-1: all), stay if they overlap no better one by more than ``nms_threshold``, which ``nms_eta``
    < 1 lowers after each while it is above 0.5; then ``keep_top_k`` of the picture (-1: all).

    Shapes
    ------
    inputs  locations (batch, priors * classes of boxes * 4), confidences (batch, priors * classes), priors
            (batch, 2, priors * 4)
    output  (batch, 1, n, 7): picture in the batch, label, confidence, x1, y1, x2, y2, by label and falling confidence.
            n is the largest count of the pictures; rows that a picture does not fill are -1. A batch in which nothing
            was found gives one such row. For one picture this is Caffe's array.

    Source: Liu et al. (2016), Caffe's SSD branch. No gradient.
    """

    def __init__(
        self, num_classes, share_location=True, background_label=0, nms_threshold=0.3, nms_top_k=-1, nms_eta=1.0,
        code_type="CORNER", variance_encoded_in_target=False, keep_top_k=-1, confidence_threshold=float("-inf"),
        clip=False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_classes, self.share_location, self.background_label = num_classes, share_location, background_label
        self.nms_threshold, self.nms_top_k, self.nms_eta = nms_threshold, nms_top_k, nms_eta
        self.code_type, self.variance_encoded_in_target = code_type, variance_encoded_in_target
        self.keep_top_k, self.confidence_threshold, self.clip = keep_top_k, confidence_threshold, clip
        if code_type not in ("CORNER", "CENTER_SIZE", "CORNER_SIZE"):
            kinds = "CORNER, CENTER_SIZE or CORNER_SIZE"
            raise ValueError(f"CaffeDetectionOutput: code_type is {kinds}, got {code_type!r}.")

    def forward(self, locations, confidences, priors, ctx):
        n, count = len(locations), priors.shape[-1] // 4
        kinds = 1 if self.share_location else self.num_classes
        if locations.size != n * count * kinds * 4 or confidences.size != n * count * self.num_classes:
            raise ShapeError(
                f"{self!r}: locations {locations.shape} and confidences {confidences.shape} do not fit {count} priors."
            )
        locations = np.ascontiguousarray(locations).reshape(n, count, kinds, 4)
        confidences = np.ascontiguousarray(confidences).reshape(n, count, self.num_classes)
        found = [
            self._picture(i, locations[i], confidences[i], priors[i].reshape(2, count, 4).astype(locations.dtype))
            for i in range(n)
        ]
        rows = max([len(each) for each in found], default=0) or 1
        y = np.full((n, 1, rows, 7), -1, locations.dtype)
        for i, each in enumerate(found):
            y[i, 0, : len(each)] = np.reshape(each, (-1, 7))
        return y

    def _picture(self, number, locations, confidences, priors):
        rows = []
        for label in range(self.num_classes):
            if label == self.background_label:
                continue
            boxes = self._decode(locations[:, 0 if self.share_location else label], *priors)
            for i in self._suppress(boxes, confidences[:, label]):
                rows.append((number, label, confidences[i, label], *boxes[i]))
        if 0 <= self.keep_top_k < len(rows):
            best = sorted(range(len(rows)), key=lambda i: -rows[i][2])[: self.keep_top_k]
            rows = [rows[i] for i in sorted(best)]
        return rows

    def _decode(self, code, prior, variance):
        if self.variance_encoded_in_target:
            variance = np.ones_like(variance)
        code = code * variance
        size = prior[:, 2:] - prior[:, :2]
        if self.code_type == "CORNER":
            boxes = prior + code
        elif self.code_type == "CORNER_SIZE":
            boxes = prior + code * np.concatenate([size, size], axis=1)
        else:
            centre = (prior[:, :2] + prior[:, 2:]) / 2 + code[:, :2] * size
            half = np.exp(code[:, 2:]) * size / 2
            boxes = np.concatenate([centre - half, centre + half], axis=1)
        return boxes.clip(0, 1) if self.clip else boxes

    def _suppress(self, boxes, scores):
        """Numbers of the boxes of one class that stay, best first."""
        order = np.flatnonzero(scores > self.confidence_threshold)
        order = order[np.argsort(-scores[order], kind="stable")]
        if self.nms_top_k > -1:
            order = order[: self.nms_top_k]
        kept: list[Any] = []
        threshold = self.nms_threshold
        for i in order:
            if not kept or _overlap(boxes[i], boxes[kept]).max() <= threshold:
                kept.append(i)
                if self.nms_eta < 1 and threshold > 0.5:
                    threshold *= self.nms_eta
        return kept

    def backward(self, dy, ctx):
        return None, None, None


def _overlap(box, others):
    """Intersection over union of a box with others, of coordinates relative to the picture."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    area = np.prod(np.maximum(box[2:] - box[:2], 0)) + np.prod(np.maximum(others[:, 2:] - others[:, :2], 0), axis=1)
    return np.divide(shared, area - shared, out=np.zeros_like(shared), where=area > shared)
