"""Training for a stage: in the driver or on the executors, one fit after another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sparkdl.optim.cluster.here import fit_frame_here
from sparkdl.optim.history import History
from sparkdl.optim.trainer import Trainer

SMALL = 32 << 20  # bytes of rows, by Spark's own estimate, up to which training in the driver is the faster way
_turns: dict[str, threading.Lock] = {}
_turns_lock = threading.Lock()


def fit(
    trainer: Trainer,
    data: Any,
    columns: dict[str, Any],
    validation: Any,
    metrics: Any,
    where: str,
    resume: str | None = None,
) -> History:
    """Trains ``trainer.model`` on a DataFrame; ``where`` is "auto", "always" (here) or "never".

    ``resume`` is the folder of checkpoints to go on from.
    """
    with turn(data.sparkSession):
        if where == "always" or (where == "auto" and trainer.tasks is None and is_small(data)):
            return fit_here(trainer, data, columns, validation, metrics, resume)
        return trainer.fit(data, **columns, validation=validation, metrics=metrics, resume=resume)


@contextmanager
def turn(spark: Any) -> Iterator[None]:
    """Waits for the other fits of this Spark application.

    A training stage needs all its slots at once, and takes them all; two that start at once, as under
    ``CrossValidator(parallelism=2)``, would each wait for slots that the other has.
    """
    key = spark.sparkContext.applicationId if hasattr(spark, "_jsparkSession") else "connect"
    with _turns_lock:
        lock = _turns.setdefault(key, threading.Lock())
    with lock:
        yield


def is_small(df: Any) -> bool:
    """Whether Spark's estimate, made without a job, says that the rows are few; under Spark Connect there is none."""
    if not hasattr(df, "_jdf"):
        return False
    return int(str(df._jdf.queryExecution().optimizedPlan().stats().sizeInBytes())) <= SMALL


def fit_here(
    trainer: Trainer, data: Any, columns: dict[str, Any], validation: Any, metrics: Any, resume: str | None
) -> History:
    """Trains on rows collected in this process: the same weights, to the last bit, as the executors would give."""
    job = trainer.job(metrics)
    trainer.check_names(job, validation is not None)
    begin = None if resume is None else trainer.checkpoints(resume).newest()
    written = trainer.written(resume)
    with trainer.told(job) as told:
        told.history = fit_frame_here(told.asks(job), data, columns, validation, told, written, begin)
    return told.history
