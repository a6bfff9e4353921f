"""What runs inside a task of the training stage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from sparkdl.data.taskrows import FramePlan
from sparkdl.optim.check import check_feed
from sparkdl.optim.cluster.failure import describe
from sparkdl.optim.exchange.allreduce import AllReduce
from sparkdl.optim.exchange.local import Local
from sparkdl.optim.exchange.member import Member
from sparkdl.optim.job import Job
from sparkdl.optim.loop import Loop

SCHEMA = "rank int, kind string, name string, data binary"


@dataclass
class TrainTask:
    """The function that ``mapInArrow`` runs: rows in, and out come the trained weights (of rank 0) and each task's report."""

    job: Job
    plan: FramePlan
    tasks: int
    validated: bool
    link: Any  # how to reach the block manager: what the driver knows of the doors

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        from pyspark import TaskContext

        context = TaskContext.get()
        rank = context.partitionId() if context is not None else 0
        try:
            yield from self._train(batches, rank)
        except Exception as error:
            raise describe(error, rank) from None

    def _train(self, batches: Iterator[Any], rank: int) -> Iterator[Any]:
        from sparkdl.blockmanager.spark import connect

        feed, validation = self.plan.decode(batches, task=rank, tasks=self.tasks)
        for each in (feed, validation):
            if each is not None:
                check_feed(self.job.model, self.job.loss, each)
        store = connect(self.link, rank, self.tasks)
        try:
            member = Member(rank, self.tasks, self.job.shards, store.teams)
            exchange = Local() if self.tasks == 1 else AllReduce(self.job.codec)

            def report(progress: Any, figures: dict[str, Any]) -> None:
                if rank == 0:
                    store.publish(json.dumps([asdict(replace(progress, history=())), figures]).encode())

            loop = Loop(self.job, feed, exchange, member, store, validation if self.validated else None, report)
            progress = loop.run()
            rows = [("report", "", json.dumps(_report(loop, store)).encode())]
            if rank == 0:
                rows.append(("history", "", json.dumps(list(progress.history)).encode()))
                rows += [("state", name, _bytes(array)) for name, array in self.job.model.state_dict().items()]
            yield _batch(rank, rows)
        finally:
            store.close()


def _report(loop: Loop, store: Any) -> dict[str, Any]:
    return {
        "costs": asdict(loop.exchange.costs),
        "visits": loop.visits.report(),
        "rows": len(loop.feed),
        "store": store.stats()._asdict(),
    }


def _bytes(array: np.ndarray) -> bytes:
    import io

    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


def array_of(data: bytes) -> np.ndarray:
    """The array that ``_bytes`` wrote."""
    import io

    return np.load(io.BytesIO(data), allow_pickle=False)


def _batch(rank: int, rows: list[tuple[str, str, bytes]]) -> Any:
    import pyarrow as pa

    kinds, names, data = zip(*rows, strict=True)
    columns = [pa.array([rank] * len(rows), pa.int32()), pa.array(kinds), pa.array(names), pa.array(data, pa.binary())]
    return pa.RecordBatch.from_arrays(columns, names=["rank", "kind", "name", "data"])


