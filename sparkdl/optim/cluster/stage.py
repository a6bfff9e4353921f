"""One stage: its job in the background, its progress watched, its blocks gone however it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sparkdl.blockmanager.bridge.background import Background
from sparkdl.blockmanager.bridge.session import blocks_of, drop_everywhere, read_notes
from sparkdl.carry import carry
from sparkdl.optim.cluster import failure
from sparkdl.optim.cluster.task import SCHEMA

POLL = 0.5  # seconds between two looks at a stage
ENDING = 15.0  # seconds that a cancelled job may take to end
QUIET = 2.5  # seconds without a new block after which no task of a failed stage is alive


def run_stage(spark: Any, frame: Any, task: Any, barrier: bool, watch: Callable[[], None] = lambda: None) -> list[Any]:
    """The rows that the stage's tasks give back; ``watch`` is called now and then, and may raise to end it.

    A task's exception is raised as the user's own; ``Lost`` when something else than the tasks' code failed.
    """
    stage = Background(spark, lambda: frame.mapInArrow(carry(task), SCHEMA, barrier=barrier).collect())
    try:
        while not stage.done.wait(POLL):
            watch()
        return stage.result()
    except Exception as error:
        stage.cancel(ENDING)
        found = failure.find(error)
        if not failure.is_fault(error, found):  # of several that failed, the one whose code did tells why
            raise (failure.restore(found) if found is not None else error) from None
        for note in read_notes(spark, task.run_id, task.tasks) if task.run_id is not None else ():
            told = failure.find(note)
            if told is not None and not failure.is_fault(error, told):
                raise failure.restore(told) from None
        cause = error if found is None else failure.restore(found)
        raise failure.Lost(failure.reason(cause)) from cause
    except BaseException:  # interrupted
        stage.cancel(ENDING)
        raise


def drop_after_failure(spark: Any, run: int) -> None:
    """Drops a run's blocks until no more come: tasks that Spark ends may put some for up to two seconds."""
    deadline = quiet_since = time.monotonic()
    while time.monotonic() < deadline + ENDING and time.monotonic() < quiet_since + QUIET:
        if blocks_of(spark, run, partial=True):
            drop_everywhere(spark, run)
            quiet_since = time.monotonic()
        time.sleep(0.2)
