"""How many tasks can run at the same time."""

from __future__ import annotations

from typing import Any

from sparkdl.blockmanager.bridge.session import count_slots
from sparkdl.errors import ClusterError


def free_slots(spark: Any) -> int:
    """Tasks that the executors that are there can run at once, by their cores and ``spark.task.cpus``."""
    return count_slots(spark)


def choose_tasks(spark: Any, wanted: int | None, shards: int, slots: int) -> int:
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
