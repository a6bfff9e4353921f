"""Callbacks that decide how training goes on: triggers and schedules of the Trainer under Keras's names.

They are pure functions of the history, evaluated where training runs, so they work on executors as they do here, and
no one waits for the driver.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import replace

from sparkdl.keras.callback import Callback, Logs, direction
from sparkdl.optim.checks import one_of, whole
from sparkdl.optim.history import figures
from sparkdl.optim.progress import Progress
from sparkdl.optim.schedules.base import Schedule
from sparkdl.optim.schedules.plateau import ReduceLROnPlateau as Plateau
from sparkdl.optim.triggers import Trigger, early_stopping


class EarlyStopping(Callback):
    """Ends training once ``monitor`` has not become better by more than ``min_delta`` for ``patience`` epochs.

    ``mode`` is "min", "max" or "auto" (by the figure's name). ``baseline``: an epoch counts as better only if it is
    better than this too. ``start_from_epoch``: so many epochs do not count. With ``restore_best_weights`` the model
    ends with the weights of the best epoch. ``verbose`` prints a line when training was ended.
    """

    waits = False

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        self.monitor, self.min_delta, self.patience, self.mode = monitor, min_delta, patience, mode
        self.verbose, self.baseline, self.start_from_epoch = verbose, baseline, start_from_epoch
        self.restore_best_weights = restore_best_weights
        one_of(self, ("auto", "min", "max"), mode=mode)
        whole(self, 0, patience=patience, start_from_epoch=start_from_epoch)
        self._last = -1

    def trigger(self, first: int = 0) -> Trigger:
        """The Trainer's trigger; ``first`` is the number of its first epoch."""
        mode = direction(self.monitor, self.mode)
        return Patience(
            self.monitor, self.patience, abs(self.min_delta), mode, self.restore_best_weights, self.baseline,
            max(self.start_from_epoch - first, 0),
        )  # fmt: skip

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._last = epoch

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.verbose and self._last + 1 < self.params["epochs"]:
            print(f"Epoch {self._last + 1}: early stopping")


class Patience(early_stopping):
    """Keras's rule: its counter starts again at a figure that beats the best and the baseline, and not before ``skip``
    epochs; 0 and 1 epochs of patience are the same.
    """

    def __init__(
        self,
        monitor: str,
        patience: int,
        min_delta: float = 0.0,
        mode: str = "min",
        restore_best: bool = False,
        baseline: float | None = None,
        skip: int = 0,
    ) -> None:
        super().__init__(monitor, max(patience, 1), min_delta, mode, restore_best)
        self.baseline, self.skip = baseline, skip

    def __call__(self, progress: Progress) -> bool:
        return self._run(progress)[1]

    def best(self, progress: Progress) -> int | None:
        return self._run(progress)[0]

    def _run(self, progress: Progress) -> tuple[int | None, bool]:
        """The best epoch's row, and whether patience has ended; it never does at a better figure than all before."""
        row, best, waited, better = None, None, 0, True
        for i, value in figures(progress.history, self.monitor):
            if i < self.skip:
                continue
            waited += 1
            better = row is None or (not math.isnan(value) and (best is None or self._better(value, best)))
            if better:
                best, row = None if math.isnan(value) else value, i
                if self.baseline is None or self._better(value, self.baseline):
                    waited = 0
        return row, waited >= self.patience and not better

    def _better(self, value: float, than: float) -> bool:
        return value + self.min_delta < than if self.mode == "min" else value - self.min_delta > than


class _Rate(Callback):
    """What callbacks that change the learning rate share: ``verbose`` prints the changes."""

    waits = False
    verbose = 0
    _lr: float | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        lr = (logs or {}).get("lr")
        if self.verbose and self._lr is not None and lr != self._lr:
            print(f"Epoch {epoch + 1}: {type(self).__name__} set the learning rate to {lr}.")
        self._lr = lr


class ReduceLROnPlateau(_Rate):
    """Learning rate times ``factor`` once ``monitor`` has not become better by more than ``min_delta`` for ``patience``
    epochs; after that ``cooldown`` epochs do not count, and it never falls below ``min_lr``.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        self.monitor, self.factor, self.patience, self.mode = monitor, factor, patience, mode
        self.min_delta, self.cooldown, self.min_lr, self.verbose = min_delta, cooldown, min_lr, verbose
        one_of(self, ("auto", "min", "max"), mode=mode)
        whole(self, 0, patience=patience, cooldown=cooldown)

    def schedule(self, first: int, shift: int = 0) -> Schedule:
        """The Trainer's schedule, which counts patience and cooldown from 0."""
        return Plateau(
            direction(self.monitor, self.mode), self.factor, max(self.patience, 1) - 1, self.min_delta, "abs",
            max(self.cooldown, 1) - 1, self.min_lr, 0.0, self.monitor,
        )  # fmt: skip


class LearningRateScheduler(_Rate):
    """The rate of each epoch is ``schedule(epoch, lr)``, or ``schedule(epoch)``; ``lr`` is that of the epoch before."""

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise TypeError(f"LearningRateScheduler: schedule must be a function, got {schedule!r}.")
        self.function, self.verbose = schedule, verbose

    def schedule(self, first: int, shift: int = 0) -> Schedule:
        """The Trainer's schedule; ``first`` is the number of its first epoch, ``shift`` what that is more than the
        Trainer's own count.
        """
        return ByEpoch(self.function, first, shift)


class ByEpoch(Schedule):
    """``lr`` after ``function`` was applied for the epochs ``first``, ``first + 1``, ... up to the present one."""

    def __init__(self, function: Callable[..., float], first: int = 0, shift: int = 0) -> None:
        self.function, self.first, self.shift = function, first, shift

    def __call__(self, lr: float, progress: Progress) -> float:
        both = len(inspect.signature(self.function).parameters) > 1
        for epoch in range(self.first, progress.epoch + self.shift + 1):
            lr = float(self.function(epoch, lr) if both else self.function(epoch))
        return lr


def rate_after(made: list[Schedule], lr: float, progress: Progress) -> float:
    """The learning rate that a run leaves to the next one: `ByEpoch` as in its last epoch, a plateau as after it."""
    for schedule in made:
        last = isinstance(schedule, ByEpoch) and progress.epoch_ended
        lr = schedule(lr, replace(progress, epoch=progress.epoch - 1) if last else progress)
    return lr


class validate_at(Trigger):
    """At the end of epochs whose number, from 1 and ``shift`` more than the Trainer's, is a multiple of ``freq``, or is
    in the list ``freq``.
    """

    def __init__(self, freq: int | list[int], shift: int = 0) -> None:
        self.freq, self.shift = freq, shift
        for each in freq if isinstance(freq, list | tuple | set) else [freq]:
            whole(self, freq=each)

    def __call__(self, progress: Progress) -> bool:
        epoch = progress.epoch + self.shift
        return progress.epoch_ended and (epoch % self.freq == 0 if isinstance(self.freq, int) else epoch in self.freq)
