"""The callbacks of one ``fit``: what they ask for together, and how they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from sparkdl.optim.history import History
from sparkdl.optim.job import Job
from sparkdl.optim.progress import Progress
from sparkdl.optim.watch.callback import Callback
from sparkdl.optim.watch.histograms import unpack


class Callbacks:
    """Tells every one of ``each`` from ``with`` to its end; whoever heard the beginning hears the end, once.

    Set ``history`` before the ``with`` block ends well.
    """

    def __init__(self, each: Sequence[Callback], run: Mapping[str, Any] | None = None) -> None:
        self.each, self.run = tuple(each), dict(run or {})
        self.history: History | None = None
        self.workers = any(callback.workers for callback in self.each)
        self._ends = ExitStack()
        self._error: BaseException | None = None
        self._counted = -1  # step of the newest histograms that were told

    def asks(self, job: Job) -> Job:
        """The job with what the callbacks want to hear of."""
        every = [callback.histograms for callback in self.each if callback.histograms is not None]
        often = any(callback.every_step for callback in self.each)
        report_every = 0.0 if often and not self.run.get("spark") else job.report_every
        return replace(job, watched=self.workers, histograms=min(every, default=None), report_every=report_every)

    def __enter__(self) -> Callbacks:
        try:
            for callback in self.each:
                callback.on_begin(self.run)
                self._ends.callback(self._end, callback)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._error = error
        self._ends.close()

    def _end(self, callback: Callback) -> None:
        callback.on_end(self.history if self._error is None else None, self._error)

    def here(self, progress: Progress, figures: dict[str, Any], reading: dict[str, Any]) -> None:
        """What the loop of this process reports."""
        self.step(progress, figures, [reading])
        if "line" in figures:
            self.epoch(progress, figures["line"])

    def step(self, progress: Progress, figures: Mapping[str, Any], workers: Sequence[dict[str, Any] | None]) -> None:
        """Training has got so far."""
        told = {"step": figures["step"], "steps": figures["steps"], "workers": workers}
        for callback in self.each:
            callback.on_step(progress, told)
        counted = (workers[0] or {}).get("histograms") if workers else None
        if counted is not None and counted["step"] > self._counted:
            self._counted = counted["step"]
            histograms = unpack(counted)
            for callback in self.each:
                callback.on_histograms(counted["step"], histograms)

    def epoch(self, progress: Progress, line: Mapping[str, Any]) -> None:
        """An epoch has ended."""
        for callback in self.each:
            callback.on_epoch(progress, line)
