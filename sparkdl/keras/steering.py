"""Callbacks that decide how training goes on: triggers and schedules of the Trainer under Keras's names.

They are pure functions of the history, evaluated where training runs, so they work on executors as they do here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from sparkdl.keras.callbacks import Callback, direction
from sparkdl.optim.checks import one_of, whole
from sparkdl.optim.progress import Progress
from sparkdl.optim.schedules.base import Schedule
from sparkdl.optim.schedules.plateau import ReduceLROnPlateau as Plateau
from sparkdl.optim.triggers import Trigger, early_stopping


class EarlyStopping(Callback):
    """Ends training once ``monitor`` has not become better by more than ``min_delta`` for ``patience`` epochs.

    With ``restore_best_weights`` the model ends with the weights of the best epoch. ``mode`` is "min", "max" or
    "auto" (by the figure's name).
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        mode: str = "auto",
        restore_best_weights: bool = False,
    ) -> None:
        self.monitor, self.min_delta, self.patience, self.mode = monitor, min_delta, patience, mode
        self.restore_best_weights = restore_best_weights
        one_of(self, ("auto", "min", "max"), mode=mode)
        whole(self, 0, patience=patience)

    def trigger(self) -> Trigger:
        """The Trainer's trigger; 0 and 1 epochs of patience are the same."""
        mode = direction(self.monitor, self.mode)
        return early_stopping(self.monitor, max(self.patience, 1), abs(self.min_delta), mode, self.restore_best_weights)


class ReduceLROnPlateau(Callback):
    """Learning rate times ``factor`` once ``monitor`` has not become better by more than ``min_delta`` for ``patience``
    epochs; after that ``cooldown`` epochs do not count, and it never falls below ``min_lr``.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        self.monitor, self.factor, self.patience, self.mode = monitor, factor, patience, mode
        self.min_delta, self.cooldown, self.min_lr = min_delta, cooldown, min_lr
        one_of(self, ("auto", "min", "max"), mode=mode)
        whole(self, 0, patience=patience, cooldown=cooldown)

    def schedule(self, first: int) -> Schedule:
        """The Trainer's schedule, which counts patience and cooldown from 0."""
        return Plateau(
            direction(self.monitor, self.mode), self.factor, max(self.patience, 1) - 1, self.min_delta, "abs",
            max(self.cooldown, 1) - 1, self.min_lr, 0.0, self.monitor,
        )  # fmt: skip


class LearningRateScheduler(Callback):
    """The rate of each epoch is ``schedule(epoch, lr)``, or ``schedule(epoch)``; ``lr`` is that of the epoch before."""

    def __init__(self, schedule: Callable[..., float]) -> None:
        if not callable(schedule):
            raise TypeError(f"LearningRateScheduler: schedule must be a function, got {schedule!r}.")
        self.function = schedule

    def schedule(self, first: int) -> Schedule:
        """The Trainer's schedule; ``first`` is the number of its first epoch."""
        return ByEpoch(self.function, first)


class ByEpoch(Schedule):
    """``lr`` after ``function`` was applied for the epochs ``first``, ``first + 1``, ... up to the present one."""

    def __init__(self, function: Callable[..., float], first: int = 0) -> None:
        self.function, self.first = function, first

    def __call__(self, lr: float, progress: Progress) -> float:
        both = len(inspect.signature(self.function).parameters) > 1
        for epoch in range(self.first, self.first + progress.epoch + 1):
            lr = float(self.function(epoch, lr) if both else self.function(epoch))
        return lr
