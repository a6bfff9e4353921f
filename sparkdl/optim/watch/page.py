"""The live page: training as a browser on this machine shows it, and afterwards the same as a file."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sparkdl.optim.history import History
from sparkdl.optim.progress import Progress
from sparkdl.optim.watch.callback import Callback
from sparkdl.optim.watch.document import document
from sparkdl.optim.watch.histograms import Histogram
from sparkdl.optim.watch.phases import PHASES
from sparkdl.optim.watch.record import Record
from sparkdl.optim.watch.server import PageServer

COLUMNS = ("at", "step", "rows", "memory", "cpu", "sent", "received", "loss", "weight", *PHASES)
PAUSE = 0.25  # seconds between two looks
SHARES = 0.05, 0.25, 0.5, 0.75, 0.95
BARS = 24
MOST_TEXT = 20_000  # characters of a text that somebody else wrote


class LivePage(Callback):
    """A page on 127.0.0.1 that only its address with a token opens, printed when training begins.

    file        where the page is left when training has ended, however it did: one file that needs nothing else.
                Default: ``training-<date>-<time>.html`` in the current folder
    port        of the server; 0 takes any free one
    histograms  after every how many steps weights and gradients are counted; None: never

    ``url`` is the address while training runs, ``path`` the file that the last training has left. Watching starts no
    Spark task: the driver reads what the tasks note.
    """

    workers = True

    def __init__(
        self, file: str | os.PathLike[str] | None = None, *, port: int = 0, histograms: int | None = 100
    ) -> None:
        if not (isinstance(port, int) and 0 <= port < 65536):
            raise ValueError(f"LivePage: port must be a number from 0 (any free one) to 65535, got {port!r}.")
        if not (histograms is None or (isinstance(histograms, int) and histograms >= 1)):
            raise ValueError(f"LivePage: histograms must be a number of steps >= 1 or None, got {histograms!r}.")
        if file is not None and Path(file).is_dir():
            raise ValueError(f"LivePage: file must be the name of a file, got the folder {os.fspath(file)!r}.")
        self.file, self.port, self.histograms = file, port, histograms
        self.url: str | None = None
        self.path: Path | None = None

    def on_begin(self, run: Mapping[str, Any]) -> None:
        name = self.file or time.strftime("training-%Y%m%d-%H%M%S.html")
        path = Path(name).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)  # what cannot be written is known before training, not after
        path.touch()
        self._target, self._began, self._looked = path, time.monotonic(), -PAUSE
        self._behind: tuple[Progress, Mapping[str, Any]] | None = None  # the newest step, if it was not looked at
        self.record = Record()
        settings = {
            "loss": run["loss"], "optimizer": run["optimizer"], "batch size": run["batch_size"], "seed": run["seed"],
            "virtual shards": run["shards"], "trained by": "executors of Spark" if run["spark"] else "this process",
            "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        }  # fmt: skip
        self.record.add(
            "begin", model=type(run["model"]).__name__, net=repr(run["model"])[:MOST_TEXT], metrics=run["metrics"],
            settings={name: str(value)[:400] for name, value in settings.items()}, columns=COLUMNS, phases=PHASES,
        )  # fmt: skip
        self._server = PageServer(self.record, self.port)
        self.url = self._server.url
        print(f"watch: {self.url}", file=sys.stderr, flush=True)

    def on_step(self, progress: Progress, figures: Mapping[str, Any]) -> None:
        now = time.monotonic()
        if now - self._looked < PAUSE:
            self._behind = progress, figures
            return
        self._looked, self._behind = now, None
        self._look(progress, figures)

    def _look(self, progress: Progress, figures: Mapping[str, Any]) -> None:
        workers = [None if r is None else [_short(r[name]) for name in COLUMNS] for r in figures["workers"]]
        self.record.add(
            "look", t=self._seconds(), step=progress.iteration, epoch=progress.epoch, done=figures["step"],
            steps=figures["steps"], samples=progress.samples, loss=progress.loss, workers=workers,
        )  # fmt: skip

    def on_histograms(self, step: int, histograms: Mapping[str, tuple[Histogram, Histogram]]) -> None:
        groups = [{"name": name, "weights": _shape(w), "gradients": _shape(g)} for name, (w, g) in histograms.items()]
        self.record.add("histograms", step=step, groups=groups)

    def on_epoch(self, progress: Progress, line: Mapping[str, Any]) -> None:
        shown = {k: v if np.ndim(v) == 0 else f"array {' x '.join(map(str, np.shape(v)))}" for k, v in line.items()}
        self.record.add("epoch", line=shown)

    def on_end(self, history: History | None, error: BaseException | None) -> None:
        if self._behind is not None:
            self._look(*self._behind)
        state = "finished" if error is None else "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        self.record.add(
            "end", t=self._seconds(), state=state, error=None if error is None else _why(error),
            costs=None if history is None or history.costs is None else str(history.costs),
        )  # fmt: skip
        try:
            aside = self._target.with_name(f".{self._target.name}.part")
            aside.write_text(document(self.record.since()), "utf-8")
            aside.replace(self._target)
            self.path = self._target
            print(f"watch: {self.path}", file=sys.stderr, flush=True)
        finally:
            self.url = None
            self._server.close()

    def _seconds(self) -> float:
        return round(time.monotonic() - self._began, 3)


def _short(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


def _shape(histogram: Histogram) -> dict[str, Any]:
    """What is drawn of a histogram, at four digits."""
    low, high, counts = histogram.rebinned(BARS)
    shown = {"low": _four(low), "high": _four(high), "counts": [_four(c) for c in counts]}
    return {"quantiles": [_four(v) for v in histogram.quantiles(SHARES)], "bars": shown}


def _why(error: BaseException) -> str:
    return "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])[:MOST_TEXT]


def _four(value: float) -> float:
    return float(f"{value:.4g}")
