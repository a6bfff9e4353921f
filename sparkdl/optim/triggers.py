"""When something happens: small pure functions of `Progress` that combine with ``&`` and ``|``.

They keep no state, so one object may serve several purposes, and a resumed run decides as the uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sparkdl.optim import checks
from sparkdl.optim.config import Configured
from sparkdl.optim.history import best_row, figures
from sparkdl.optim.progress import Progress


class Trigger(Configured):
    """``trigger(progress)`` is true when it fires; ``a & b`` and ``a | b`` combine two."""

    def __call__(self, progress: Progress) -> bool:
        raise NotImplementedError(f"{type(self).__name__} defines no __call__(progress).")

    def __and__(self, other: Trigger) -> Trigger:
        return and_(self, other)

    def __or__(self, other: Trigger) -> Trigger:
        return or_(self, other)

    def leaves(self) -> Iterator[Trigger]:
        """The triggers that this one is combined from; itself where it is simple."""
        yield self

    def monitors(self) -> frozenset[str]:
        """Names of the figures of ``progress.history`` that it looks at."""
        return frozenset(name for leaf in self.leaves() if (name := getattr(leaf, "monitor", None)))


class _Combined(Trigger):
    def __init__(self, *triggers: Trigger) -> None:
        if not triggers or not all(callable(t) for t in triggers):
            raise ValueError(f"{type(self).__name__} combines triggers, got {triggers!r}.")
        self.triggers = triggers

    def leaves(self) -> Iterator[Trigger]:
        for t in self.triggers:
            yield from t.leaves() if isinstance(t, Trigger) else ()


class and_(_Combined):
    """When all of them fire."""

    def __call__(self, progress: Progress) -> bool:
        return all(t(progress) for t in self.triggers)


class or_(_Combined):
    """When one of them fires."""

    def __call__(self, progress: Progress) -> bool:
        return any(t(progress) for t in self.triggers)


class max_epoch(Trigger):
    """Once ``n`` epochs are finished."""

    def __init__(self, n: int) -> None:
        self.n = n
        checks.whole(self, 0, n=n)

    def __call__(self, progress: Progress) -> bool:
        return progress.epoch >= self.n


class max_iteration(Trigger):
    """Once ``n`` steps are finished."""

    def __init__(self, n: int) -> None:
        self.n = n
        checks.whole(self, 0, n=n)

    def __call__(self, progress: Progress) -> bool:
        return progress.iteration >= self.n


class every_epoch(Trigger):
    """At the end of every ``n``-th epoch."""

    def __init__(self, n: int = 1) -> None:
        self.n = n
        checks.whole(self, n=n)

    def __call__(self, progress: Progress) -> bool:
        return progress.epoch_ended and progress.epoch % self.n == 0


class several_iteration(Trigger):
    """After every ``n``-th step."""

    def __init__(self, n: int) -> None:
        self.n = n
        checks.whole(self, n=n)

    def __call__(self, progress: Progress) -> bool:
        return progress.iteration > 0 and progress.iteration % self.n == 0


class wall_clock(Trigger):
    """Once training has taken ``seconds`` (runs before a resume included)."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        checks.positive(self, seconds=seconds)

    def __call__(self, progress: Progress) -> bool:
        return progress.seconds >= self.seconds


class min_loss(Trigger):
    """Once the last batch's loss, or the newest figure of ``monitor``, is below ``loss``."""

    def __init__(self, loss: float, monitor: str | None = None) -> None:
        self.loss, self.monitor = loss, monitor

    def __call__(self, progress: Progress) -> bool:
        if self.monitor is None:
            return progress.loss < self.loss
        seen = figures(progress.history, self.monitor)
        return bool(seen) and seen[-1][1] < self.loss


class max_score(Trigger):
    """Once the newest figure of ``monitor``, a validation metric's name, is above ``score``."""

    def __init__(self, score: float, monitor: str = "Top1Accuracy") -> None:
        self.score, self.monitor = score, monitor

    def __call__(self, progress: Progress) -> bool:
        seen = figures(progress.history, self.monitor)
        return bool(seen) and seen[-1][1] > self.score


class early_stopping(Trigger):
    """Once ``monitor`` has not become better by more than ``min_delta`` in ``patience`` epochs that measured it.

    With ``restore_best`` the trainer keeps the weights of the best epoch (`best`) and ends with them.
    """

    def __init__(
        self,
        monitor: str = "Loss",
        patience: int = 1,
        min_delta: float = 0.0,
        mode: str = "min",
        restore_best: bool = True,
    ) -> None:
        self.monitor, self.patience, self.min_delta, self.mode = monitor, patience, min_delta, mode
        self.restore_best = restore_best
        checks.whole(self, patience=patience)
        checks.not_negative(self, min_delta=min_delta)
        checks.one_of(self, ("min", "max"), mode=mode)

    def __call__(self, progress: Progress) -> bool:
        seen = figures(progress.history, self.monitor)
        best = self.best(progress)
        if best is None:  # nothing but NaN so far
            return len(seen) >= self.patience
        return sum(row > best for row, _ in seen) >= self.patience

    def best(self, progress: Progress) -> int | None:
        """Index into ``progress.history`` of the epoch to keep; None before the first finite figure."""
        return best_row(figures(progress.history, self.monitor), self.mode, self.min_delta)


def as_trigger(value: Any) -> Trigger:
    """A trigger as it is; a whole number n as ``max_epoch(n)``."""
    return value if callable(value) else max_epoch(value)
