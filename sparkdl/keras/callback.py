"""Callback, what is told, on the driver, of how training goes, and the simple ones."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping
from typing import Any

Logs = dict[str, Any]


class Callback:
    """Base of all callbacks; ``self.model`` is the model, ``self.params`` says ``epochs``, ``batch_size``, ``metrics``.

    ``logs`` holds the epoch's figures: ``loss``, ``lr``, the metrics, and the same with ``val_`` in front where there
    is validation data. ``self.model`` holds the epoch's weights, and setting ``self.model.stop_training``
    ends training.

    On a DataFrame the executors train. Where ``waits`` is true they stop after each epoch until the driver has told its
    callbacks, and go on from there, with the same numbers: another stage, which reads its rows again. A callback that
    only listens may set ``waits = False``: it hears of an epoch while the executors go on, and its model's weights are
    those from before. Single steps (``on_train_batch_begin``, ``on_train_batch_end``) are told of for arrays only, with
    the epoch's mean loss so far.
    """

    model: Any = None
    params: Mapping[str, Any] = {}
    waits = True

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

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before step ``batch`` of an epoch, counted from 0."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After step ``batch`` of an epoch, counted from 0."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Another name of ``on_train_batch_begin``."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Another name of ``on_train_batch_end``."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before ``evaluate``."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After ``evaluate``."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before ``predict``."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After ``predict``."""

    def hears_batches(self) -> bool:
        """Whether it defines what is called at every step."""
        names = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
        return any(getattr(getattr(self, name), "__func__", None) is not getattr(Callback, name) for name in names)


class History(Callback):
    """What ``fit`` returns: ``history`` is ``{name: one figure per epoch}``, ``epoch`` the epochs' numbers from 0.

    ``trainer`` is the ``optim.History`` of the same run: also samples, seconds, and what communication cost.
    """

    waits = False

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = {}
        self.trainer: Any = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class LambdaCallback(Callback):
    """A callback out of functions, with the arguments of the methods of the same names; ``waits`` as for `Callback`."""

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        waits: bool = True,
    ) -> None:
        self.waits = waits
        given = {
            "on_epoch_begin": on_epoch_begin, "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin, "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin, "on_train_batch_end": on_train_batch_end,
        }  # fmt: skip
        for name, function in given.items():
            if function is not None:
                setattr(self, name, function)


class CSVLogger(Callback):
    """Writes a line per epoch into ``filename``; ``append`` goes on with a file that is there."""

    waits = False

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


class TerminateOnNaN(Callback):
    """Ends training where the loss is not finite, in place of the error that names layer and step."""

    waits = False


def direction(monitor: str, mode: str) -> str:
    """``mode``, or for "auto" whether the figure of this name should rise or fall."""
    if mode != "auto":
        return mode
    if monitor.endswith("loss"):  # also of an output that is called "topic"
        return "min"
    rising = "acc auc precision recall f1 fbeta r2 top ndcg hit similarity correlation true_".split()
    return "max" if any(part in monitor.lower() for part in rising) else "min"
