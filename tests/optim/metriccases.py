"""One row per metric: how to make it, rows to measure, and the same figure by scikit-learn or in naive Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn.metrics as sk

from sparkdl import nn, optim


@dataclass
class Case:
    """``expected(output, target, weight)``; ``weight`` is None or one number per row."""

    make: Callable[[], optim.Metric]
    data: Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]
    expected: Callable[[np.ndarray, np.ndarray, Any], Any]
    weighted: bool = True

    @property
    def id(self) -> str:
        return repr(self.make())


def classes(rng):
    """Scores of 5 classes with ties, and labels as float64, as DataFrames give them."""
    return rng.integers(0, 9, (120, 5)).astype(np.float32), rng.integers(0, 5, 120).astype(np.float64)


def distinct(rng):
    return rng.standard_normal((120, 5)).astype(np.float32), rng.integers(0, 5, 120)


def binary(rng):
    """Probabilities on a coarse grid (many ties) and labels that lean to them."""
    p = (rng.integers(0, 20, 150) / 20 + 0.01).astype(np.float32)
    return p, (rng.random(150) < p).astype(np.float64)


def values(rng):
    target = rng.standard_normal((80, 3)).astype(np.float32)
    return target + rng.standard_normal((80, 3)).astype(np.float32), target


def pairs(rng):
    """Two outputs and two targets."""
    (a, s), (b, t) = values(rng), values(rng)
    return (a, b), (s, t)


def rows_of(x, rows):
    return tuple(each[rows] for each in x) if isinstance(x, tuple) else x[rows]


def length(x):
    return len(x[0]) if isinstance(x, tuple) else len(x)


def candidates(rng):
    return rng.standard_normal((60, 12)).astype(np.float32), rng.integers(0, 12, 60)


def relevances(rng):
    grades = rng.integers(0, 4, (60, 12)).astype(np.float32)
    grades[:, 0] = 1  # at least one is relevant
    return rng.standard_normal((60, 12)).astype(np.float32), grades


def one_hot(rng):
    output, labels = distinct(rng)
    return output, np.eye(5, dtype=np.float32)[labels]


def trees(rng):
    return rng.standard_normal((40, 3, 5)).astype(np.float32), rng.integers(0, 5, (40, 3))


def sequences(rng):
    target = rng.integers(0, 5, (30, 7))
    target[:, 4:] = -1
    return rng.standard_normal((30, 5, 7)).astype(np.float32), target


def boxes(rng):
    """12 images with up to 6 true boxes of 3 classes, and detections near them and elsewhere."""
    output, target = np.full((12, 15, 6), -1.0), np.full((12, 6, 6), -1.0)
    for found, real in zip(output, target, strict=True):
        n = rng.integers(0, 7)
        corner = rng.random((n, 2))
        real[:n] = np.c_[rng.integers(0, 3, n), rng.random(n) < 0.2, corner, corner + 0.1 + 0.3 * rng.random((n, 2))]
        near = real[rng.integers(0, n, 9)] if n else np.zeros((0, 6))
        m = len(near)
        found[:m] = np.c_[near[:, 0], rng.integers(0, 30, m) / 30, near[:, 2:] + rng.normal(0, 0.03, (m, 4))]
        corner = rng.random((3, 2))
        found[m : m + 3] = np.c_[rng.integers(0, 3, 3), rng.random(3), corner, corner + 0.2]
    return output, target


def softmax(y):
    e = np.exp(y - y.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def mean(each, weight):
    return np.average(each, weights=weight)


def top(k):
    """Of equal scores the lower class number comes first, in plain Python."""

    def expected(output, target, weight):
        hits = [
            int(t) in sorted(range(len(row)), key=lambda c: (-row[c], c))[:k]
            for row, t in zip(output, target, strict=True)
        ]
        return mean(hits, weight)

    return expected


def average_precisions(output, target, weight):
    return np.mean([sk.average_precision_score(target == c, output[:, c], sample_weight=weight) for c in range(5)])


def first_of_ten(output, target, weight):
    """Average precision among the 10 most confident rows of each class, in plain Python."""
    figures = []
    for c in range(5):
        order = sorted(range(len(output)), key=lambda i: -output[i, c])[:10]
        found = [target[i] == c for i in order]
        hits = [sum(found[: n + 1]) / (n + 1) for n in range(10) if found[n]]
        figures.append(sum(hits) / min(10, sum(target == c)))
    return np.mean(figures)


def linear_area(output, target, weight):
    precision, recall, _ = sk.precision_recall_curve(target, output, sample_weight=weight)
    return sk.auc(recall, precision)


def predicted(output):
    return output.argmax(1)


def iou(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def detections(style, ious):
    """The definition in plain Python: one class, one threshold, one detection after the other."""

    def one(output, target, c, least):
        found = sorted(((*d[1:], i) for i, image in enumerate(output) for d in image if d[0] == c), key=lambda d: -d[0])
        real = [[list(b[1:]) for b in image if b[0] == c] for image in target]
        used, verdicts = set(), []
        for score, *box, i in found:
            fits = [(iou(box, b[1:]), j) for j, b in enumerate(real[i])]
            if style == "coco":
                fits = [(o, j) for o, j in fits if (i, j) not in used or real[i][j][0]]
                fits = [f for f in fits if not real[i][f[1]][0] and f[0] >= least] or fits
            overlap, j = max(fits, key=lambda f: f[0], default=(0, None))
            if overlap < least:
                verdicts.append((score, 0))
            elif not real[i][j][0]:
                verdicts.append((score, 0 if (i, j) in used else 1))
                used.add((i, j))
        verdicts.sort(key=lambda v: (-v[0], v[1]))
        many = sum(not b[0] for image in real for b in image)
        hits = np.cumsum([v for _, v in verdicts])
        points = [(h / many, h / (n + 1)) for n, h in enumerate(hits)]
        if style == "voc2010":
            steps = np.diff([0, *(r for r, _ in points)])
            return sum(s * max(p for _, p in points[n:]) for n, s in enumerate(steps))
        levels = range(11) if style == "voc2007" else range(101)
        most = 10 if style == "voc2007" else 100
        return np.mean([max((p for r, p in points if r >= n / most), default=0) for n in levels])

    return lambda output, target, weight: np.mean([one(output, target, c, i) for c in range(3) for i in ious])


CASES = [
    Case(lambda: optim.Top1Accuracy(), distinct, lambda y, t, w: sk.accuracy_score(t, predicted(y), sample_weight=w)),
    Case(lambda: optim.Top1Accuracy(), classes, top(1)),
    Case(lambda: optim.TopK(3), distinct, lambda y, t, w: sk.top_k_accuracy_score(t, y, k=3, sample_weight=w)),
    Case(lambda: optim.TopK(2), classes, top(2)),
    Case(
        lambda: optim.TopK(1, ignore_index=-1),
        sequences,
        lambda y, t, w: mean(predicted(y)[t >= 0] == t[t >= 0], None if w is None else np.repeat(w, 4)),
    ),
    Case(lambda: optim.CategoricalAccuracy(), one_hot, lambda y, t, w: mean(predicted(y) == t.argmax(1), w)),
    Case(lambda: optim.BinaryAccuracy(), binary, lambda y, t, w: sk.accuracy_score(t, y > 0.5, sample_weight=w)),
    Case(lambda: optim.TreeNNAccuracy(), trees, lambda y, t, w: mean(y[:, 0].argmax(1) == t[:, 0], w)),
    Case(
        lambda: optim.ConfusionMatrix(), distinct, lambda y, t, w: sk.confusion_matrix(t, predicted(y), sample_weight=w)
    ),
    Case(lambda: optim.ConfusionMatrix(), binary, lambda y, t, w: sk.confusion_matrix(t, y > 0.5, sample_weight=w)),
    Case(lambda: optim.Precision(), binary, lambda y, t, w: sk.precision_score(t, y > 0.5, sample_weight=w)),
    Case(lambda: optim.Recall(threshold=0.3), binary, lambda y, t, w: sk.recall_score(t, y > 0.3, sample_weight=w)),
    Case(lambda: optim.F1(), binary, lambda y, t, w: sk.f1_score(t, y > 0.5, sample_weight=w)),
    *(
        Case(
            lambda a=average, m=metric: m(average=a),
            distinct,
            lambda y, t, w, a=average, f=function: f(
                t, predicted(y), average=None if a == "none" else "macro" if a == "auto" else a, sample_weight=w
            ),
        )
        for average in ("auto", "macro", "micro", "weighted", "none")
        for metric, function in (
            (optim.Precision, sk.precision_score),
            (optim.Recall, sk.recall_score),
            (optim.F1, sk.f1_score),
        )
    ),
    Case(lambda: optim.AUC(), binary, lambda y, t, w: sk.roc_auc_score(t, y, sample_weight=w)),
    Case(lambda: optim.PRAUC(), binary, lambda y, t, w: sk.average_precision_score(t, y, sample_weight=w)),
    Case(lambda: optim.PRAUC("linear"), binary, linear_area),
    Case(lambda: optim.MeanAveragePrecision(5), classes, average_precisions),
    Case(lambda: optim.MeanAveragePrecision(5, k=10), distinct, first_of_ten, weighted=False),
    Case(lambda: optim.MAE(), values, lambda y, t, w: sk.mean_absolute_error(t, y, sample_weight=w)),
    Case(lambda: optim.MSE(), values, lambda y, t, w: sk.mean_squared_error(t, y, sample_weight=w)),
    Case(lambda: optim.R2(), values, lambda y, t, w: sk.r2_score(np.float64(t), np.float64(y), sample_weight=w)),
    Case(lambda: optim.HitRatio(3), candidates, lambda y, t, w: sk.top_k_accuracy_score(t, y, k=3, sample_weight=w)),
    Case(lambda: optim.NDCG(4), relevances, lambda y, t, w: sk.ndcg_score(t, y, k=4, sample_weight=w)),
    Case(lambda: optim.NDCG(4), candidates, lambda y, t, w: sk.ndcg_score(np.eye(12)[t], y, k=4, sample_weight=w)),
    Case(
        lambda: optim.LabelRankingAveragePrecision(),
        relevances,
        lambda y, t, w: sk.label_ranking_average_precision_score(t > 0, y, sample_weight=w),
    ),
    Case(
        lambda: optim.Loss(nn.CrossEntropyLoss()),
        distinct,
        lambda y, t, w: sk.log_loss(t, softmax(y.astype(np.float64)), sample_weight=w),
    ),
    Case(
        lambda: optim.MeanAveragePrecisionObjectDetection(3),
        boxes,
        detections("voc2010", (0.5,)),
        weighted=False,
    ),
    Case(
        lambda: optim.MeanAveragePrecisionObjectDetection(3, iou=0.4, style="voc2007"),
        boxes,
        detections("voc2007", (0.4,)),
        weighted=False,
    ),
    Case(
        lambda: optim.MeanAveragePrecisionObjectDetection(3, style="coco"),
        boxes,
        detections("coco", tuple(0.5 + 0.05 * i for i in range(10))),
        weighted=False,
    ),
]
CASES += [
    Case(
        lambda: optim.OfOutput(optim.MAE(), 1),
        pairs,
        lambda y, t, w: sk.mean_absolute_error(t[1], y[1], sample_weight=w),
    ),
    Case(
        lambda: optim.OfOutput(optim.Top1Accuracy(), 0, target=1, name="first"),
        lambda rng: (pairs(rng)[0], (values(rng)[1], rng.integers(0, 3, 80))),
        lambda y, t, w: sk.accuracy_score(t[1], y[0].argmax(1), sample_weight=w),
    ),
    Case(
        lambda: optim.OfOutput(optim.AUC(), 1),
        lambda rng: ((values(rng)[0], values(rng)[0][:, 0]), rng.integers(0, 2, 80)),
        lambda y, t, w: sk.roc_auc_score(t, y[1], sample_weight=w),
    ),
]
ABSTRACT = {"Metric", "SumMetric", "RowMetric"}
