"""Gradient accumulation: a task's share of a batch in several parts, one after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sparkdl import memory
from sparkdl.data.feed import Rows
from sparkdl.nn.context import Run
from sparkdl.nn.flat import Flat
from sparkdl.tree import fold

Compute = Callable[[Rows, Run], tuple[np.ndarray, np.ndarray]]


class MicroBatches:
    """Runs the task's virtual shards in ``count`` groups, so that only one group's values are in memory at a time.

    Gradients are added up along the same tree as without groups, so the weights are the same bit for bit. In return
    there is a gradient vector for each group.
    """

    def __init__(self, flat: Flat, count: int) -> None:
        self._flat, self.count = flat, count
        self._parts: list[np.ndarray] = []

    def __call__(self, compute: Compute, rows: Rows, run: Run, grads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``compute(rows, run)`` for each group, sums to ``grads``; summed loss and weight per leaf of all of them."""
        edges = np.unique(np.linspace(0, run.leaves, self.count + 1).astype(int)).tolist()
        sums: dict[tuple[int, int], np.ndarray] = {}
        losses = []
        for number, (first, stop) in enumerate(zip(edges, edges[1:], strict=False)):
            a, b = int(run.bounds[first]), int(run.bounds[stop])
            group = replace(
                run, rows=run.rows[a:b], bounds=run.bounds[first : stop + 1] - a, first=run.first + first,
                merge_tasks=_refuse, leaf_sums={}, penalty=None,
            )  # fmt: skip
            part = self._part(number, len(group.trees))
            group.grads = self._flat.views(part)
            losses.append(compute(Rows(*(cut(each, a, b) for each in rows)), group))
            sums.update(zip(group.trees, part, strict=True))
        for out, node in zip(grads, run.trees, strict=True):
            out[:] = fold(sums, _add, *node)
        loss, weight = (np.concatenate(each) for each in zip(*losses, strict=True))
        return loss, weight

    def _part(self, number: int, rows: int) -> np.ndarray:
        while len(self._parts) <= number:
            self._parts.append(np.zeros((0, 0)))
        if len(self._parts[number]) != rows:
            size = self._flat.trainable
            self._parts[number] = memory.zeros((rows, size), self._flat.dtype)
        return self._parts[number]


def _add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.add(a, b, out=a)


def cut(values: Any, a: int, b: int) -> Any:
    """Samples ``a`` to ``b`` of arrays in tuples, lists and dicts."""
    if isinstance(values, dict):
        return {name: cut(each, a, b) for name, each in values.items()}
    if isinstance(values, tuple | list):
        return type(values)(cut(each, a, b) for each in values)
    return None if values is None else values[a:b]


def _refuse(sums: np.ndarray) -> np.ndarray:
    raise ValueError(
        "micro_batches: this model or loss needs sums over the whole batch in the middle of a step (BatchNorm, or a "
        "loss that divides by a total), and a part of the batch is all that is there. Use micro_batches=1, or a "
        "normalisation over each sample, as GroupNorm."
    )
