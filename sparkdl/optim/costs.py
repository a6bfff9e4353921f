"""What a run has cost: where every task's time went, the bytes it moved, and the layers of Spark below it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sparkdl.optim.watch.phases import PHASES

LAYERS = ("prepare", "launch", "schedule", "start", "meet", "load", "train", "collect")
"""Seconds of what lies around the steps of a task of Spark, one after another:

    prepare    the driver: doors opened, the plan made
    launch     job launched, and the stages before: rows read, hashed and brought to their tasks
    schedule   from the training stage's submission to this task's launch
    start      task and Python worker started, this library loaded (under Spark Connect with the two before)
    meet       until all tasks have found each other
    load       rows read into arrays
    train      all phases of training, see `PHASES`
    collect    weights and history brought to the driver
"""


class CostReport(Sequence[Mapping[str, Any]]):
    """One dict per task, by rank; ``print`` shows them as a table.

    Of each task: ``wall`` seconds of training, ``phases`` (seconds of each, see `PHASES`; what is left of the wall time
    is ``rest``), ``costs`` (see `exchange.base.Costs`), ``rows``, ``visits``, ``starved`` (seconds), and ``over_time``:
    columns of what was read now and then (see `Meter`), counted up from the start; ``memory``, the most bytes that
    the process ever held, and ``inputs``, dtype and shape of a row of each input. On Spark also ``place``, ``layers``
    (seconds, see `LAYERS`; ``None`` for what Spark does not tell), ``reads`` (bytes of rows from this ``local``
    executor and from ``remote`` ones, the task's ``locality``), ``per_step`` (bytes ``put`` and ``fetched`` that a
    step costs the task's whole executor, by the formula), and ``store``, the block store's own counters.
    ``predicted`` is ``{what: (predicted, measured)}`` where ``Trainer.explain`` said before what training would take.
    ``varies`` says why another number of tasks may give other bits, if it may.
    """

    def __init__(self, tasks: Sequence[Mapping[str, Any]], varies: Sequence[str] = ()) -> None:
        self.tasks, self.varies = [dict(task) for task in tasks], list(varies)
        self.predicted: dict[str, tuple[float, float]] = {}

    def __getitem__(self, rank: Any) -> Any:
        return self.tasks[rank]

    def __len__(self) -> int:
        return len(self.tasks)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.tasks)

    def rest(self, rank: int) -> float:
        """Seconds of a task's training that belong to no phase: the loop itself."""
        task = self.tasks[rank]
        return task["wall"] - sum(task["phases"].values())

    def to_pandas(self) -> Any:
        """What every worker did over time, as a pandas DataFrame: a row per task and interval.

        ``rank``, ``at`` (seconds), ``step``, ``memory`` (bytes), ``cpu`` (cores in use), ``sent`` and ``received``
        (bytes per second), ``rows`` (per second), and the share of the interval spent in each phase.
        """
        import pandas

        rows = [{"rank": rank, **row} for rank, task in enumerate(self.tasks) for row in rates(task["over_time"])]
        return pandas.DataFrame(rows)

    def to_json(self, path: str | os.PathLike[str]) -> None:
        Path(path).write_text(json.dumps(self.tasks, indent=1))

    def __str__(self) -> str:
        parts = self._phases(), self._layers(), self._traffic(), self.prediction(), self._variation()
        return "\n\n".join(part for part in parts if part)

    def _variation(self) -> str:
        return "\n".join(["Not the same bits on any number of tasks", *self.varies]) if self.varies else ""

    def prediction(self) -> str:
        """A table of predicted against measured; empty where nothing was predicted."""
        lines = [
            [what, f"{a:,.4g}", f"{b:,.4g}", f"{b / a:.2f}" if a else "-"] for what, (a, b) in self.predicted.items()
        ]
        return "Predicted and measured\n" + table(["", "predicted", "measured", "ratio"], lines) if lines else ""

    def _phases(self) -> str:
        names = [name for name in PHASES if any(task["phases"][name] >= 5e-4 for task in self.tasks)]
        lines = []
        for rank, task in enumerate(self.tasks):
            wall = max(task["wall"], 1e-9)
            seconds = [*(task["phases"][name] for name in names), self.rest(rank)]
            lines.append([str(rank), f"{task['wall']:.2f}", *(f"{s:.2f} {s / wall:4.0%}" for s in seconds)])
        return "Seconds of training, and their share\n" + table(["task", "wall", *names, "rest"], lines)

    def _layers(self) -> str:
        if not any("layers" in task for task in self.tasks):
            return ""
        lines = [[str(i), *(_seconds(task["layers"][name]) for name in LAYERS)] for i, task in enumerate(self.tasks)]
        return "Seconds around it\n" + table(["task", *LAYERS], lines)

    def _traffic(self) -> str:
        heads = ["task", "executor", "rows", "sent", "received", "per s", "memory", "cores"]
        heads += ["read here", "read there", "locality"]
        lines = []
        for rank, task in enumerate(self.tasks):
            costs, time, wall = task["costs"], task["over_time"], max(task["wall"], 1e-9)
            reads = task.get("reads") or {}
            lines.append([
                str(rank), str(task.get("place", {}).get("executor", "-")), f"{task['rows']:,}",
                size(costs["sent"]), size(costs["received"]), size((costs["sent"] + costs["received"]) / wall),
                size(max(time["memory"], default=0)), f"{time['cpu'][-1] / wall:.2f}",
                size(reads.get("local")), size(reads.get("remote")), str(reads.get("locality", "-")),
            ])  # fmt: skip
        title = "Traffic, memory (the most), cores in use (the mean), and where the rows were read"
        return f"{title}\n{table(heads, lines)}"


def rates(over_time: Mapping[str, Sequence[float]]) -> Iterator[dict[str, Any]]:
    """One dict per interval between two readings of a `Meter`: what `CostReport.to_pandas` has in its rows."""
    names = list(over_time)
    readings = [dict(zip(names, values, strict=True)) for values in zip(*over_time.values(), strict=True)]
    for a, b in zip(readings, readings[1:], strict=False):
        span = b["at"] - a["at"]
        if span > 0:
            rate = {name: (b[name] - a[name]) / span for name in ("rows", "cpu", "sent", "received", *PHASES)}
            yield {"at": b["at"], "step": b["step"], "memory": b["memory"], **rate}


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Columns aligned to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    return "\n".join("  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True)) for line in (heads, *lines))


def size(value: float | None) -> str:
    """Bytes in the largest unit that they fill."""
    if value is None:
        return "-"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
