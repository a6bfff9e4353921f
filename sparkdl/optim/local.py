"""Training on arrays: the same loop, a team of one, in this process."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sparkdl import kernel
from sparkdl.data.arrays import ArrayFeed
from sparkdl.data.feed import Feed
from sparkdl.data.spill import default_budget
from sparkdl.errors import DataError
from sparkdl.optim.check import check_evaluated, check_feed
from sparkdl.optim.checkpoint.checkpoints import Checkpoints
from sparkdl.optim.checkpoint.keep import Keep
from sparkdl.optim.checkpoint.snapshot import Snapshot
from sparkdl.optim.costs import CostReport
from sparkdl.optim.evaluate import figures, shard_by_shard
from sparkdl.optim.exchange.local import Local
from sparkdl.optim.exchange.member import Member
from sparkdl.optim.explain import Explanation, explain
from sparkdl.optim.history import History
from sparkdl.optim.inputs import in_models_order
from sparkdl.optim.job import Job
from sparkdl.optim.loop import Loop
from sparkdl.optim.trial import row_bytes, trial
from sparkdl.optim.watch.callbacks import Callbacks


def feed_of(job: Job, data: Any, order_by: Any = None) -> ArrayFeed:
    """A feed of ``(x, y)`` or ``(x, y, weight)``."""
    if not isinstance(data, tuple | list) or not 2 <= len(data) <= 3:
        raise DataError(f"arrays come as (x, y) or (x, y, weight); got {type(data).__name__}.")
    x, *rest = data
    return ArrayFeed(
        in_models_order(job.model, x),
        *rest,
        dtype=job.model.dtype,
        shards=job.shards,
        order_by=order_by,
        shuffle=job.shuffle,
        transform=job.transform,
    )


def fit_arrays(
    job: Job,
    data: Any,
    validation: Any,
    order_by: Any,
    told: Callbacks,
    checkpoints: Checkpoints | None = None,
    resume: Snapshot | None = None,
    on_step: Callable[..., None] | None = None,
) -> History:
    """Trains ``job.model`` in place on arrays."""
    held_out = None if validation is None else feed_of(job, validation)
    return fit_feed(job, feed_of(job, data, order_by), held_out, told, checkpoints, resume, on_step)


def fit_feed(
    job: Job,
    feed: Feed,
    validation: Feed | None,
    told: Callbacks,
    checkpoints: Checkpoints | None = None,
    resume: Snapshot | None = None,
    on_step: Callable[..., None] | None = None,
) -> History:
    """Trains ``job.model`` in place, from ``resume`` on, and writes ``checkpoints``; ``told`` hear how it goes."""
    check_feed(job.model, job.loss, feed)
    if validation is not None:
        check_feed(job.model, job.loss, validation, "validation ")
    keeps = []
    if checkpoints is not None and job.checkpoint is not None:
        checkpoints.check_unused()
        checkpoints.begin(secrets.randbits(60), checkpoints.files)
        keeps.append(Keep(job.checkpoint, checkpoints.save, last=True))
    loop = Loop(
        job, feed, Local(job.clip), Member(shards=job.shards), validation=validation, report=told.here,
        keeps=keeps, resume=resume, on_step=on_step,
    )  # fmt: skip
    with _threads(job.threads):
        done = loop.run()
    return History(done.history, costs=CostReport([loop.facts()]), visits=loop.visits.report(), state=loop.handed)


@contextmanager
def _threads(wanted: int | None) -> Iterator[None]:
    """Kernels use so many threads meanwhile, if there are as many."""
    before = kernel.num_threads()
    kernel.set_num_threads(min(wanted or before, kernel._most_threads()))
    try:
        yield
    finally:
        kernel.set_num_threads(before)


def explain_arrays(job: Job, data: Any, epochs: int) -> Explanation:
    """The dry run for arrays, which are trained on here whatever it says."""
    feed, cores = feed_of(job, data), len(os.sched_getaffinity(0))
    if not len(feed):
        raise DataError("there are no rows to train on.")
    check_feed(job.model, job.loss, feed)
    speeds = trial(job, feed, [cores])
    return explain(
        job, feed.shapes[: len(feed.inputs)], len(feed), row_bytes(feed), speeds,
        workers=1, threads=cores, cores=cores, epochs=epochs, free=default_budget(), executors=1,
    )  # fmt: skip


def evaluate_arrays(job: Job, data: Any) -> dict[str, Any]:
    """The metrics over arrays."""
    feed = feed_of(job, data)
    check_evaluated(job, feed)
    return figures(shard_by_shard(job.model, feed, job.metrics), job.metrics, job.shards)
