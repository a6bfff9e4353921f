"""What runs inside the tasks of a stage: rows in, and out come weights, history, reports."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from sparkdl.data.taskrows import FramePlan
from sparkdl.optim.check import check_feed
from sparkdl.optim.checkpoint.checkpoints import Checkpoints
from sparkdl.optim.cluster.failure import describe
from sparkdl.optim.evaluate import pack, shard_by_shard
from sparkdl.optim.exchange.allreduce import AllReduce
from sparkdl.optim.exchange.member import Member
from sparkdl.optim.job import Job
from sparkdl.optim.loop import Loop
from sparkdl.optim.progress import Progress

LINES = 20  # finished epochs that a note tells of
SCHEMA = "rank int, kind string, name string, data binary"


class Task:
    """A function for ``mapInArrow`` that names itself in what goes wrong."""

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None, "runs inside a Spark task"
        rank = context.partitionId()
        try:
            rows = self.run(batches, rank)
        except Exception as error:
            raise describe(error, rank) from None
        if rows:
            yield _batch(rank, rows)

    def run(self, batches: Iterable[Any], rank: int) -> list[tuple[str, str, bytes]]:
        """``(kind, name, data)`` rows for the driver."""
        raise NotImplementedError


@dataclass
class TrainTask(Task):
    """One of ``tasks`` members of training run ``run_id``."""

    job: Job
    plan: FramePlan
    tasks: int
    run_id: int
    checkpoints: Checkpoints | None = None

    def run(self, batches: Iterable[Any], rank: int) -> list[tuple[str, str, bytes]]:
        from sparkdl.blockmanager.spark import connect

        feed, validation = self.plan.decode(batches, task=rank, tasks=self.tasks, transform=self.job.transform)
        for each in (feed, validation):
            if each is not None:
                check_feed(self.job.model, self.job.loss, each)
        with connect(self.run_id, rank, self.tasks) as store:
            member = Member(rank, self.tasks, self.job.shards, store.teams)

            def report(progress: Progress, figures: dict[str, Any]) -> None:
                if rank == 0:
                    store.note(json.dumps([_plain(progress), figures, progress.history[-LINES:]], default=_listed))

            keep = None if self.checkpoints is None or rank else self.checkpoints.save
            exchange = AllReduce(self.job.codec, clip=self.job.clip)
            loop = Loop(self.job, feed, exchange, member, store, validation, report, keep)
            progress = loop.run()
            facts = {
                "costs": asdict(loop.exchange.costs),
                "visits": loop.visits.report(),
                "store": store.stats()._asdict(),
                "spilled": feed.spilled,
                "starved": loop.starved,
            }
            rows = [("report", "", json.dumps(facts).encode())]
            if rank == 0:
                rows.append(("history", "", json.dumps(list(progress.history), default=_listed).encode()))
                rows += [("state", name, _bytes(array)) for name, array in self.job.model.state_dict().items()]
            return rows


@dataclass
class EvaluateTask(Task):
    """Metrics over this task's shards."""

    job: Job
    plan: FramePlan
    tasks: int

    def run(self, batches: Iterable[Any], rank: int) -> list[tuple[str, str, bytes]]:
        feed, _ = self.plan.decode(batches, task=rank, tasks=self.tasks, transform=self.job.transform)
        return [("states", "", pack(shard_by_shard(self.job.model, feed, self.job.metrics)))]


def _plain(progress: Progress) -> dict[str, Any]:
    told = asdict(replace(progress, history=()))
    return {**told, "loss": None if math.isnan(progress.loss) else progress.loss}


def _listed(value: Any) -> Any:
    """Figures that are arrays (a confusion matrix) as JSON has them."""
    return np.asarray(value).tolist()


def _bytes(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


def array_of(data: bytes) -> np.ndarray:
    """The array that a row of kind "state" holds."""
    return np.load(io.BytesIO(data), allow_pickle=False)


def _batch(rank: int, rows: list[tuple[str, str, bytes]]) -> Any:
    import pyarrow as pa

    kinds, names, data = zip(*rows, strict=True)
    columns = [pa.array([rank] * len(rows), pa.int32()), pa.array(kinds), pa.array(names), pa.array(data, pa.binary())]
    return pa.RecordBatch.from_arrays(columns, names=["rank", "kind", "name", "data"])
