"""Labels against outputs, before the first step: one clear error rather than a failure in the middle of an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.data.feed import Feed
from sparkdl.data.order import Batch
from sparkdl.errors import DataError, ShapeError
from sparkdl.nn.losses.loss import Loss
from sparkdl.nn.module import Module
from sparkdl.optim.evaluate import run_eval

ROWS = 8192  # at a time


def check_feed(model: Module, loss: Loss, feed: Feed) -> None:
    """Runs one row through the model to learn the outputs' shape, and lets the loss check every label against it."""
    if not len(feed):
        return
    y = run_eval(model, _some(feed, 0, 1).inputs)
    for a in range(0, len(feed), ROWS):
        target = feed.target(np.arange(a, min(a + ROWS, len(feed))))
        if target is None:
            return
        first = target[0] if isinstance(target, tuple) else target
        like = [np.broadcast_to(each, (len(first), *each.shape[1:])) for each in y]
        try:
            loss.check(like[0] if len(like) == 1 else tuple(like), target)
        except (DataError, ShapeError) as error:
            raise type(error)(f"label {', '.join(map(repr, feed.target_names))}: {error}") from None


def _some(feed: Feed, a: int, b: int) -> Any:
    local = np.arange(a, b)
    return feed.rows(Batch(0, b - a, np.array([0, b - a]), local, local, local))
