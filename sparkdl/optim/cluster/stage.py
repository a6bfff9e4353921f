"""One stage: its job in the background, its progress watched, its blocks gone however it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sparkdl.blockmanager.bridge.background import Background
from sparkdl.blockmanager.bridge.session import blocks_of, drop_everywhere, read_notes
from sparkdl.carry import carry
from sparkdl.optim.cluster import failure
from sparkdl.optim.cluster.failure import Lost
from sparkdl.optim.cluster.task import SCHEMA

POLL = 0.5  # seconds between two looks at a stage
ENDING = 15.0  # seconds that a cancelled job may take to end
QUIET = 2.5  # seconds without a new block after which no task of a failed stage is alive


def run_stage(spark: Any, frame: Any, task: Any, barrier: bool, watch: Callable[[], None] = lambda: None) -> list[Any]:
    """The rows that the stage's tasks give back; ``watch`` is called now and then, and may raise to end it.

    A task's exception is raised as the user's own; ``Lost`` when something else than the tasks' code failed, or by
    ``watch``. Whatever else that raises is no word on the job, and is passed on.
    """
    stage = Background(spark, lambda: frame.mapInArrow(carry(task), SCHEMA, barrier=barrier).collect())
    try:
        while not stage.done.wait(POLL):
            watch()
    except Lost:
        stage.cancel(ENDING)
        _raise_users(spark, task)
        raise
    except BaseException:  # an interrupt, or a mistake in a callback
        stage.cancel(ENDING)
        raise
    try:
        return stage.result()
    except Exception as error:
        found = failure.find(error)
        cause = failure.as_elsewhere(error) if found is None else failure.restore(found)
        if not failure.is_fault(error, found):
            raise cause from None
        _raise_users(spark, task)
        raise Lost(cause) from cause


def run_plain_stage(spark: Any, frame: Any, task: Any) -> list[Any]:
    """`run_stage` for tasks that Spark may repeat one by one; what it gave up on is raised as it is."""
    try:
        return run_stage(spark, frame, task, barrier=False)
    except Lost as lost:
        assert lost.__cause__ is not None
        raise lost.__cause__ from None


def _raise_users(spark: Any, task: Any) -> None:
    """Of several tasks that failed, the one whose code did tells why."""
    for note in read_notes(spark, task.run_id, task.tasks) if task.run_id is not None else ():
        told = failure.find(note)
        if told is not None and not failure.is_fault(error := failure.restore(told), told):
            raise error from None


def drop_after_failure(spark: Any, run: int) -> None:
    """Drops a run's blocks until no more come: tasks that Spark ends may put some for up to two seconds."""
    deadline = quiet_since = time.monotonic()
    while time.monotonic() < deadline + ENDING and time.monotonic() < quiet_since + QUIET:
        if blocks_of(spark, run, partial=True):
            drop_everywhere(spark, run)
            quiet_since = time.monotonic()
        time.sleep(0.2)
