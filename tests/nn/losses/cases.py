"""One row per loss: how to make it, example outputs and targets, and the mean of the batch computed the naive way.

``torch`` rows compute the reference with PyTorch on float64 tensors, and its gradient is compared too; ``naive`` rows
compute it from the paper's formula, sample by sample, in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from sparkdl import nn

BATCH = 6


@dataclass
class Case:
    make: Callable[[], nn.Loss]
    y: Callable[[np.random.Generator], Any]
    target: Callable[[np.random.Generator], Any]
    torch: Callable[..., Any] | None = None
    naive: Callable[..., Any] | None = None
    by_sample: bool = True  # whether a sample given twice counts twice

    @property
    def name(self) -> str:
        return repr(self.make()).split("\n")[0]


def normal(*shape, batch=BATCH):
    return lambda rng: rng.normal(size=(batch, *shape))


def uniform(*shape, low=0.05, high=0.95):
    return lambda rng: rng.uniform(low, high, size=(BATCH, *shape))


def softmax(*shape, axis=-1):
    def draw(rng):
        e = np.exp(rng.normal(size=(BATCH, *shape)))
        return e / e.sum(axis, keepdims=True)

    return draw


def labels(classes, *shape, ignore=None):
    def draw(rng):
        t = rng.integers(0, classes, size=(BATCH, *shape))
        if ignore is not None:
            t.reshape(-1)[::4] = ignore
        return t

    return draw


def signs(*shape):
    return lambda rng: rng.choice([-1.0, 1.0], size=(BATCH, *shape))


def bits(*shape):
    return lambda rng: rng.integers(0, 2, size=(BATCH, *shape)).astype(float)


def both(*draws):
    return lambda rng: tuple(draw(rng) for draw in draws)


def nothing(rng):
    return None


def mean_of(sample):
    """The mean over the samples of ``sample(y, t)``, one sample's loss."""

    def reference(y, target):
        rows = zip(*y, strict=True) if isinstance(y, tuple) else y
        targets = target if target is not None else [None] * BATCH
        targets = zip(*targets, strict=True) if isinstance(targets, tuple) else targets
        return np.mean([sample(row, t) for row, t in zip(rows, targets, strict=True)])

    return reference


W3 = [0.5, 2.0, 1.0]
ALIGNED = np.array([[1, 2, -1], [3, 3, 1], [2, -1, -1], [1, -1, -1], [3, 1, 3], [2, 2, -1]])


def simplex_corner(c, n):
    """Corner ``c`` of the simplex: built from n unit vectors around their mean, turned into n - 1 coordinates."""
    centred = np.eye(n) - 1 / n
    triangle = np.linalg.cholesky(centred[: n - 1, : n - 1] * n / (n - 1))  # rows: corners 0 .. n - 2
    corners = np.vstack([triangle, -triangle.sum(0)])
    return np.append(corners[c], 0)


def focal(y, t):
    p = 1 / (1 + np.exp(-y))
    return np.mean(np.where(t == 1, -0.25 * (1 - p) ** 2 * np.log(p), -0.75 * p**2 * np.log(1 - p)))


def smooth_l1_weighted(y, t):
    t, inside, outside = t
    d = inside * (y - t)
    return np.sum(outside * np.where(np.abs(d) < 1 / 4, 0.5 * 4 * d**2, np.abs(d) - 0.5 / 4))


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def categorical(y, t):
    return -np.sum(t * np.log(y / y.sum(-1, keepdims=True)), -1).mean()


def masked(y, t):
    parts = [np.mean((y[n, s] - t[n, s]) ** 2) for n in range(BATCH) for s in range(3) if (t[n, s] != 0).any()]
    return np.mean(parts)


def padded(rng):
    t = rng.normal(size=(BATCH, 3, 2))
    t[1, 2], t[4, 1:] = 0, 0
    return t


def caffe(normalization):
    def reference(y, t):
        total, valid = 0.0, 0
        for n, i in np.ndindex(t.shape):
            if t[n, i] != 1:
                total -= y[n, t[n, i], i] - np.log(np.exp(y[n, :, i]).sum())
                valid += 1
        return total / {"valid": valid, "full": t.size, "batch_size": len(y), "none": 1}[normalization]

    return reference


def ctc(y, t):
    lengths = torch.tensor([2, 3, 1, 1, 3, 2])
    return F.ctc_loss(
        y.log_softmax(2).transpose(0, 1), torch.tensor(ALIGNED).clamp(min=1), torch.full((6,), 7), lengths
    )


def log_softmax(*shape):
    return lambda rng: np.log(softmax(*shape)(rng))


GAIN = np.array([[1.0, 0.2, 0.0], [0.5, 2.0, 0.1], [0.0, -0.3, 1.5]])


def infogain(normalization):
    def reference(y, t):
        total, valid = 0.0, 0
        for n, i in np.ndindex(t.shape):
            if t[n, i] != 1:
                total -= GAIN[t[n, i]] @ np.log(np.exp(y[n, :, i]) / np.exp(y[n, :, i]).sum())
                valid += 1
        return total / {"valid": valid, "full": t.size, "batch_size": len(y), "none": 1}[normalization]

    return reference


def contrastive(margin, squared):
    def sample(y, t):
        d = np.linalg.norm(y[0] - y[1])
        return (d**2 if t else max(0, margin - d**2) if squared else max(0, margin - d) ** 2) / 2

    return mean_of(sample)


CASES = [
    Case(lambda: nn.MSELoss(), normal(3, 2), normal(3, 2), torch=F.mse_loss),
    Case(lambda: nn.L1Loss(), normal(3), normal(3), torch=F.l1_loss),
    Case(lambda: nn.SmoothL1Loss(beta=0.7), normal(4), normal(4), torch=lambda y, t: F.smooth_l1_loss(y, t, beta=0.7)),
    Case(lambda: nn.SmoothL1Loss(beta=0), normal(4), normal(4), torch=F.l1_loss),
    Case(lambda: nn.HuberLoss(delta=0.6), normal(4), normal(4), torch=lambda y, t: F.huber_loss(y, t, delta=0.6)),
    Case(lambda: nn.BCELoss(), uniform(3), uniform(3), torch=F.binary_cross_entropy),
    Case(
        lambda: nn.BCELoss(weight=W3),
        uniform(3),
        bits(3),
        torch=lambda y, t: F.binary_cross_entropy(y, t, weight=torch.tensor(W3, dtype=y.dtype)),
    ),
    Case(
        lambda: nn.BCELoss(label_smoothing=0.2),
        uniform(3),
        bits(3),
        torch=lambda y, t: F.binary_cross_entropy(y, 0.8 * t + 0.1),
    ),
    Case(
        lambda: nn.BCEWithLogitsLoss(label_smoothing=0.2),
        normal(3),
        bits(3),
        torch=lambda y, t: F.binary_cross_entropy_with_logits(y, 0.8 * t + 0.1),
    ),
    Case(lambda: nn.BCEWithLogitsLoss(), normal(3), uniform(3), torch=F.binary_cross_entropy_with_logits),
    Case(
        lambda: nn.BCEWithLogitsLoss(weight=[1.0, 0.5, 3.0], pos_weight=W3),
        normal(2, 3),
        bits(2, 3),
        torch=lambda y, t: F.binary_cross_entropy_with_logits(
            y, t, weight=y.new_tensor([1.0, 0.5, 3.0]), pos_weight=y.new_tensor(W3)
        ),
    ),
    Case(lambda: nn.NLLLoss(), log_softmax(3), labels(3), torch=F.nll_loss),
    Case(
        lambda: nn.NLLLoss(weight=W3, ignore_index=1),
        normal(3, 2, 2),
        labels(3, 2, 2),
        torch=lambda y, t: F.nll_loss(y, t, y.new_tensor(W3), ignore_index=1),
    ),
    Case(lambda: nn.CrossEntropyLoss(), normal(5), labels(5), torch=F.cross_entropy),
    Case(
        lambda: nn.CrossEntropyLoss(weight=W3, label_smoothing=0.2, ignore_index=-7),
        normal(3, 2, 4),
        labels(3, 2, 4, ignore=-7),
        torch=lambda y, t: F.cross_entropy(y, t, y.new_tensor(W3), ignore_index=-7, label_smoothing=0.2),
    ),
    Case(
        lambda: nn.CrossEntropyLoss(weight=W3, label_smoothing=0.1),
        normal(3, 2),
        softmax(3, 2, axis=1),
        torch=lambda y, t: F.cross_entropy(y, t, y.new_tensor(W3), label_smoothing=0.1),
    ),
    Case(
        lambda: nn.KLDivLoss(),
        log_softmax(4),
        softmax(4),
        torch=lambda y, t: F.kl_div(y, t, reduction="sum") / t.numel(),
    ),
    Case(
        lambda: nn.KLDivLoss(log_target=True, reduction="batchmean"),
        log_softmax(4),
        log_softmax(4),
        torch=lambda y, t: F.kl_div(y, t, reduction="batchmean", log_target=True),
    ),
    Case(
        lambda: nn.KullbackLeiblerDivergenceLoss(),
        softmax(4),
        softmax(4),
        naive=mean_of(lambda y, t: np.sum(t * np.log(t / y))),
    ),
    Case(
        lambda: nn.PoissonNLLLoss(full=True),
        normal(3),
        lambda rng: rng.poisson(2.0, (BATCH, 3)).astype(float),
        torch=lambda y, t: F.poisson_nll_loss(y, t, full=True),
    ),
    Case(
        lambda: nn.PoissonNLLLoss(log_input=False),
        uniform(3, high=3),
        lambda rng: rng.poisson(2.0, (BATCH, 3)).astype(float),
        torch=lambda y, t: F.poisson_nll_loss(y, t, log_input=False),
    ),
    Case(
        lambda: nn.GaussianNLLLoss(full=True),
        both(normal(3), uniform(3)),
        normal(3),
        torch=lambda m, v, t: F.gaussian_nll_loss(m, t, v, full=True),
    ),
    Case(
        lambda: nn.GaussianNLLLoss(),
        both(normal(3), uniform(1)),
        normal(3),
        torch=lambda m, v, t: F.gaussian_nll_loss(m, t, v),
    ),
    Case(
        lambda: nn.GaussianLoss(),
        both(normal(3), normal(3)),
        normal(3),
        torch=lambda m, s, t: -torch.distributions.Normal(m, (s / 2).exp()).log_prob(t).sum() / BATCH,
    ),
    Case(
        lambda: nn.KLDLoss(),
        both(normal(3), normal(3)),
        nothing,
        torch=lambda m, s: (
            torch.distributions.kl_divergence(
                torch.distributions.Normal(m, (s / 2).exp()), torch.distributions.Normal(m * 0, m * 0 + 1)
            ).sum()
            / BATCH
        ),
    ),
    Case(lambda: nn.MarginLoss(), normal(3), signs(3), naive=mean_of(lambda y, t: np.mean(np.maximum(0, 1 - t * y)))),
    Case(
        lambda: nn.MarginLoss(margin=0.5, squared=True),
        normal(3),
        signs(3),
        naive=mean_of(lambda y, t: np.mean(np.maximum(0, 0.5 - t * y) ** 2)),
    ),
    Case(
        lambda: nn.HingeEmbeddingLoss(margin=0.8),
        normal(3),
        signs(3),
        torch=lambda y, t: F.hinge_embedding_loss(y, t, margin=0.8),
    ),
    Case(lambda: nn.SoftMarginLoss(), normal(3), signs(3), torch=F.soft_margin_loss),
    Case(
        lambda: nn.MarginRankingLoss(margin=0.3),
        both(normal(), normal()),
        signs(),
        torch=lambda a, b, t: F.margin_ranking_loss(a, b, t, margin=0.3),
    ),
    Case(
        lambda: nn.CosineEmbeddingLoss(margin=0.1),
        both(normal(4), normal(4)),
        signs(),
        torch=lambda a, b, t: F.cosine_embedding_loss(a, b, t, margin=0.1),
    ),
    Case(
        lambda: nn.CosineDistanceLoss(),
        normal(4),
        normal(4),
        torch=lambda y, t: (1 - F.cosine_similarity(y, t)).mean(),
    ),
    Case(
        lambda: nn.CosineProximityLoss(),
        normal(2, 4),
        normal(2, 4),
        naive=lambda y, t: -np.mean(unit(y) * unit(t)),
    ),
    Case(
        lambda: nn.CosineProximityLoss(of_vectors=True),
        normal(2, 4),
        normal(2, 4),
        torch=lambda y, t: -F.cosine_similarity(y, t, -1, 1e-6).mean(),  # Keras's shortest length
    ),
    Case(
        lambda: nn.L1HingeEmbeddingLoss(margin=4.0),
        both(normal(4), normal(4)),
        signs(),
        naive=lambda y, t: np.mean(
            [
                d if s > 0 else max(0, 4 - d)
                for d, s in zip([np.sum(np.abs(a - b)) for a, b in zip(*y, strict=True)], t, strict=True)
            ]
        ),
    ),
    Case(
        lambda: nn.TripletMarginLoss(margin=0.9),
        both(normal(4), normal(4), normal(4)),
        nothing,
        torch=lambda a, p, n: F.triplet_margin_loss(a, p, n, margin=0.9),
    ),
    Case(
        lambda: nn.TripletMarginLoss(p=3, swap=True),
        both(normal(4), normal(4), normal(4)),
        nothing,
        torch=lambda a, p, n: F.triplet_margin_loss(a, p, n, p=3, swap=True),
    ),
    Case(
        lambda: nn.MultiLabelMarginLoss(),
        normal(5),
        lambda rng: np.array(
            [[3, 0, -1, 1, 2], [1, -1, -1, -1, -1], [-1] * 5, [4, 3, 2, 1, 0], [0, 2, -1, 0, 0], [2] + [-1] * 4]
        ),
        torch=F.multilabel_margin_loss,
    ),
    Case(
        lambda: nn.MultiLabelSoftMarginLoss(weight=W3),
        normal(3),
        bits(3),
        torch=lambda y, t: F.multilabel_soft_margin_loss(y, t, weight=y.new_tensor(W3)),
    ),
    Case(lambda: nn.MultiMarginLoss(), normal(4), labels(4), torch=F.multi_margin_loss),
    Case(
        lambda: nn.MultiMarginLoss(p=2, margin=0.7, weight=W3),
        normal(3),
        labels(3),
        torch=lambda y, t: F.multi_margin_loss(y, t, p=2, margin=0.7, weight=y.new_tensor(W3)),
    ),
    Case(
        lambda: nn.MAPELoss(),
        normal(3),
        normal(3),
        naive=mean_of(lambda y, t: 100 * np.mean(np.abs((t - y) / t))),
    ),
    Case(
        lambda: nn.MSLELoss(),
        uniform(3, high=4),
        uniform(3, high=4),
        naive=mean_of(lambda y, t: np.mean(np.log((1 + t) / (1 + y)) ** 2)),
    ),
    Case(lambda: nn.LogCoshLoss(), normal(3), normal(3), naive=mean_of(lambda y, t: np.mean(np.log(np.cosh(y - t))))),
    Case(
        lambda: nn.DiceLoss(),
        uniform(3, 2),
        bits(3, 2),
        naive=mean_of(lambda y, t: 1 - (2 * np.sum(y * t) + 1) / (np.sum(y) + np.sum(t) + 1)),
    ),
    Case(lambda: nn.FocalLoss(), normal(3), bits(3), naive=mean_of(focal)),
    Case(lambda: nn.CategoricalCrossEntropyLoss(), uniform(4), softmax(4), naive=categorical),
    Case(
        lambda: nn.CategoricalCrossEntropyLoss(),
        softmax(2, 4),
        labels(4, 2),
        naive=lambda y, t: categorical(y, np.eye(4)[t]),
    ),
    Case(
        lambda: nn.CategoricalCrossEntropyLoss(label_smoothing=0.2),
        uniform(4),
        labels(4),
        naive=lambda y, t: categorical(y, 0.8 * np.eye(4)[t] + 0.05),
    ),
    Case(
        lambda: nn.CategoricalHingeLoss(),
        normal(4),
        lambda rng: np.eye(4)[rng.integers(0, 4, BATCH)],
        naive=mean_of(lambda y, t: max(0, 1 + max(y * (1 - t)) - y[t == 1][0])),
    ),
    Case(
        lambda: nn.ClassSimplexLoss(4),
        normal(4),
        labels(4),
        naive=mean_of(lambda y, t: np.mean((y - simplex_corner(t, 4)) ** 2)),
    ),
    Case(lambda: nn.DotProductLoss(), normal(3), normal(3), naive=mean_of(lambda y, t: np.dot(y, t))),
    Case(lambda: nn.PGLoss(), softmax(3), normal(3), naive=mean_of(lambda y, t: -np.dot(np.log(y), t))),
    Case(lambda: nn.L1Cost(), normal(3, 2), nothing, naive=mean_of(lambda y, t: np.abs(y).sum())),
    Case(
        lambda: nn.SmoothL1WithWeightsLoss(sigma=2.0),
        normal(4),
        both(normal(4), uniform(4), uniform(4)),
        naive=mean_of(smooth_l1_weighted),
    ),
    *(
        Case(
            lambda n=n: nn.SoftmaxWithLoss(ignore_label=1, normalization=n),
            normal(3, 4),
            labels(3, 4),
            naive=caffe(n),
        )
        for n in ("valid", "full", "batch_size", "none")
    ),
    Case(
        lambda: nn.EuclideanLoss(),
        normal(3, 2),
        normal(3, 2),
        naive=mean_of(lambda y, t: np.sum((y - t) ** 2) / 2),
    ),
    Case(
        lambda: nn.SigmoidCrossEntropyLoss(),
        normal(3),
        uniform(3),
        torch=lambda y, t: F.binary_cross_entropy_with_logits(y, t, reduction="sum") / BATCH,
    ),
    *(
        Case(lambda n=n: nn.InfogainLoss(GAIN, 1, n), normal(3, 4), labels(3, 4), naive=infogain(n))
        for n in ("valid", "full", "batch_size", "none")
    ),
    Case(
        lambda: nn.MultinomialLogisticLoss(),
        softmax(4, 2, axis=1),
        labels(4, 2),
        naive=mean_of(lambda y, t: -sum(np.log(y[t[i], i]) for i in range(2))),
    ),
    *(
        Case(lambda s=s: nn.ContrastiveLoss(4.0, s), both(normal(4), normal(4)), bits(), naive=contrastive(4.0, s))
        for s in (False, True)
    ),
    *(
        Case(
            lambda p=p: nn.HingeLoss(p),
            normal(4),
            labels(4),
            naive=mean_of(lambda y, t, p=p: sum(max(0, 1 - (1 if c == t else -1) * y[c]) ** p for c in range(4))),
        )
        for p in (1, 2)
    ),
    Case(lambda: nn.CTCLoss(), log_softmax(7, 5), lambda rng: ALIGNED, torch=ctc),
    Case(
        lambda: nn.MultiLoss([nn.MSELoss(), nn.L1Loss()], [0.3, 2.0]),
        normal(3),
        normal(3),
        torch=lambda y, t: 0.3 * F.mse_loss(y, t) + 2 * F.l1_loss(y, t),
    ),
    Case(
        lambda: nn.ParallelLoss([nn.MSELoss(), nn.CrossEntropyLoss(weight=W3), nn.L1Loss("sum")], [0.5, 2.0, 0.1]),
        both(normal(2, 3), normal(3), normal(2)),
        both(normal(2, 3), labels(3), normal(2)),
        torch=lambda a, b, c, t: (
            0.5 * F.mse_loss(a, t[0])
            + 2 * F.cross_entropy(b, t[1], b.new_tensor(W3))
            + 0.1 * F.l1_loss(c, t[2], reduction="sum")
        ),
    ),
    Case(
        lambda: nn.TimeDistributedLoss(nn.CrossEntropyLoss(weight=W3)),
        normal(4, 3),
        labels(3, 4),
        torch=lambda y, t: F.cross_entropy(y.reshape(-1, 3), t.reshape(-1), y.new_tensor(W3)),
    ),
    Case(
        lambda: nn.TimeDistributedLoss(nn.MSELoss(), size_average=False),
        normal(4, 3),
        normal(4, 3),
        torch=lambda y, t: sum(F.mse_loss(y[:, i], t[:, i]) for i in range(4)),
    ),
    Case(lambda: nn.TimeDistributedMaskLoss(nn.MSELoss()), normal(3, 2), padded, naive=masked),
    Case(
        lambda: nn.TimeDistributedMaskLoss(nn.CrossEntropyLoss(), padding_value=-1),
        normal(4, 3),
        labels(3, 4, ignore=-1),
        torch=lambda y, t: F.cross_entropy(y.transpose(1, 2), t, ignore_index=-1),
    ),
    Case(
        lambda: nn.TransformerLoss(nn.MSELoss(), nn.MulConstant(3.0), nn.Flatten()),
        normal(4),
        normal(2, 2),
        torch=lambda y, t: F.mse_loss(3 * y, t.reshape(BATCH, 4)),
    ),
]
