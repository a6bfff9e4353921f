"""What training would take on 1 to 64 workers, predicted from a short trial: memory, bytes, time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sparkdl.nn.explain import Plan
from sparkdl.nn.flat import ALIGN
from sparkdl.optim.exchange.allreduce import ROOM
from sparkdl.optim.exchange.cost import bytes_per_step
from sparkdl.optim.exchange.member import Member
from sparkdl.optim.job import Job
from sparkdl.optim.trial import Speed

WORKERS = 1, 2, 4, 8, 16, 32, 64
LATENCY = 1.5e-3  # seconds of a step's two exchanges between executors, warm (docs/training.md says by what measured)
BANDWIDTH = 0.7e9  # bytes per second that an executor fetches
START = 3.0  # seconds until the first step on executors: launch, doors, kernels
START_HERE = 0.5
READ = 100e6  # bytes of rows per second that a task reads and decodes
PYTHON = 200 << 20  # bytes of a Python worker with this package and its kernels, before any row


class Prediction(NamedTuple):
    """For one number of workers: bytes of memory per worker, bytes fetched per worker and step, seconds.

    ``shards`` are the virtual shards that so many workers need.
    """

    workers: int
    shards: int
    memory: int
    bytes: int
    step: float
    epoch: float
    start: float

    def total(self, epochs: int) -> float:
        """Seconds of a run."""
        return self.start + epochs * self.epoch


@dataclass
class Explanation:
    """A dry run: ``predictions`` for executors, ``here`` for this process, and which of them is the ``choice``.

    rows, row_bytes   of the data
    steps             of an epoch
    speeds            of a step, by numbers of threads, from the trial
    workers           how many tasks would train now
    epochs            for which ``choice`` is made
    """

    rows: int
    row_bytes: float
    batch_size: int
    steps: int
    speeds: Sequence[Speed]
    here: Prediction
    predictions: Sequence[Prediction]
    workers: int
    epochs: int
    free: int

    @property
    def chosen(self) -> Prediction:
        """The prediction for where training would be run: ``here`` or that of ``workers``."""
        return self.here if self.choice == "local" else self.there

    @property
    def there(self) -> Prediction:
        return next(p for p in self.predictions if p.workers == self.workers)

    @property
    def choice(self) -> str:
        """ "local" where that is the faster, start included, and the rows fit into memory; else "cluster"."""
        fits = self.rows * self.row_bytes <= self.free
        return "local" if fits and self.here.total(self.epochs) <= self.there.total(self.epochs) else "cluster"

    def __str__(self) -> str:
        one, most = self.predictions[0].step, self.predictions[0].shards
        head = f"{'workers':>8} {'memory/worker':>14} {'bytes/step':>12} {'ms/step':>9} {'s/epoch':>9} {'speed-up':>9}"
        lines = [
            f"{self.rows:,} rows of {self.row_bytes:,.0f} bytes; an epoch is {self.steps:,} steps",
            *map(str, self.speeds),
            head,
            _line(self.here, "local", one),
            *(_line(p, str(p.workers), one) for p in self.predictions),
        ]
        if self.predictions[-1].shards > most:
            lines.append(f"more than {most} workers need as many virtual shards (shards=)")
        here, there = self.here.total(self.epochs), self.there.total(self.epochs)
        lines.append(f"{self.epochs} epochs: local {here:.1f} s, {self.workers} workers {there:.1f} s: {self.choice}")
        return "\n".join(lines)


def explain(
    job: Job,
    shapes: Sequence[Any],
    rows: int,
    row_bytes: float,
    speeds: Sequence[Speed],
    *,
    workers: int,
    threads: int,
    cores: int,
    epochs: int,
    free: int,
    executors: int,
) -> Explanation:
    """Predictions from a trial's ``speeds``.

    ``shapes`` are ``[dtype, *shape]`` of an input's row; ``workers`` tasks of ``threads`` threads would train now, on
    ``executors`` executors; this process has ``cores``, and ``free`` bytes for rows.
    """
    values = _values(job, shapes)
    here = _predict(job, rows, row_bytes, values, _on(speeds, cores), 1, 1, START_HERE, free)
    predictions = [
        _predict(
            job, rows, row_bytes, values, _on(speeds, threads), count, min(count, executors * -(-count // workers)),
            START, free,
        )
        for count in sorted({*WORKERS, workers})
    ]  # fmt: skip
    steps = steps_of(job, rows)
    return Explanation(rows, row_bytes, job.batch_size, steps, speeds, here, predictions, workers, epochs, free)


def _predict(
    job: Job, rows: int, row_bytes: float, values: tuple[float, float], speed: Speed, count: int, executors: int,
    start: float, free: int,
) -> Prediction:  # fmt: skip
    shards = max(job.shards, count)
    teams = tuple(tuple(range(e * count // executors, (e + 1) * count // executors)) for e in range(executors))
    member = Member(0, count, shards, teams)
    share = min(job.batch_size, rows) / count
    elements, item = elements_of(job), np.dtype(job.model.dtype).itemsize
    moved = bytes_per_step(member, elements, job.codec, dtype=job.model.dtype)
    step = speed.step(share)
    if count > 1:
        step += LATENCY + moved.fetched / BANDWIDTH
    held = min(rows / count * row_bytes, job.memory_budget or free) + 24 * rows / count  # 24 bytes of indices per row
    vectors = 1 + len(member.subtrees) + len(job.rule.slots) / count  # weights, gradients, the rule's state
    memory = PYTHON + held + vectors * elements * item + moved.fetched + 2 * ROOM * count
    memory += values[0] + values[1] * share / job.micro_batches
    epoch, start = step * steps_of(job, rows), start + rows * row_bytes / count / READ
    return Prediction(count, shards, round(memory), moved.fetched, step, epoch, start)


def steps_of(job: Job, rows: int) -> int:
    """Steps of an epoch."""
    return job.steps_per_epoch or -(-rows // job.batch_size)


def elements_of(job: Job) -> int:
    """Elements of the flat vector of what is trained."""
    return sum(-(-p.size // ALIGN) * ALIGN for _, p in job.model.named_parameters() if p.trainable)


def _values(job: Job, shapes: Sequence[Any]) -> tuple[float, float]:
    """Bytes of a pass's values and gradients: fixed, and per row."""
    was = job.model.training
    job.model.train()
    try:
        few, more = (
            Plan(job.model, tuple((n, *shape[1:]) for shape in shapes), tuple(shape[0] for shape in shapes)).peak_bytes
            for n in (2, 8)
        )
    finally:
        job.model.train(was)
    per_row = (more - few) / 6
    return max(few - 2 * per_row, 0), per_row


def _on(speeds: Sequence[Speed], threads: int) -> Speed:
    """The speed on as many of the threads as were tried."""
    return max((s for s in speeds if s.threads <= threads), key=lambda s: s.threads, default=speeds[0])


def _line(p: Prediction, name: str, one: float) -> str:
    return (
        f"{name:>8} {p.memory / 2**20:>11,.0f} MiB {p.bytes:>12,} {p.step * 1e3:>9.2f} {p.epoch:>9.2f} "
        f"{one / p.step:>9.2f}"
    )


def compare(explanation: Explanation, where: str, history: Any) -> dict[str, tuple[float, float]]:
    """``{what: (predicted, measured)}`` of a run that is over: seconds per step and epoch, bytes per step, memory."""
    lines = [line for line in history if line["samples"]]
    if not lines:
        return {}
    prediction = explanation.here if where == "local" else _for(explanation, len(history.costs or ()))
    steady = lines[1:] or lines  # the first epoch loads kernels
    first = lines[0]["iteration"] if len(lines) > 1 else 0
    steps = max(lines[-1]["iteration"] - first, 1)
    measured = sum(line["seconds"] for line in steady)
    found = {
        "seconds per step": (prediction.step, measured / steps),
        "seconds per epoch": (prediction.epoch, measured / len(steady)),
    }
    if history.costs and where != "local":
        fetched = max(cost["costs"]["received"] / max(cost["costs"]["steps"], 1) for cost in history.costs)
        found["bytes per worker and step"] = (prediction.bytes, fetched)
        found["memory per worker"] = (prediction.memory, max(cost["memory"] for cost in history.costs))
    return found


def _for(explanation: Explanation, workers: int) -> Prediction:
    """The prediction for the workers that took part: fewer, maybe, than were there at first."""
    return min(explanation.predictions, key=lambda p: abs(p.workers - workers))
