"""Callbacks: what is told of each epoch, on the driver."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping
from typing import Any

from sparkdl.errors import UnsupportedError
from sparkdl.optim.checks import one_of

Logs = dict[str, Any]


class Callback:
    """Base of all callbacks; ``self.model`` is the model, ``self.params`` says ``epochs``, ``batch_size``, ``metrics``.

    ``logs`` holds the epoch's figures: ``loss``, ``lr``, and ``val_loss`` and the like where there is validation data.
    For arrays ``self.model`` holds the epoch's weights, and setting ``self.model.stop_training`` ends training. On a
    DataFrame the driver hears of an epoch while the executors go on: what steers training must be known to them
    (``EarlyStopping``, ``ReduceLROnPlateau``, ``LearningRateScheduler``). There are no calls for single steps.
    """

    model: Any = None
    params: Mapping[str, Any] = {}

    def set_model(self, model: Any) -> None:
        self.model = model

    def set_params(self, params: Mapping[str, Any]) -> None:
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch; the model holds the weights that ``fit`` leaves."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before epoch ``epoch``, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After epoch ``epoch``, counted from 0."""


class History(Callback):
    """What ``fit`` returns: ``history`` is ``{name: one figure per epoch}``, ``epoch`` the epochs' numbers from 0.

    ``trainer`` is the ``optim.History`` of the same run: also samples, seconds, and what communication cost.
    """

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = {}
        self.trainer: Any = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class LambdaCallback(Callback):
    """A callback out of functions, with the arguments of the methods of the same names."""

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
    ) -> None:
        given = {
            "on_epoch_begin": on_epoch_begin, "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin, "on_train_end": on_train_end,
        }  # fmt: skip
        for name, function in given.items():
            if function is not None:
                setattr(self, name, function)


class CSVLogger(Callback):
    """Writes a line per epoch into ``filename``; ``append`` goes on with a file that is there."""

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        self.filename, self.separator, self.append = filename, separator, append
        self._names: list[str] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._names = []
        if self.append and os.path.exists(self.filename):
            with open(self.filename, newline="") as file:
                self._names = next(csv.reader(file, delimiter=self.separator), [])
        else:
            open(self.filename, "w").close()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        line = {"epoch": epoch, **(logs or {})}
        with open(self.filename, "a", newline="") as file:
            writer = csv.DictWriter(file, self._names or line, delimiter=self.separator, extrasaction="ignore")
            if not self._names:
                self._names = list(line)
                writer.writeheader()
            writer.writerow(line)


class ModelCheckpoint(Callback):
    """Saves the model after each epoch into folder ``filepath``, in which ``{epoch:02d}`` (from 1), ``{val_loss:.2f}``
    and the like are filled in; ``save_best_only``: only when ``monitor`` is better than ever.

    For arrays. On a DataFrame the weights are with the executors until the end; there give
    ``compile(..., checkpoint=folder)``, a folder that executors and driver share.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        save_best_only: bool = False,
        mode: str = "auto",
    ) -> None:
        self.filepath, self.monitor, self.save_best_only, self.mode = os.fspath(filepath), monitor, save_best_only, mode
        one_of(self, ("auto", "min", "max"), mode=mode)
        self.best: float | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if self.params.get("distributed"):
            raise UnsupportedError(
                "ModelCheckpoint: on a DataFrame the weights are with the executors until training ends; "
                "give compile(..., checkpoint=folder), a folder that they share with the driver."
            )

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        if self.save_best_only and not self._improved(logs):
            return
        self.model.save(self.filepath.format(epoch=epoch + 1, **logs))

    def _improved(self, logs: Logs) -> bool:
        if self.monitor not in logs:
            raise ValueError(f"ModelCheckpoint: {self.monitor!r} is not measured; measured are {', '.join(logs)}.")
        value, rising = logs[self.monitor], direction(self.monitor, self.mode) == "max"
        if not (self.best is None or (value > self.best if rising else value < self.best)):
            return False
        self.best = value
        return True


def direction(monitor: str, mode: str) -> str:
    """``mode``, or for "auto" whether the figure of this name should rise or fall."""
    if mode != "auto":
        return mode
    rising = ("acc", "auc", "precision", "recall", "f1", "r2", "top", "ndcg", "hit")
    return "max" if any(part in monitor.lower() for part in rising) else "min"
