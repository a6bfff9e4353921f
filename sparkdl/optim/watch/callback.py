"""The protocol by which others hear of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sparkdl.optim.progress import Progress

if TYPE_CHECKING:
    from sparkdl.optim.history import History
    from sparkdl.optim.watch.histograms import Histogram


class Callback:
    """Hears of training in the process that called ``fit``; override what you want to hear of.

    ::

        class Log(optim.Callback):
            def on_epoch(self, progress, line):
                print(line["epoch"], line["loss"])

        optim.Trainer(model, loss, rule, callbacks=[Log()]).fit(df)

    Callbacks look and do not steer: triggers and schedules do that, which executors have too. An exception of a
    callback ends training and is raised by ``fit``. What a callback does takes the training thread's time for arrays,
    and none of the executors'.

    every_step   for arrays: hear of every step, not of a few per second. The executors of Spark tell the driver twice a
                 second, whatever is asked
    workers      hear of every task of Spark, not of the first one only
    histograms   after every how many steps weights and gradients are counted for ``on_histograms``; None: never. Of
                 several callbacks the smallest number counts
    """

    every_step: bool = False
    workers: bool = False
    histograms: int | None = None

    def on_begin(self, run: Mapping[str, Any]) -> None:
        """Before anything else. ``run``: ``model``, ``loss``, ``optimizer``, ``batch_size``, ``seed``, ``shards``,
        ``metrics`` (names), and ``spark``, whether executors train.
        """

    def on_step(self, progress: Progress, figures: Mapping[str, Any]) -> None:
        """After a step, the newest that is known. ``figures``: ``step`` of ``steps`` in this epoch, and ``workers``:
        the newest reading of each task by rank (see `Meter`), None of those that have told nothing yet.
        """

    def on_histograms(self, step: int, histograms: Mapping[str, tuple[Histogram, Histogram]]) -> None:
        """``{parameter or group of parameters: (weights, gradients)}`` after ``step``."""

    def on_epoch(self, progress: Progress, line: Mapping[str, Any]) -> None:
        """After an epoch, with its line of the history. For arrays the model holds the epoch's weights; on Spark the
        driver hears of an epoch while tasks go on.
        """

    def on_end(self, history: History | None, error: BaseException | None) -> None:
        """When training has ended: with its history, or with the error that ended it. Also after an interrupt."""


class OnEpoch(Callback):
    """A callback out of one function ``on_epoch(progress, line)``."""

    def __init__(self, function: Any) -> None:
        self.on_epoch = function  # type: ignore[method-assign]


def checked_callbacks(callbacks: Any) -> tuple[Callback, ...]:
    """The callbacks that were given, one or several."""
    each = (callbacks,) if isinstance(callbacks, Callback) else tuple(callbacks)
    for callback in each:
        if not isinstance(callback, Callback):
            raise TypeError(f"Trainer: callbacks are objects of classes derived from optim.Callback, got {callback!r}.")
        every = callback.histograms
        if every is not None and not (isinstance(every, int) and every >= 1):
            raise ValueError(f"{callback!r}: histograms must be a number of steps >= 1 or None, got {every!r}.")
    return each
