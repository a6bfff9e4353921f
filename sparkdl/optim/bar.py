"""The progress bar: one line on the terminal while training runs, one line per finished epoch."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from sparkdl.optim.progress import Progress


class Bar:
    """``update(progress, figures)`` draws; figures with ``steps`` are mid-epoch, others an epoch's results, of which
    ``on_epoch(progress, figures)`` is told too.
    """

    def __init__(
        self,
        show: bool = True,
        out: TextIO | None = None,
        on_epoch: Callable[[Progress, dict[str, Any]], None] | None = None,
    ) -> None:
        self.show, self.out, self.on_epoch = show, out or sys.stderr, on_epoch
        self.live = bool(getattr(self.out, "isatty", lambda: False)())
        self.first: tuple[float, Progress] | None = None  # when the bar was first drawn, and how far training was then
        self.width = 0

    def update(self, progress: Progress, figures: dict[str, Any]) -> None:
        if self.on_epoch is not None and "steps" not in figures:
            self.on_epoch(progress, figures)
        if not self.show:
            return
        if "steps" in figures:
            if self.live:
                self._line(self._running(progress, figures), end="\r")
            return
        shown = "  ".join(
            f"{name} {value:.4g}" for name, value in figures.items() if isinstance(value, float) and name != "seconds"
        )
        rate = figures["samples"] / max(figures.get("seconds", 0.0), 1e-9)
        self._line(f"epoch {figures['epoch']:>3}  {shown}  {rate:,.0f} samples/s  {figures['seconds']:.1f} s", end="\n")

    def _running(self, progress: Progress, figures: dict[str, Any]) -> str:
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

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.show and self.width:
            self._line("", end="\r")
