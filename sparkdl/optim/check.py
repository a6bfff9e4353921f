"""Rows against model and loss, before the first step: one clear error rather than a failure in mid-epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparkdl.data.feed import Feed
from sparkdl.data.order import Batch
from sparkdl.errors import DataError, ShapeError
from sparkdl.nn.losses.loss import Loss
from sparkdl.nn.module import Module
from sparkdl.optim.evaluate import run_eval
from sparkdl.optim.job import Job
from sparkdl.optim.metrics.loss import Loss as LossMetric

ROWS = 8192  # at a time


def check_feed(model: Module, loss: Loss, feed: Feed, of: str = "") -> None:
    """Runs one row through the model to learn the outputs' shape, and lets the loss check every label against it.

    ``of`` stands before the columns' names in messages ("validation ").
    """
    if not len(feed):
        return
    inputs = _some(feed, 0, 1).inputs
    try:
        y = run_eval(model, inputs)
    except ShapeError as error:
        shapes = " and ".join(str(x.shape[1:]) for x in inputs)
        raise _named(error, f"{of}features {_listed(feed.input_names)}, rows of shape {shapes}") from None
    places = feed.places_as_given()
    for a in range(0, len(feed), ROWS):
        rows = places[a : a + ROWS]
        target = feed.target(rows)
        like = [np.broadcast_to(each, (len(rows), *each.shape[1:])) for each in y]
        try:
            loss.check(like[0] if len(like) == 1 else tuple(like), target)
        except (DataError, ShapeError) as error:
            what = f"{of}label {_listed(feed.target_names)}" if feed.target_names else f"{of}label (none was given)"
            raise _named(error, f"{what}, from row {a:,} on" if a else what) from None
        if target is None:
            return


def check_evaluated(job: Job, feed: Feed) -> None:
    """Labels of rows that are only looked at, where a loss is among the figures: other metrics check their own."""
    for metric in job.metrics:
        if isinstance(metric, LossMetric):
            check_feed(job.model, metric.loss, feed)


def _named(error: Exception, what: str) -> Exception:
    """The same error, which says what it is about, with the notes of the place where it was raised."""
    named = type(error)(f"{what}: {error}")
    for note in getattr(error, "__notes__", ()):
        named.add_note(note)
    return named


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))


def _some(feed: Feed, a: int, b: int) -> Any:
    local = np.arange(a, b)
    return feed.rows(Batch(0, b - a, np.array([0, b - a]), local, local, local))
