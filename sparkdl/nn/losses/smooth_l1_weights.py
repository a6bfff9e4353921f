"""Smooth L1 with weights inside and outside."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.losses.loss import Loss, flat


class SmoothL1WithWeightsLoss(Loss):
    """``outside * smooth(inside * (y - t))``, summed per sample, averaged over the samples.

    ``smooth(d) = (sigma * d)**2 / 2`` where ``|d| < 1 / sigma**2``, else ``|d| - 1 / (2 * sigma**2)``.

    Shapes
    ------
    y       (batch, *)
    target  (t, inside, outside), each (batch, *); or t alone

    Source: Girshick's SmoothL1Loss layer for Caffe (Faster R-CNN).
    """

    def __init__(self, sigma: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        if not sigma > 0:
            raise ValueError(f"SmoothL1WithWeightsLoss: sigma must be > 0, got {sigma!r}.")
        self.sigma = sigma

    def check(self, y, target):
        parts = target if isinstance(target, tuple) else (target,)
        if len(parts) not in (1, 3) or any(part is None or part.shape != y.shape for part in parts):
            got = [getattr(part, "shape", None) for part in parts]
            raise ShapeError(f"{self!r} takes targets (t, inside, outside) of shape {y.shape}, got {got}.")

    def fit(self, y, target):
        parts = target if isinstance(target, tuple) else (target, np.ones_like(y), np.ones_like(y))
        return tuple(part.astype(y.dtype, copy=False) for part in parts)

    def terms(self, y, target):
        t, inside, outside = target
        s, size = y.dtype.type(self.sigma**2), np.abs(inside * (y - t))
        return flat(outside * np.where(size < 1 / s, s * size * size / 2, size - 1 / (2 * s))).sum(1), None

    def slope(self, y, target):
        t, inside, outside = target
        return outside * inside * np.clip(y.dtype.type(self.sigma**2) * inside * (y - t), -1, 1)
