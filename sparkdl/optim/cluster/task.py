"""What runs inside the tasks of a stage: rows in, and out come weights, history, reports."""

from __future__ import annotations

import io
import json
import math
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from sparkdl import kernel
from sparkdl.data.spill import default_budget
from sparkdl.data.taskrows import FramePlan
from sparkdl.errors import BlockError, ClusterError
from sparkdl.nn.kernels.choice import take
from sparkdl.optim.check import check_evaluated, check_feed
from sparkdl.optim.checkpoint.checkpoints import Checkpoints
from sparkdl.optim.checkpoint.keep import Keep, by_the_clock
from sparkdl.optim.cluster.failure import describe
from sparkdl.optim.cluster.start import Start
from sparkdl.optim.evaluate import pack, shard_by_shard
from sparkdl.optim.exchange.allreduce import AllReduce
from sparkdl.optim.exchange.base import Exchange
from sparkdl.optim.exchange.cost import bytes_per_step
from sparkdl.optim.exchange.local import Local
from sparkdl.optim.exchange.member import Member
from sparkdl.optim.job import Job
from sparkdl.optim.loop import Loop
from sparkdl.optim.progress import Progress

if TYPE_CHECKING:
    from sparkdl.blockmanager.spark import SparkStore

COPIES = 2  # executors that keep each snapshot
LINES = 20, 5, 1, 0  # finished epochs that a note tells of, as many as there is room for
NOTE = 16 << 10  # bytes of a note
SCHEMA = "rank int, kind string, name string, data binary"


class Task:
    """A function for ``mapInArrow`` that names itself in what goes wrong."""

    job: Job
    stage: int  # Spark's number of the stage
    times: dict[str, float]  # when Python code ran first, when the tasks had met, ...: seconds since 1970

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None, "runs inside a Spark task"
        rank = context.partitionId()
        self.stage, self.times = context.stageId(), {"python": time.time()}
        try:
            if context.attemptNumber():
                self.again(rank)
            take(self.job.choices)
            kernel.set_num_threads(min(self.job.threads or context.cpus(), kernel._most_threads()))
            rows = self.run(batches, rank)
        except Exception as error:
            raise describe(error, rank) from None
        if rows:
            yield _batch(rank, rows)

    def run(self, batches: Iterable[Any], rank: int) -> list[tuple[str, str, bytes]]:
        """``(kind, name, data)`` rows for the driver."""
        raise NotImplementedError

    def again(self, rank: int) -> None:
        """Called before ``run`` when Spark starts this task a second time."""


@dataclass
class TrainTask(Task):
    """One of ``tasks`` members of training run ``run_id``."""

    job: Job
    plan: FramePlan
    tasks: int
    run_id: int
    start: Start
    checkpoints: Checkpoints | None = None

    def again(self, rank: int) -> None:
        """Spark starts a task twice where stages are plain ones: for speculation, or because the first one ended.

        While the first one lives the copy has nothing to do, and Spark ends it. Afterwards it fails: a run whose
        members have changed begins anew, from a snapshot, and that is the driver's decision.
        """
        from sparkdl.blockmanager.spark import outlive

        outlive(self.run_id, rank)
        raise ClusterError(f"task {rank} of this attempt has ended; only the driver starts another attempt.")

    def run(self, batches: Iterable[Any], rank: int) -> list[tuple[str, str, bytes]]:
        from sparkdl.blockmanager.spark import connect

        batches = chain(list(islice(batches, 1)), batches)  # where Spark cannot bring the rows, no task joins
        with connect(self.run_id, rank, self.tasks) as store:
            try:
                return self.train(batches, rank, store)
            except Exception as error:
                with suppress(BlockError):  # Spark may tell of another task's end first; the executor may have gone
                    store.note(str(describe(error, rank)).splitlines()[-1])
                raise

    def train(self, batches: Iterable[Any], rank: int, store: SparkStore) -> list[tuple[str, str, bytes]]:
        """As a member that has met the others."""
        self.times["met"] = time.time()
        feed, validation = self.plan.decode(
            batches, task=rank, tasks=self.tasks, transform=self.job.transform, moving=self.job.reshuffle,
            budget=self.job.memory_budget or default_budget(store.neighbours),
        )  # fmt: skip
        self.times["loaded"] = time.time()
        check_feed(self.job.model, self.job.loss, feed)
        if validation is not None:
            check_feed(self.job.model, self.job.loss, validation, "validation ")
        job, member = self.job, Member(rank, self.tasks, self.job.shards, store.teams)

        begin, damaged = self.start.find(store, rank, self.tasks)
        first = 0 if begin is None else begin.progress.iteration

        def report(progress: Progress, figures: dict[str, Any], reading: dict[str, Any]) -> None:
            if rank == 0:
                shown = figures if "steps" in figures else {}  # an epoch's line is in the history
                store.note(note_of(progress, {**shown, "begin": first}, reading))
            elif job.watched:
                store.note(json.dumps(reading))

        if self.checkpoints is not None and rank == 0 and not self.start.again:
            self.checkpoints.check_unused()
        report(Progress() if begin is None else begin.progress, {}, {})
        # a task alone has nothing to share, and memory of its own comes in larger pages
        alone = self.tasks == 1
        exchange: Exchange = Local(job.clip) if alone else AllReduce(job.codec, clip=job.clip, timeout=job.timeout)
        loop = Loop(job, feed, exchange, member, store, validation, report, self._keeps(store, member), begin)
        progress = loop.run()
        self.times["trained"] = time.time()
        per_step = bytes_per_step(member, loop.flat.trainable, job.codec, dtype=loop.flat.dtype)
        facts = {
            **loop.facts(),
            "store": store.stats()._asdict(),
            "spilled": feed.spilled,
            "damaged": damaged,
            "place": store.peers[rank]._asdict(),
            "per_step": per_step._asdict(),
            "stage": self.stage,
            "times": self.times,
            "begin": first,
        }
        rows = [("report", "", json.dumps(facts).encode())]
        if rank == 0:
            rows.append(("history", "", json.dumps(list(progress.history), default=_listed).encode()))
            rows += [("state", name, _bytes(array)) for name, array in job.model.state_dict().items()]
            if loop.handed is not None:
                rows.append(("handed", "", loop.handed.pack()))
        return rows

    def _keeps(self, store: SparkStore, member: Member) -> list[Keep]:
        """Task 0 writes checkpoints; the first tasks of ``COPIES`` executors keep what a restart needs."""
        job, training, keeps = self.job, self.start.training, []
        if self.checkpoints is not None and job.checkpoint is not None:
            files = self.checkpoints
            save = None if member.rank else lambda snapshot: files.save(replace(snapshot, training=training))
            keeps.append(Keep(job.checkpoint, save, last=True))
        if job.snapshot is not None:
            blocks = store.kept(training)
            holds = member.place == 0 and member.team < COPIES
            due = job.snapshot if callable(job.snapshot) else by_the_clock(job.snapshot)
            keeps.append(Keep(due, (lambda s: blocks.save(s.progress.iteration, s.pack())) if holds else None))
        return keeps


@dataclass
class EvaluateTask(Task):
    """Metrics over this task's shards."""

    job: Job
    plan: FramePlan
    tasks: int
    run_id: int | None = None

    def run(self, batches: Iterable[Any], rank: int) -> list[tuple[str, str, bytes]]:
        budget = self.job.memory_budget or default_budget(self.tasks)  # how many of them run here nobody knows
        feed, _ = self.plan.decode(
            batches, task=rank, tasks=self.tasks, transform=self.job.transform, budget=budget
        )  # fmt: skip
        check_evaluated(self.job, feed)
        return [("states", "", pack(shard_by_shard(self.job.model, feed, self.job.metrics)))]


def note_of(progress: Progress, figures: dict[str, Any], reading: dict[str, Any]) -> str:
    """What the driver is told, at most ``NOTE`` bytes: with histograms and the newest epochs' lines if they fit in.

    The driver brings the lines that it has not heard of when the stage ends.
    """
    without = {name: value for name, value in reading.items() if name != "histograms"}
    for told, lines in [*((reading, lines) for lines in LINES), (without, 0)]:
        newest = progress.history[max(len(progress.history) - lines, 0) :]
        text = json.dumps([_plain(progress), figures, newest, told], default=_listed)
        if len(text) <= NOTE:
            break
    return text


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
