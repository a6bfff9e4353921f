"""Training on a Spark DataFrame: one stage whose tasks run the loop together."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from typing import Any

from sparkdl.blockmanager.bridge.session import blocks_of, drop_everywhere, new_run, open_door, read_notes
from sparkdl.data.frame import prepare
from sparkdl.errors import ClusterError, DataError
from sparkdl.optim.bar import Bar
from sparkdl.optim.checkpoint.checkpoints import Checkpoints
from sparkdl.optim.cluster import failure
from sparkdl.optim.cluster.slots import choose_tasks, free_slots
from sparkdl.optim.cluster.task import SCHEMA, EvaluateTask, TrainTask, array_of
from sparkdl.optim.evaluate import figures, unpack
from sparkdl.optim.history import History
from sparkdl.optim.job import Job
from sparkdl.optim.progress import Progress

POLL = 0.5  # seconds between two looks at the tasks' notes
ENDING = 15.0  # seconds that a cancelled job may take to end
QUIET = 2.5  # seconds without a new block after which no task of a failed stage is alive


def fit_frame(
    job: Job,
    df: Any,
    columns: dict[str, Any],
    validation: Any,
    tasks: int | None,
    show: bool,
    checkpoints: Checkpoints | None = None,
    on_epoch: Callable[..., None] | None = None,
) -> History:
    """Trains ``job.model``: afterwards it holds the weights that the tasks agreed on. Task 0 writes ``checkpoints``."""
    spark = df.sparkSession
    open_door(spark)
    if not job.shuffle and tasks is None:
        tasks = min(partitions(df), job.shards)
    count = choose_tasks(spark, tasks, job.shards, free_slots(spark))
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
    run = new_run()
    task = TrainTask(job, plan, count, run, checkpoints)
    with Bar(show, on_epoch=on_epoch) as bar:
        watcher = Watcher(spark, run, bar)
        rows = run_stage(spark, frame, task, run, count, watcher)
        if not rows:  # Spark runs no task over a DataFrame that it knows to be empty
            raise DataError("there are no rows to train on.")
        history = next(json.loads(row.data) for row in rows if row.kind == "history")
        watcher.show_epochs(Progress(), history)
    job.model.load_state_dict({row.name: array_of(row.data) for row in rows if row.kind == "state"})
    reports = {row.rank: json.loads(row.data) for row in rows if row.kind == "report"}
    return History(history, costs=[reports[rank] for rank in sorted(reports)], visits=_visits(reports))


def _visits(reports: dict[int, dict[str, Any]]) -> dict[str, int]:
    """How often rows were used in the last epoch, over all tasks."""
    each = [report["visits"] for report in reports.values()]
    return {name: sum(visits[name] for visits in each) for name in each[0]}


def evaluate_frame(job: Job, df: Any, columns: dict[str, Any], tasks: int | None) -> dict[str, Any]:
    """The metrics over a DataFrame, to the last bit those of arrays with the same rows."""
    spark = df.sparkSession
    open_door(spark)
    count = choose_tasks(spark, tasks, job.shards, free_slots(spark))
    frame, plan = prepare(
        df, columns["features"], columns["label"], columns["weight"],
        tasks=count, shards=job.shards, dtype=job.model.dtype, transformed=job.transform is not None,
    )  # fmt: skip
    rows = run_stage(spark, frame, EvaluateTask(job, plan, count), None, count, None)
    states: dict[Any, Any] = {}
    for row in rows:
        states.update(unpack(bytes(row.data)))
    return figures(states, job.metrics, job.shards)


def partitions(df: Any) -> int:
    """How many partitions a DataFrame has (a job under Spark Connect, which cannot say)."""
    from pyspark.sql import functions as F

    if hasattr(df, "_jdf"):
        return df.rdd.getNumPartitions()
    return 1 + (df.select(F.max(F.spark_partition_id())).first()[0] or 0)


def run_stage(spark: Any, frame: Any, task: Any, run: int | None, count: int, watcher: Watcher | None) -> list[Any]:
    """The rows that the stage's tasks give back. Its job is cancelled and its blocks are gone, however it ends."""
    stage = Stage(spark, frame, task, barrier=run is not None and count > 1)
    try:
        while not stage.done.wait(POLL):
            if watcher is not None:
                watcher.look()
        return stage.result()
    except BaseException as error:
        stage.cancel()
        if run is not None:
            drop_after_failure(spark, run)
        if not isinstance(error, Exception):  # interrupted
            raise
        found = failure.find(error)
        if found is not None:
            raise failure.restore(found) from None
        if "SPARK-24819" in str(error) or "more slots than" in str(error):
            raise ClusterError(
                f"training needs {count} slots at once and they are not there; give tasks= fewer, or wait for other jobs."
            ) from error
        raise
    finally:
        if run is not None:
            drop_everywhere(spark, run)


def drop_after_failure(spark: Any, run: int) -> None:
    """Drops a run's blocks until no more come: tasks that Spark ends may put some for up to two seconds."""
    deadline = quiet_since = time.monotonic()
    while time.monotonic() < deadline + ENDING and time.monotonic() < quiet_since + QUIET:
        if blocks_of(spark, run):
            drop_everywhere(spark, run)
            quiet_since = time.monotonic()
        time.sleep(0.2)


class Stage:
    """A job in a thread of its own, so that the main thread can look at its progress and be interrupted."""

    def __init__(self, spark: Any, frame: Any, task: Any, barrier: bool) -> None:
        self.spark, self.tag = spark, f"sparkdl-{new_run()}"
        self.done = threading.Event()
        self._rows: list[Any] | None = None
        self._error: BaseException | None = None
        self._work = lambda: frame.mapInArrow(task, SCHEMA, barrier=barrier).collect()
        threading.Thread(target=self._run, name="sparkdl-stage", daemon=True).start()

    def _run(self) -> None:
        try:
            self.spark.addTag(self.tag)  # tags belong to the thread that starts the job
            self._rows = self._work()
        except BaseException as error:
            self._error = error
        finally:
            self.done.set()

    def result(self) -> list[Any]:
        """The job's rows, or the error with which it ended."""
        if self._error is not None:
            raise self._error
        assert self._rows is not None
        return self._rows

    def cancel(self) -> None:
        """Ends the job if it still runs."""
        if not self.done.is_set():
            self.spark.interruptTag(self.tag)
            self.done.wait(ENDING)


class Watcher:
    """Shows the progress of rank 0 while the stage runs; looking costs no task."""

    def __init__(self, spark: Any, run: int, bar: Bar) -> None:
        self.spark, self.run, self.bar = spark, run, bar
        self._iteration = 0  # of the last line shown

    def look(self) -> None:
        note = read_notes(self.spark, self.run, 1)[0]
        if note:
            told, shown, history = json.loads(note)
            progress = Progress(**{**told, "loss": math.nan if told["loss"] is None else told["loss"]})
            self.show_epochs(progress, history)
            if "steps" in shown:
                self.bar.update(progress, shown)

    def show_epochs(self, progress: Progress, history: list[dict[str, Any]]) -> None:
        """A line for every epoch that has none yet."""
        for line in history:
            if line["iteration"] > self._iteration:
                self._iteration = line["iteration"]
                self.bar.update(progress, line)
