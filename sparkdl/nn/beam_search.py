"""The most likely sequences that a model can write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sparkdl.errors import ShapeError

State = Any  # arrays of axis 0 = batch * beams, in tuples, lists and dicts


def beam_search(
    score: Callable[[np.ndarray, State], tuple[np.ndarray, State]],
    first: np.ndarray,
    state: State = None,
    *,
    beams: int,
    steps: int,
    end: int,
    alpha: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """The ``beams`` best sequences of each sample and their scores, best first.

    ``score(sequences, state)`` gets ``(batch * beams, length)`` class numbers, the first of which are ``first``
    (batch,), and returns the log-probabilities ``(batch * beams, classes)`` of what follows and the state to go on
    from. ``state`` starts with axis 0 = batch. A sequence ends with class ``end`` or after ``steps`` more places. Its
    score is the sum of its log-probabilities over ``((5 + n) / 6)**alpha``, n being the number of classes after the
    first.

    Returns sequences (batch, beams, 1 + steps), filled up with ``end``, and float64 scores (batch, beams), -inf where
    there are fewer sequences than beams.

    Source: Wu et al. (2016), section 7.
    """
    if not (beams >= 1 and steps >= 1):
        raise ValueError(f"beam_search: beams and steps must be >= 1, got {beams!r} and {steps!r}.")
    first = np.asarray(first, np.int64)
    batch = len(first)
    rows = np.arange(batch)[:, None]
    sequences = np.broadcast_to(first[:, None, None], (batch, beams, 1))
    alive = np.full((batch, beams), -np.inf)
    alive[:, 0] = 0  # all beams are the same at first: only one of them counts
    done = np.full((batch, beams, 1 + steps), end, np.int64)
    scores = np.full((batch, beams), -np.inf)
    state = _take(state, np.repeat(np.arange(batch), beams))
    for n in range(1, steps + 1):
        logs, state = score(sequences.reshape(batch * beams, n), state)
        classes = logs.shape[1]
        if logs.shape[0] != batch * beams or not 0 <= end < classes:
            raise ShapeError(f"beam_search: score returned {logs.shape}, expected ({batch * beams}, more than {end}).")
        total = (alive[:, :, None] + np.asarray(logs, np.float64).reshape(batch, beams, classes)).reshape(batch, -1)
        best = np.argsort(-total, axis=1, kind="stable")[:, : 2 * beams]  # beams remain even if as many end
        parent, chosen, value = best // classes, best % classes, np.take_along_axis(total, best, 1)
        longer = np.concatenate([sequences[rows, parent], chosen[:, :, None]], axis=2)
        ends = (chosen == end) | (n == steps)
        found = np.where(ends, value / ((5 + n) / 6) ** alpha, -np.inf)
        full = np.full((*longer.shape[:2], 1 + steps), end, np.int64)
        full[:, :, : n + 1] = longer
        scores, done = _best(np.concatenate([scores, found], 1), np.concatenate([done, full], 1), beams)
        left = np.where(ends, -np.inf, value)
        order = np.argsort(-left, axis=1, kind="stable")[:, :beams]
        alive = np.take_along_axis(left, order, 1)
        sequences = longer[rows, order]
        if not np.isfinite(alive).any():
            break
        state = _take(state, (rows * beams + np.take_along_axis(parent, order, 1)).reshape(-1))
    return done, scores


def _best(scores: np.ndarray, sequences: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(-scores, axis=1, kind="stable")[:, :n]
    return np.take_along_axis(scores, order, 1), sequences[np.arange(len(order))[:, None], order]


def _take(state: State, rows: np.ndarray) -> State:
    """The rows of all arrays in ``state``."""
    if state is None:
        return None
    if isinstance(state, dict):
        return {name: _take(each, rows) for name, each in state.items()}
    if isinstance(state, tuple | list):
        return type(state)(_take(each, rows) for each in state)
    return state[rows]
