"""Training on a Spark DataFrame: a stage whose tasks run the loop together, again after a fault."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sparkdl.blockmanager.bridge.session import at_the_door, is_stopped, new_run
from sparkdl.data.frame import prepare
from sparkdl.errors import ClusterError, DataError
from sparkdl.nn.kernels.choice import in_force
from sparkdl.optim.checkpoint.checkpoints import Checkpoints
from sparkdl.optim.checkpoint.hadoop import reached
from sparkdl.optim.checkpoint.snapshot import Snapshot
from sparkdl.optim.cluster.failure import Lost
from sparkdl.optim.cluster.layers import add_layers
from sparkdl.optim.cluster.recovery import Recovery
from sparkdl.optim.cluster.slots import choose_tasks, first_slots, slots_after_fault
from sparkdl.optim.cluster.stage import drop_after_failure, run_plain_stage, run_stage
from sparkdl.optim.cluster.start import Start
from sparkdl.optim.cluster.task import EvaluateTask, TrainTask, array_of
from sparkdl.optim.cluster.trial import lay_out
from sparkdl.optim.cluster.watcher import Watcher
from sparkdl.optim.costs import CostReport
from sparkdl.optim.evaluate import figures, unpack
from sparkdl.optim.history import History
from sparkdl.optim.job import Job
from sparkdl.optim.progress import Progress
from sparkdl.optim.varies import varies
from sparkdl.optim.watch.callbacks import Callbacks

log = logging.getLogger(__name__)


def fit_frame(
    job: Job,
    df: Any,
    columns: dict[str, Any],
    validation: Any,
    tasks: int | None,
    told: Callbacks,
    checkpoints: Checkpoints | None = None,
    resume: Snapshot | Checkpoints | None = None,
    restarts: int = 3,
    layout: str | None = None,
) -> History:
    """Trains ``job.model``: afterwards it holds the weights that the tasks agreed on. Task 0 writes ``checkpoints``.

    ``resume`` is a snapshot to go on from, or a folder in which task 0 finds the newest. An attempt that ends by a
    fault is followed by another one; ``restarts`` of them in a row may be without progress. ``told`` hear how it goes.
    """
    spark, began = df.sparkSession, time.time()
    if not job.shuffle and tasks is None and layout is None:
        tasks = min(partitions(df), job.shards)
    slots = first_slots(spark, tasks)
    if layout is not None:
        tasks, threads = lay_out(job, df, columns, layout, choose_tasks(None, job.shards, slots.total))
        job = replace(job, threads=threads)
    job = replace(job, choices=in_force())
    wanted = count = choose_tasks(tasks, job.shards, slots.total)
    if job.stragglers is not None:
        job.stragglers.check(count, job.shards)
    start = Start(new_run(), snapshot=resume) if isinstance(resume, Snapshot) else Start(new_run(), files=resume)
    recovery = Recovery(spark, start, restarts, checkpoints)
    try:
        watcher = Watcher(spark, told, resume.progress.iteration if isinstance(resume, Snapshot) else 0)
        while True:
            frame, plan = prepare(
                df,
                columns["features"],
                columns["label"],
                columns["weight"],
                tasks=count,
                shards=job.shards,
                order_by=columns["order_by"],
                shuffle=job.shuffle,
                dtype=job.model.dtype,
                transformed=job.transform is not None,
                validation=validation,
            )
            run = recovery.new_run()
            if checkpoints is not None:
                checkpoints.begin(run, reached(checkpoints.files, spark))
            task = TrainTask(job, plan, count, run, recovery.start, checkpoints)
            submitted = time.time()
            try:
                rows = attempt(recovery, watcher, at_the_door(frame), task, wanted, barrier=not slots.dynamic)
                ended = time.time()
                break
            except Lost as lost:
                recovery.after(lost, count)
                slots = slots_after_fault(spark, wanted, least=1 if job.shuffle else wanted)
                count = min(wanted, slots.free)
    except BaseException as error:
        if is_stopped(spark) and isinstance(error, Exception):
            raise ClusterError("the Spark session was stopped while training ran on its executors.") from error
        try:
            for run in recovery.runs:
                drop_after_failure(spark, run)
        finally:  # of a second interrupt, for one
            recovery.drop()
        raise
    recovery.drop()
    job.model.load_state_dict({row.name: array_of(row.data) for row in rows if row.kind == "state"})
    history = next(json.loads(row.data) for row in rows if row.kind == "history")
    reports = {row.rank: json.loads(row.data) for row in rows if row.kind == "report"}
    for text in reports[0]["damaged"]:
        log.warning("checkpoint passed over: %s", text)
    costs = [reports[rank] for rank in sorted(reports)]
    add_layers(spark, costs, began, submitted, ended)
    ends = [Snapshot.unpack(bytes(row.data), "the end of training") for row in rows if row.kind == "handed"]
    state = ends[0] if ends else None
    reasons = varies(job)
    return History(
        history, CostReport(costs, reasons), _visits(costs), restarts=recovery.restarts, state=state, varies=reasons
    )


def attempt(
    recovery: Recovery, watcher: Watcher, frame: Any, task: TrainTask, wanted: int, barrier: bool
) -> list[Any]:
    """One stage, watched; a restarted one tells of its first step, and ends when it could have more tasks."""

    def watch() -> None:
        watcher.look()
        recovery.spread()
        recovery.grow(task.tasks, wanted, watcher.progress.iteration, lambda: task.job.end(watcher.progress))

    watcher.follow(task.run_id, task.tasks, barrier, lambda begin: recovery.stepped(begin, task.tasks))
    rows = run_stage(recovery.spark, frame, task, barrier, watch)
    if not rows:  # Spark runs no task over a DataFrame that it knows to be empty
        raise DataError("there are no rows to train on.")
    first = next(json.loads(row.data) for row in rows if row.kind == "report")["begin"]
    recovery.stepped(first, task.tasks)  # however fast it was
    watcher.show_epochs(Progress(), next(json.loads(row.data) for row in rows if row.kind == "history"))
    return rows


def _visits(reports: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How often rows were used in the last epoch, over all tasks."""
    each = [report["visits"] for report in reports]
    return {name: sum(visits[name] for visits in each) for name in each[0]}


def evaluate_frame(job: Job, df: Any, columns: dict[str, Any], tasks: int | None) -> dict[str, Any]:
    """The metrics over a DataFrame, to the last bit those of arrays with the same rows."""
    spark = df.sparkSession
    count = choose_tasks(tasks, job.shards, first_slots(spark, tasks).total)
    frame, plan = prepare(
        df, columns["features"], columns["label"], columns["weight"],
        tasks=count, shards=job.shards, dtype=job.model.dtype, transformed=job.transform is not None,
    )  # fmt: skip
    rows = run_plain_stage(spark, frame, EvaluateTask(replace(job, choices=in_force()), plan, count))
    states: dict[Any, Any] = {(i, i + 1): [m.zero() for m in job.metrics] for i in range(job.shards)}
    for row in rows:  # none over a DataFrame that Spark knows to be empty
        states.update(unpack(bytes(row.data)))
    return figures(states, job.metrics, job.shards)


def partitions(df: Any) -> int:
    """How many partitions a DataFrame has (a job under Spark Connect, which cannot say)."""
    from pyspark.sql import functions as F

    if hasattr(df, "_jdf"):
        return df.rdd.getNumPartitions()
    return 1 + (df.select(F.max(F.spark_partition_id())).first()[0] or 0)
