"""Boxes ``x1, y1, x2, y2``: overlaps, suppression, offsets.

``one`` is 1 where the numbers are pixels that both belong to the box (so that its width is x2 - x1 + 1), else 0.
"""

from __future__ import annotations

import numpy as np

from sparkdl.kernel import njit


@njit
def _overlap(a, b, one):
    """Intersection over union; 0 for boxes without area."""
    wide = min(a[2], b[2]) - max(a[0], b[0]) + one
    high = min(a[3], b[3]) - max(a[1], b[1]) + one
    if wide <= 0 or high <= 0:
        return one * 0
    shared = wide * high
    areas = (a[2] - a[0] + one) * (a[3] - a[1] + one) + (b[2] - b[0] + one) * (b[3] - b[1] + one)
    return shared / (areas - shared)


@njit
def _suppress(kept, boxes, order, threshold, one):
    """Fills ``kept`` with the numbers of the boxes that stay; how many."""
    count = 0
    for i in order:
        if count == len(kept):
            break
        free = True
        for j in range(count):
            if _overlap(boxes[i], boxes[kept[j]], one) > threshold:
                free = False
                break
        if free:
            kept[count] = i
            count += 1
    return count


def suppress(
    boxes: np.ndarray, scores: np.ndarray, threshold: float, most: int | None = None, one: int = 0
) -> np.ndarray:
    """Numbers of the boxes (n, 4) that overlap no better one by more than ``threshold``; best first, at most ``most``.

    Of equal scores the first box counts as better.
    """
    order = np.argsort(-scores, kind="stable")
    kept = np.empty(len(order) if most is None else min(most, len(order)), np.int64)
    number = boxes.dtype.type
    count = _suppress(kept, np.ascontiguousarray(boxes), order, number(threshold), number(one))
    return kept[:count]


def moved(boxes: np.ndarray, offsets: np.ndarray, one: int = 0) -> np.ndarray:
    """``boxes`` (*, 4) moved by ``offsets`` (*, 4): dx, dy in widths and heights, and the logs of their growth.

    Source: Girshick et al. (2014), appendix C.
    """
    size = boxes[..., 2:] - boxes[..., :2] + boxes.dtype.type(one)
    half = boxes.dtype.type(0.5)
    centre = boxes[..., :2] + half * size + offsets[..., :2] * size
    reach = half * np.exp(offsets[..., 2:]) * size
    return np.concatenate([centre - reach, centre + reach], axis=-1)


def clipped(boxes: np.ndarray, height: float, width: float, one: int = 0) -> np.ndarray:
    """``boxes`` (*, 4) cut at the borders of a picture."""
    most = np.array([width, height, width, height], boxes.dtype) - boxes.dtype.type(one)
    return np.clip(boxes, 0, np.maximum(most, 0))
