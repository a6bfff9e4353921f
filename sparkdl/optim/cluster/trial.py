"""The trial on an executor: what explains training on a DataFrame, and chooses between many tasks and many threads."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sparkdl import kernel
from sparkdl.blockmanager.bridge.session import open_door
from sparkdl.data.frame import prepare
from sparkdl.data.spill import default_budget
from sparkdl.data.taskrows import FramePlan
from sparkdl.errors import DataError
from sparkdl.optim.check import check_feed
from sparkdl.optim.cluster.slots import choose_tasks, first_slots
from sparkdl.optim.cluster.stage import run_plain_stage
from sparkdl.optim.cluster.task import Task
from sparkdl.optim.explain import Explanation, explain
from sparkdl.optim.job import Job
from sparkdl.optim.trial import Speed, row_bytes, told, trial

BATCHES = 4  # of rows that the trial takes from the data


@dataclass
class TrialTask(Task):
    """Times steps on some of the rows, in one task."""

    job: Job
    plan: FramePlan
    threads: Sequence[int]
    run_id: int | None = None

    def run(self, batches: Iterable[Any], rank: int) -> list[tuple[str, str, bytes]]:
        feed, _ = self.plan.decode(batches, task=0, tasks=1, transform=self.job.transform)
        if not len(feed):
            raise DataError("there are no rows to train on.")
        check_feed(self.job.model, self.job.loss, feed)
        most = kernel._most_threads()
        facts = {
            "speeds": told(trial(self.job, feed, sorted({min(count, most) for count in self.threads}))),
            "shapes": feed.shapes[: len(feed.inputs)],
            "row_bytes": row_bytes(feed),
        }
        return [("trial", "", json.dumps(facts).encode())]


def try_steps(job: Job, df: Any, columns: dict[str, Any], threads: Sequence[int]) -> dict[str, Any]:
    """``speeds``, ``shapes`` and ``row_bytes``, found out by a task of the DataFrame's session."""
    frame, plan = prepare(
        df.limit(BATCHES * job.batch_size), columns["features"], columns["label"], columns["weight"],
        tasks=1, shards=job.shards, dtype=job.model.dtype, transformed=job.transform is not None,
    )  # fmt: skip
    found = run_plain_stage(df.sparkSession, frame, TrialTask(job, plan, threads))
    if not found:
        raise DataError("there are no rows to train on.")
    facts = json.loads(found[0].data)
    return {**facts, "speeds": [Speed(*each) for each in facts["speeds"]]}


def explain_frame(job: Job, df: Any, columns: dict[str, Any], tasks: int | None, epochs: int) -> Explanation:
    """The dry run for a DataFrame: it counts the rows, and tries steps on some of them in one task."""
    spark = df.sparkSession
    slots = first_slots(spark, tasks)
    workers = choose_tasks(tasks, job.shards, slots.total)
    executors = min(len(open_door(spark)), workers)
    threads, cores = job.threads or task_cpus(spark), len(os.sched_getaffinity(0))
    found = try_steps(job, df, columns, (threads, cores))
    return explain(
        job, found["shapes"], df.count(), found["row_bytes"], found["speeds"],
        workers=workers, threads=threads, cores=cores, epochs=epochs, free=default_budget(), executors=executors,
    )  # fmt: skip


def task_cpus(spark: Any) -> int:
    """``spark.task.cpus``."""
    return int(spark.conf.get("spark.task.cpus", "1"))


def lay_out(job: Job, df: Any, columns: dict[str, Any], layout: str, slots: int) -> tuple[int, int]:
    """Tasks, and threads of each: one task per slot ("tasks"), one per executor ("threads"), or the faster ("auto").

    By trial: a step on one slot's share of a batch, against one on an executor's share with all its threads.
    """
    spark = df.sparkSession
    cpus, executors = task_cpus(spark), len(open_door(spark))
    many = min(slots, job.shards), cpus
    few = min(executors, job.shards), max(slots // executors, 1) * cpus
    if layout != "auto" or many == few:
        return few if layout == "threads" else many
    speeds = {speed.threads: speed for speed in try_steps(job, df, columns, (many[1], few[1]))["speeds"]}
    seconds = {}
    for tasks, threads in (many, few):
        speed = speeds.get(threads) or speeds[max(speeds)]
        seconds[tasks, threads] = speed.step(job.batch_size / tasks)
    return min(seconds, key=lambda each: seconds[each])
