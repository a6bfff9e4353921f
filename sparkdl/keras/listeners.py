"""The callbacks of one ``fit``, and how they are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sparkdl.errors import UnsupportedError
from sparkdl.keras.callback import Callback
from sparkdl.optim.ledger import COUNTS

UNTOLD = ("epoch", "iteration", "samples", "seconds", *COUNTS)  # of a line of the Trainer's history: no figures


class Listeners:
    """Tells ``callbacks`` of epochs ``first``, ``first + 1``, ...; `on_epoch` and `on_step` are what the Trainer calls.

    ``over(progress)`` says whether an epoch was the last one.
    """

    def __init__(
        self,
        callbacks: Sequence[Callback],
        model: Any,
        first: int,
        params: Mapping[str, Any],
        over: Callable[[Any], bool],
    ) -> None:
        self.callbacks, self.epoch, self.over = callbacks, first, over
        self.logs: dict[str, Any] = {}
        self.batches = any(each.hears_batches() for each in callbacks)
        for each in callbacks:
            each.set_model(model)
            each.set_params(params)

    def begin(self) -> None:
        self._tell("on_train_begin", {})
        self._begin_epoch()

    def end(self) -> None:
        self._tell("on_train_end", self.logs)

    def on_step(self, progress: Any, figures: Mapping[str, Any]) -> None:
        """Takes what the Trainer says of a step."""
        self._tell_batch("on_train_batch_end", figures["step"] - 1, {"loss": figures["loss"]})
        if figures["step"] < figures["steps"] and not self.over(progress):
            self._tell_batch("on_train_batch_begin", figures["step"], {})

    def on_epoch(self, progress: Any, line: Mapping[str, Any]) -> None:
        """Takes an epoch's line of the Trainer's history."""
        self.logs = {name: value for name, value in line.items() if name not in UNTOLD}
        self._tell("on_epoch_end", self.epoch, self.logs)
        self.epoch += 1
        if not self.over(progress):
            self._begin_epoch()

    def _begin_epoch(self) -> None:
        self._tell("on_epoch_begin", self.epoch, {})
        if self.batches:
            self._tell_batch("on_train_batch_begin", 0, {})

    def _tell(self, what: str, *args: Any) -> None:
        for each in self.callbacks:
            getattr(each, what)(*args)

    def _tell_batch(self, what: str, *args: Any) -> None:
        for each in self.callbacks:
            if each.hears_batches():
                getattr(each, what)(*args)


def checked(callbacks: Any, distributed: bool = False) -> list[Callback]:
    """The callbacks as a list, each of a kind that can be told what it wants to know."""
    each = [] if callbacks is None else list(callbacks) if isinstance(callbacks, Sequence) else [callbacks]
    for callback in each:
        if not isinstance(callback, Callback):
            raise TypeError(f"callbacks are keras.Callback objects, got {callback!r}.")
        name = type(callback).__name__
        for method in dir(callback):
            if method.startswith(("on_test_batch", "on_predict_batch")):
                raise UnsupportedError(f"{name} defines {method}; batches are told of in training only.")
        if distributed and callback.hears_batches():
            raise UnsupportedError(
                f"{name} wants to hear of every step; on a DataFrame these are the executors' and do not wait for the "
                "driver. Use on_epoch_end (with steps_per_epoch for shorter epochs), or train on arrays."
            )
    return each
