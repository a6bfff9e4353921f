"""Targets that leave something to the other classes."""

import numpy as np


def checked_smoothing(loss: object, label_smoothing: float) -> float:
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{type(loss).__name__}: label_smoothing lies in 0 .. 1, got {label_smoothing!r}.")
    return label_smoothing


def smoothed(target: np.ndarray, label_smoothing: float, classes: int) -> np.ndarray:
    """``(1 - e) target + e / classes``."""
    kind = target.dtype.type
    return target if not label_smoothing else target * kind(1 - label_smoothing) + kind(label_smoothing / classes)
