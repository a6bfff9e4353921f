"""What lies below a training stage: when Spark launched what, and where its tasks read their rows."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

log = logging.getLogger(__name__)


def add_layers(
    spark: Any, reports: Sequence[dict[str, Any]], began: float, submitted: float, ended: float
) -> None:
    """Puts ``layers`` and ``reads`` into each task's report.

    ``began``, ``submitted``, ``ended``: when ``fit`` was called, when this attempt's job was, and when its rows were
    back, seconds since 1970. Times of executors are by their own clocks.
    """
    told = _of_spark(spark, reports[0]["stage"]) if hasattr(spark, "_jsparkSession") else {}
    for rank, report in enumerate(reports):
        times, task = report["times"], told.get(rank, {})
        stage, launched = task.get("stage"), task.get("launched")
        report["layers"] = {
            "prepare": submitted - began,
            "launch": None if stage is None else stage - submitted,
            "schedule": None if stage is None or launched is None else launched - stage,
            "start": times["python"] - (submitted if launched is None else launched),
            "meet": times["met"] - times["python"],
            "load": times["loaded"] - times["met"],
            "train": times["trained"] - times["loaded"],
            "collect": ended - times["trained"],
        }
        report["reads"] = {name: task[name] for name in ("local", "remote", "locality") if name in task}


def _of_spark(spark: Any, stage: int) -> Mapping[int, dict[str, Any]]:
    """``{partition: {stage, launched, locality, local, remote}}`` as Spark's own records say; no task is started."""
    try:
        store = spark.sparkContext._jsc.sc().statusStore()
        data = store.lastStageAttempt(stage)
        submitted = data.submissionTime()
        found = {}
        tasks = store.taskList(stage, data.attemptId(), 1 << 20).iterator()
        while tasks.hasNext():
            task = tasks.next()
            read = task.taskMetrics().get().shuffleReadMetrics() if task.taskMetrics().isDefined() else None
            found[task.partitionId()] = {
                "stage": submitted.get().getTime() / 1000 if submitted.isDefined() else None,
                "launched": task.launchTime().getTime() / 1000,
                "locality": task.taskLocality(),
                "local": None if read is None else read.localBytesRead(),
                "remote": None if read is None else read.remoteBytesRead(),
            }
        return found
    except Exception as error:  # another Spark may keep its records otherwise: no reason to lose a trained model
        log.warning("what Spark knows of stage %d cannot be read: %s", stage, error)
        return {}
