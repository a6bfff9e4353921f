"""Runs the members of a run: threads over the memory store, or tasks of a Spark stage over the spark store."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from sparkdl.blockmanager.memory import MemoryHub

Work = Callable[[Any], Any]
"""What each member does, given its store; its result is returned."""


def as_threads(work: Work, size: int = 2) -> list[Any]:
    hub = MemoryHub(size)
    results: list[Any] = [None] * size

    def member(rank: int) -> None:
        try:
            results[rank] = work(hub.connect(rank))
        except BaseException as error:
            results[rank] = error

    threads = [threading.Thread(target=member, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def as_tasks(spark: Any, work: Work, size: int = 2, run: int | None = None) -> list[Any]:
    """As tasks of one barrier stage. Afterwards no block manager holds a block of the run."""
    from pyspark import cloudpickle

    from sparkdl.blockmanager.bridge import session

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    cloudpickle.register_pickle_by_value(sys.modules[work.__module__])
    session.open_door(spark)
    run = run or session.new_run()

    def stage(batches: Any) -> Any:
        import pickle

        import pyarrow as pa
        from pyspark import TaskContext

        from sparkdl.blockmanager.spark import connect

        for _ in batches:
            pass
        rank = TaskContext.get().partitionId()
        with connect(run, rank, size, timeout=60) as store:
            result = pickle.dumps(work(store))
        yield pa.RecordBatch.from_arrays([pa.array([rank]), pa.array([result])], names=["rank", "result"])

    import pickle

    try:
        frame = spark.range(0, size, 1, size).mapInArrow(stage, "rank long, result binary", barrier=True)
        rows = sorted(frame.collect(), key=lambda row: row.rank)
    finally:
        session.drop_everywhere(spark, run)
    assert session.blocks_of(spark, run) == []
    return [pickle.loads(row.result) for row in rows]
