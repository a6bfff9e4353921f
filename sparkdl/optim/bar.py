"""The progress bar: one line on the terminal while training runs, one line per finished epoch."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from sparkdl.optim.progress import Progress
from sparkdl.optim.watch.callback import Callback

PAUSE = 0.1  # seconds between two drawings


class Bar(Callback):
    """Draws on ``out``, standard error by default; what is no terminal or notebook gets the epochs' lines only."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stderr
        self.live = bool(getattr(self.out, "isatty", lambda: False)()) or _in_notebook(self.out)
        self.first: tuple[float, Progress] | None = None  # when the bar was first drawn, and how far training was then
        self.drawn = -PAUSE
        self.width = 0

    def on_step(self, progress: Progress, figures: Mapping[str, Any]) -> None:
        now = time.perf_counter()
        if self.live and not progress.epoch_ended and now - self.drawn >= PAUSE:
            self.drawn = now
            self._line(self._running(progress, figures), end="\r")

    def on_epoch(self, progress: Progress, line: Mapping[str, Any]) -> None:
        shown = "  ".join(
            f"{name} {value:.4g}" for name, value in line.items() if isinstance(value, float) and name != "seconds"
        )
        rate = line["samples"] / max(line.get("seconds", 0.0), 1e-9)
        self._line(f"epoch {line['epoch']:>3}  {shown}  {rate:,.0f} samples/s  {line['seconds']:.1f} s", end="\n")

    def on_end(self, history: Any, error: BaseException | None) -> None:
        if self.width:
            self._line("", end="\r")

    def _running(self, progress: Progress, figures: Mapping[str, Any]) -> str:
        part = figures["step"] / figures["steps"]
        done = int(24 * part)
        text = f"epoch {progress.epoch + 1:>3} [{'=' * done}{' ' * (24 - done)}] {part:4.0%}  loss {progress.loss:.4g}"
        now = time.perf_counter()
        if self.first is None or progress.iteration < self.first[1].iteration:  # the start, or a restart
            self.first = now, progress
        began, then = self.first
        steps, spent = progress.iteration - then.iteration, max(now - began, 1e-9)
        if not steps:
            return text
        rate, left = (progress.samples - then.samples) / spent, (figures["steps"] - figures["step"]) * spent / steps
        return f"{text}  {rate:,.0f} samples/s  {left // 60:.0f}:{left % 60:02.0f} left in this epoch"

    def _line(self, text: str, end: str) -> None:
        self.out.write(text.ljust(self.width) + end)
        self.out.flush()
        self.width = len(text) if end == "\r" else 0


def _in_notebook(out: TextIO) -> bool:
    """Whether it is a Jupyter kernel's stream: no terminal, but its pages go back to a line's start as terminals do."""
    return type(out).__module__.partition(".")[0] == "ipykernel"
