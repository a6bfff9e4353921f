"""The history of a run, one line of figures per epoch; and reading it, as triggers and plateau schedules do."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any


class History(Sequence[Mapping[str, Any]]):
    """A list of dicts, one per epoch: ``epoch, iteration, loss, samples, seconds, lr`` (of the epoch's last
    step) and the validation figures.

    ``history["loss"]`` is the column of that name. ``rows_once``, ``rows_never`` and ``rows_more`` count the rows that
    the epoch used once, not at all and more often; ``exactly_once`` says that there were only the first.
    ``costs`` says where time and bytes went, per task: print it (see `CostReport`). ``visits`` says how often the rows
    of the last epoch were used. ``restarts`` has a dict for every time that training lost a task and went on: from
    which ``step``, on how many ``tasks``, the seconds ``lost`` from the loss being noticed to the next step, when that
    was done (``at``, seconds since 1970), and the ``error``. ``predicted`` is ``{what: (predicted, measured)}`` where
    training was explained before. ``varies`` has a sentence for each setting because of which another number of tasks
    may give other bits; there is none by default. ``state`` is what ``fit(..., handover=True)`` leaves for the next
    call to go on from.
    """

    def __init__(
        self,
        epochs: Sequence[Mapping[str, Any]],
        costs: Any = None,
        visits: Any = None,
        restarts: Sequence[Mapping[str, Any]] = (),
        state: Any = None,
        varies: Sequence[str] = (),
    ) -> None:
        self.epochs = [dict(epoch) for epoch in epochs]
        self.predicted: dict[str, tuple[float, float]] = {}
        self.costs, self.visits, self.restarts = costs, visits, [dict(restart) for restart in restarts]
        self.state, self.varies = state, list(varies)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return [epoch.get(key) for epoch in self.epochs]
        return self.epochs[key]

    def __len__(self) -> int:
        return len(self.epochs)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.epochs)

    @property
    def exactly_once(self) -> bool:
        """Whether every epoch that was gone through to its end used each row once; False if there was none."""
        before = [0, *(line["epoch"] for line in self.epochs)]
        whole = [line for line, epoch in zip(self.epochs, before, strict=False) if line["epoch"] > epoch]
        return bool(whole) and all(line.get("rows_never") == line.get("rows_more") == 0 for line in whole)

    @property
    def names(self) -> list[str]:
        """All columns, in order of first appearance."""
        return list(dict.fromkeys(name for epoch in self.epochs for name in epoch))

    def to_pandas(self) -> Any:
        """The history as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame(self.epochs, columns=self.names)

    def to_json(self, path: str | Path) -> None:
        """A list of dicts; arrays (a confusion matrix) as lists, what is not a number as null."""
        Path(path).write_text(json.dumps(plain(self.epochs), indent=1, allow_nan=False))

    def to_csv(self, path: str | Path) -> None:
        """A line per epoch under a line of names."""
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, self.names)
            writer.writeheader()
            writer.writerows(self.epochs)

    def __repr__(self) -> str:
        return f"History({self.epochs!r})"


def plain(value: Any) -> Any:
    """Figures as strict JSON has them: arrays as lists, NaN and infinities as None."""
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def figures(history: Sequence[Mapping[str, Any]], monitor: str) -> list[tuple[int, float]]:
    """``(row, value)`` of the epochs in which ``monitor`` was measured."""
    return [(i, float(row[monitor])) for i, row in enumerate(history) if row.get(monitor) is not None]


def best_row(seen: Sequence[tuple[int, float]], mode: str, min_delta: float = 0.0) -> int | None:
    """Row of the last figure that was better than the best before it by more than ``min_delta``; NaN never is."""
    row, best = None, math.nan
    for i, value in seen:
        gain = best - value if mode == "min" else value - best
        if not math.isnan(value) and (row is None or gain > min_delta):
            row, best = i, value
    return row
