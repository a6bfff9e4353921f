"""A callback that saves the model while it is trained."""

from __future__ import annotations

import os
from typing import Any

from sparkdl.keras.callback import Callback, Logs, direction
from sparkdl.optim.checks import one_of, whole


class ModelCheckpoint(Callback):
    """Saves the model after each epoch into folder ``filepath``, in which ``{epoch:02d}`` (from 1), ``{val_loss:.2f}``
    and the like are filled in.

    ``save_best_only``: only when ``monitor`` is better than ever, and than ``initial_value_threshold``.
    ``save_weights_only``: a file for ``load_weights``. ``save_freq``: after so many steps in place of epochs (arrays).
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: int | str = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        self.filepath, self.monitor, self.verbose, self.mode = os.fspath(filepath), monitor, verbose, mode
        self.save_best_only, self.save_weights_only, self.save_freq = save_best_only, save_weights_only, save_freq
        one_of(self, ("auto", "min", "max"), mode=mode)
        if save_freq != "epoch":
            whole(self, save_freq=save_freq)
        self.best = initial_value_threshold
        self._epoch = self._steps = 0

    def hears_batches(self) -> bool:
        return self.save_freq != "epoch"

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._steps += 1
        if self._steps % int(self.save_freq) == 0:
            self._save(logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch
        if self.save_freq == "epoch":
            self._save(logs or {})

    def _save(self, logs: Logs) -> None:
        if self.save_best_only and not self._improved(logs):
            return
        path = self.filepath.format(epoch=self._epoch + 1, **logs)
        if self.verbose:
            print(f"Epoch {self._epoch + 1}: saving model to {path}")
        (self.model.save_weights if self.save_weights_only else self.model.save)(path)

    def _improved(self, logs: Logs) -> bool:
        if self.monitor not in logs:
            raise ValueError(f"ModelCheckpoint: {self.monitor!r} is not measured; measured are {', '.join(logs)}.")
        value, rising = logs[self.monitor], direction(self.monitor, self.mode) == "max"
        better: Any = self.best is None or (value > self.best if rising else value < self.best)
        if better:
            self.best = value
        return bool(better)
