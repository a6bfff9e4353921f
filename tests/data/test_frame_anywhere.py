"""The same rows in the same order out of executors of their own, run after run."""

import hashlib

import numpy as np

from sparkdl.data import ArrayFeed

PROGRAM = """
import hashlib, sys
import numpy as np
from sparkdl.data.frame import prepare

def digests(spark, tasks):
    df = spark.range(0, 5000, 1, 7).selectExpr("array(cast(id as double) / 7, cos(id), id) x", "id % 10 y")
    df2, plan = prepare(df.repartition(5), "x", "y", tasks=tasks)

    def decode(batches):
        import pyarrow as pa
        from pyspark import TaskContext

        from sparkdl.data.order import Batch

        context = TaskContext.get()
        task = context.partitionId()
        feed, _ = plan.decode(batches, task, tasks)
        every = np.arange(len(feed))
        rows = feed.rows(Batch(0, len(feed), every[:0], every, every, every))
        data = np.concatenate([rows.inputs[0], rows.target[:, None]], axis=1).tobytes()
        yield pa.RecordBatch.from_arrays([pa.array([task]), pa.array([data])], names=["t", "d"])

    parts = sorted(df2.mapInArrow(decode, "t long, d binary", barrier=True).collect())
    assert len(parts) == tasks
    return hashlib.sha256(b"".join(bytes(part.d) for part in parts)).hexdigest()
"""


def expected():
    """The digest of the same rows from arrays."""
    i = np.arange(5000)
    x = np.stack([i / 7, np.cos(i), i], 1).astype(np.float32)
    feed = ArrayFeed(x, i % 10)
    order = feed._order
    return hashlib.sha256(np.concatenate([x[order], (i % 10)[order, None]], axis=1).tobytes()).hexdigest()


def test_executors_hand_rows_over_in_any_order_and_it_does_not_matter(cluster):
    space = {}
    exec(PROGRAM, space)  # so that workers get the function by value
    assert {space["digests"](cluster, tasks) for tasks in (1, 2, 2, 2)} == {expected()}
