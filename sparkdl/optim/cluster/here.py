"""A DataFrame's rows collected in the driver and trained on there: the same weights as on the executors."""

from __future__ import annotations

from typing import Any

from sparkdl.data.frame import prepare
from sparkdl.errors import DataError
from sparkdl.optim.checkpoint.checkpoints import Checkpoints
from sparkdl.optim.checkpoint.snapshot import Snapshot
from sparkdl.optim.history import History
from sparkdl.optim.job import Job
from sparkdl.optim.local import fit_feed
from sparkdl.optim.watch.callbacks import Callbacks


def fit_frame_here(
    job: Job,
    df: Any,
    columns: dict[str, Any],
    validation: Any,
    told: Callbacks,
    checkpoints: Checkpoints | None = None,
    resume: Snapshot | None = None,
) -> History:
    """Trains ``job.model`` in this process. All rows come to its memory at once; then what exceeds the budget lies in
    files.
    """
    frame, plan = prepare(
        df, **columns, tasks=1, shards=job.shards, shuffle=job.shuffle, dtype=job.model.dtype,
        transformed=job.transform is not None, validation=validation,
    )  # fmt: skip
    feed, held_out = plan.decode(
        frame.toArrow().to_batches(), task=0, tasks=1, transform=job.transform, budget=job.memory_budget
    )
    if not len(feed):
        raise DataError("there are no rows to train on.")
    return fit_feed(job, feed, held_out, told, checkpoints, resume)
