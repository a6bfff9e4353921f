"""The callbacks of one ``fit``, and how they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sparkdl.errors import UnsupportedError
from sparkdl.keras.callbacks import Callback
from sparkdl.optim.ledger import COUNTS

UNTOLD = ("epoch", "iteration", "samples", "seconds", *COUNTS)  # of a line of the Trainer's history: no figures


class Listeners:
    """Tells ``callbacks`` of epochs ``first`` up to ``epochs``; `on_epoch` is what the Trainer calls."""

    def __init__(
        self, callbacks: Sequence[Callback], model: Any, first: int, epochs: int, params: Mapping[str, Any]
    ) -> None:
        self.callbacks, self.model, self.first, self.epochs = callbacks, model, first, epochs
        self.distributed = params["distributed"]
        for each in callbacks:
            each.set_model(model)
            each.set_params(params)

    def begin(self) -> None:
        self._tell("on_train_begin")
        self._tell("on_epoch_begin", self.first)

    def end(self) -> None:
        self._tell("on_train_end")

    def on_epoch(self, progress: Any, line: Mapping[str, Any]) -> None:
        """Takes an epoch's line of the Trainer's history."""
        epoch = self.first + int(line["epoch"]) - 1
        self._tell("on_epoch_end", epoch, {name: value for name, value in line.items() if name not in UNTOLD})
        if self.model.stop_training and self.distributed:
            raise UnsupportedError(
                "stop_training cannot reach the executors; end training by keras.EarlyStopping, or by a trigger."
            )
        if epoch + 1 < self.epochs and not self.model.stop_training:
            self._tell("on_epoch_begin", epoch + 1)

    def _tell(self, what: str, *args: Any) -> None:
        for each in self.callbacks:
            getattr(each, what)(*args)


def checked(callbacks: Any) -> list[Callback]:
    """The callbacks as a list, each of a kind that can be told what it wants to know."""
    each = list(callbacks) if isinstance(callbacks, Sequence) else [callbacks]
    for callback in each:
        if not isinstance(callback, Callback):
            raise TypeError(f"fit: callbacks are keras.Callback objects, got {callback!r}.")
        for name in dir(callback):
            if name.startswith(("on_batch", "on_train_batch", "on_test", "on_predict")):
                raise UnsupportedError(f"fit: {type(callback).__name__} defines {name}; callbacks hear of epochs only.")
    return each
