"""Reading the history of a run: what triggers and plateau schedules share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


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
