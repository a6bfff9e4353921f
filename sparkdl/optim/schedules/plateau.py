from __future__ import annotations

import math

from sparkdl.optim import checks
from sparkdl.optim.history import figures
from sparkdl.optim.progress import Progress
from sparkdl.optim.schedules.base import Schedule


class ReduceLROnPlateau(Schedule):
    """``lr`` times ``factor`` whenever ``monitor`` has not become better for more than ``patience`` epochs.

    Better is below (``mode="min"``) or above ("max") the best so far by more than ``threshold |best|``
    (``threshold_mode="rel"``) or ``threshold`` ("abs"). After a reduction ``cooldown`` epochs do not count.
    The rate never falls below ``min_lr``, nor by steps under ``eps``. The history is replayed on each
    call, so nothing is kept.
    """

    def __init__(
        self,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
        monitor: str = "loss",
    ) -> None:
        self.mode, self.factor, self.patience, self.threshold = mode, factor, patience, threshold
        self.threshold_mode, self.cooldown, self.min_lr, self.eps = threshold_mode, cooldown, min_lr, eps
        self.monitor = monitor
        checks.one_of(self, ("min", "max"), mode=mode)
        checks.one_of(self, ("rel", "abs"), threshold_mode=threshold_mode)
        checks.whole(self, 0, patience=patience, cooldown=cooldown)
        checks.not_negative(self, threshold=threshold, min_lr=min_lr, eps=eps)
        if not 0 < factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be in (0, 1), got {factor!r}.")

    def __call__(self, lr: float, progress: Progress) -> float:
        best = math.inf if self.mode == "min" else -math.inf
        bad = cooling = 0
        for _, value in figures(progress.history, self.monitor):
            if self._better(value, best):
                best, bad = value, 0
            else:
                bad += 1
            if cooling:
                cooling, bad = cooling - 1, 0
            if bad > self.patience:
                lower = max(lr * self.factor, self.min_lr)
                lr = lower if lr - lower > self.eps else lr
                cooling, bad = self.cooldown, 0
        return lr

    def _better(self, value: float, best: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        if math.isinf(best):
            return value == value  # anything but NaN
        margin = abs(best) * self.threshold if self.threshold_mode == "rel" else self.threshold
        return sign * (value - best) > margin

    def monitors(self) -> frozenset[str]:
        return frozenset((self.monitor,))
