"""Metrics of the rows as they are trained on, over an epoch, with the outputs that training computes anyway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from sparkdl.data.feed import Rows
from sparkdl.nn.context import Run
from sparkdl.optim.evaluate import States, figures, pack, unpack
from sparkdl.optim.exchange.base import Exchange
from sparkdl.optim.exchange.member import Member
from sparkdl.optim.metrics.of_output import check_outputs
from sparkdl.optim.microbatches import cut


class RunningMetrics:
    """One state of each metric per virtual shard, so that figures do not depend on how many tasks there are.

    A batch counts with the weights before its step and with dropout on, so the figures lag behind those of a
    validation on the same rows.
    """

    def __init__(self, metrics: tuple[Any, ...]) -> None:
        self.metrics = metrics
        self.states: States = {}

    def add(self, run: Run, y: Any, rows: Rows) -> None:
        """The rows of one batch and the model's outputs for them."""
        if not self.metrics:
            return
        check_outputs(self.metrics, y)
        for i, (a, b) in enumerate(zip(run.bounds, run.bounds[1:], strict=False)):
            if a == b:
                continue
            shard = (run.first + i, run.first + i + 1)
            states = self.states.get(shard) or [metric.zero() for metric in self.metrics]
            part = [cut(each, int(a), int(b)) for each in (y, rows.target, rows.weight)]
            self.states[shard] = [m.update(s, *part) for m, s in zip(self.metrics, states, strict=True)]

    def figures(self, exchange: Exchange, member: Member) -> dict[str, Any]:
        """``{metric name: value}`` of all tasks' rows since the last call, the same in every task."""
        if not self.metrics:
            return {}
        states: States = {(v, v + 1): [m.zero() for m in self.metrics] for v in range(member.shards)}
        for _, packed in self.state(exchange):
            states.update(unpack(packed.tobytes()))
        self.states = {}
        return figures(states, self.metrics, member.shards)

    def state(self, exchange: Exchange) -> Iterator[tuple[int, np.ndarray]]:
        """Every task's rank and states, as bytes."""
        if self.metrics:
            yield from enumerate(exchange.gather(np.frombuffer(pack(self.states), np.uint8)))

    def load(self, packed: Mapping[str, np.ndarray], first: int, last: int) -> None:
        """Takes shards ``first`` up to ``last`` of what `state` gave."""
        for each in packed.values():
            self.states.update({k: v for k, v in unpack(each.tobytes()).items() if first <= k[0] < last})
