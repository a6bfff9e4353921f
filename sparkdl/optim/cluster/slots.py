"""How many tasks can run at the same time, at first and after a fault."""

from __future__ import annotations

import time
from typing import Any

from sparkdl.blockmanager.bridge.session import Slots, count_slots, open_door
from sparkdl.errors import ClusterError

GRACE = 6.0  # seconds after a fault in which tasks that were cancelled end: Spark ends their Python within four
ANSWER = 5.0  # seconds in which an executor must open its door then
ARRIVAL = 120.0  # seconds in which dynamic allocation brings executors, or a cluster its first one
PAUSE = 1.0  # seconds that a task takes up a slot, to make dynamic allocation start executors
LOOK = 0.25


def choose_tasks(wanted: int | None, shards: int, slots: int) -> int:
    """The number of tasks of a training stage: ``wanted``, or the slots there are, at most one per virtual shard."""
    if slots < 1:
        raise ClusterError("Spark has no executor to run a task on; wait for one, or ask the cluster for more.")
    if wanted is None:
        return min(slots, shards)
    if wanted > slots:
        raise ClusterError(
            f"training on tasks={wanted} needs {wanted} tasks at once, and Spark has {slots} slots (cores of executors "
            f"over spark.task.cpus); give tasks={slots}, or start more executors."
        )
    return wanted


def first_slots(spark: Any, wanted: int | None) -> Slots:
    """The slots, with a door in every executor; dynamic allocation is made to bring ``wanted`` of them."""
    open_door(spark)
    slots = count_slots(spark)
    deadline = time.monotonic() + ARRIVAL
    while slots.dynamic and wanted is not None and slots.total < wanted:
        if time.monotonic() > deadline:
            raise ClusterError(
                f"training on tasks={wanted} needs {wanted} slots at once, and dynamic allocation has brought "
                f"{slots.total} within {ARRIVAL:.0f} s; give tasks={max(slots.total, 1)}, or raise "
                "spark.dynamicAllocation.maxExecutors."
            )
        open_door(spark, pause=PAUSE, tasks=2 * wanted)
        slots = count_slots(spark)
    return slots


def slots_after_fault(spark: Any, wanted: int, least: int = 1, limit: float = ARRIVAL) -> Slots:
    """The slots once ``wanted`` of them, or all that there are, are free, or after a while if ``least`` are.

    An executor that replaces one is not waited for: it takes seconds to start, and longer to do its first step than
    those that are left. Slots whose task does not end (a stopped executor's) are not free.
    """
    began = time.monotonic()
    while True:
        slots, waited = count_slots(spark), time.monotonic() - began
        left = slots.free == slots.total
        if slots.free >= wanted or ((left or waited > GRACE) and slots.free >= least):
            return slots
        if waited > limit:
            raise ClusterError(f"{slots.free} of {slots.total} slots are free {limit:.0f} s after a fault.")
        if slots.dynamic and slots.total < wanted:
            open_door(spark, timeout=ANSWER, everyone=False, pause=PAUSE, tasks=2 * wanted)
        else:
            time.sleep(LOOK)
