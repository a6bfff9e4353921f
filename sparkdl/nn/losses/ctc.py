"""Connectionist temporal classification."""

import numpy as np

from sparkdl.errors import DataError, ShapeError
from sparkdl.kernel import njit
from sparkdl.nn.losses.loss import Loss


class CTCLoss(Loss):
    """``-log p(labels)``, summed over all alignments of the labels with the steps.

    The mean divides each sample's loss by the number of its labels, then averages over the samples. A sample that has
    too few steps for its labels costs inf, or 0 with ``zero_infinity``.

    Shapes
    ------
    y       (batch, steps, classes)  log-probabilities; class ``blank`` is the blank
    target  (batch, labels) class numbers, padded at the end with -1; or (labels, input_lengths, target_lengths)

    Source: Graves et al. (2006), sections 3 and 4.
    """

    def __init__(self, blank: int = 0, zero_infinity: bool = False, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def check(self, y, target):
        labels = target[0] if isinstance(target, tuple) else target
        if y.ndim != 3 or labels is None or labels.ndim != 2 or len(labels) != len(y) or labels.shape[1] < 1:
            got = f"{y.shape} and {getattr(labels, 'shape', None)}"
            raise ShapeError(f"{self!r} takes (batch, steps, classes) and labels (batch, labels), got {got}.")
        labels, steps, lengths = self.fit(y, target)
        if not 0 <= self.blank < y.shape[2]:
            raise ValueError(f"{self!r}: blank must be one of the {y.shape[2]} classes, got {self.blank}.")
        if steps.shape != (len(y),) or lengths.shape != (len(y),):
            raise ShapeError(f"{self!r}: lengths hold one number per sample, got {steps.shape} and {lengths.shape}.")
        if (steps < 0).any() or (steps > y.shape[1]).any() or (lengths < 0).any() or (lengths > labels.shape[1]).any():
            raise DataError(f"{self!r}: lengths lie within {y.shape[1]} steps and {labels.shape[1]} labels.")
        used = np.arange(labels.shape[1]) < lengths[:, None]
        bad = used & ((labels < 0) | (labels >= y.shape[2]) | (labels == self.blank))
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            raise DataError(
                f"{self!r}: labels are classes 0 .. {y.shape[2] - 1} other than the blank, "
                f"got {labels[where]} for sample {where[0]}."
            )

    def fit(self, y, target):
        labels, *lengths = target if isinstance(target, tuple) else (target,)
        labels = np.ascontiguousarray(labels, np.int64)
        steps = np.asarray(lengths[0], np.int64) if lengths else np.full(len(y), y.shape[1])
        counts = np.asarray(lengths[1], np.int64) if lengths else np.cumprod(labels >= 0, axis=1).sum(1)
        return labels, steps, counts

    def terms(self, y, target):
        losses, _ = self._run(y, target, False)
        return (losses / self._divisor(target)).astype(y.dtype), None

    def slope(self, y, target):
        losses, slopes = self._run(y, target, True)
        return (slopes / self._divisor(target)[:, None, None]).astype(y.dtype, copy=False)

    def _divisor(self, target):
        return np.maximum(target[2], 1).astype(np.float64) if self.reduction == "mean" else np.ones(len(target[2]))

    def _run(self, y, target, backward):
        labels, steps, lengths = target
        losses, slopes = np.empty(len(y)), np.zeros(y.shape if backward else (0, 0, 0))
        _ctc(losses, slopes, np.ascontiguousarray(y), labels, steps, lengths, self.blank, backward)
        if self.zero_infinity:
            slopes[np.isinf(losses)[: len(slopes)]] = 0
            losses[np.isinf(losses)] = 0
        return losses, slopes


@njit
def _add(a, b):
    """``log(exp(a) + exp(b))``."""
    top, low = max(a, b), min(a, b)
    return top if low == -np.inf else top + np.log1p(np.exp(low - top))


@njit
def _ctc(losses, slopes, y, labels, steps, lengths, blank, backward):
    for n in range(len(y)):
        width = 2 * lengths[n] + 1  # the labels with a blank before, between and after them
        states = np.empty(width, np.int64)
        for s in range(width):
            states[s] = labels[n, s // 2] if s % 2 else blank
        if steps[n] == 0:
            losses[n] = 0.0 if lengths[n] == 0 else np.inf
            continue
        ahead = _alphas(y[n, : steps[n]], states)
        last = ahead[-1, width - 1]
        total = _add(last, ahead[-1, width - 2]) if width > 1 else last
        losses[n] = -total
        if backward:
            if total == -np.inf:
                slopes[n, : steps[n]] = np.nan
            else:
                _slopes(slopes[n], y[n, : steps[n]], states, ahead, total)


@njit
def _alphas(y, states):
    """``out[t, s]``: log-probability of all ways into state ``s`` at step ``t``."""
    out = np.full((len(y), len(states)), -np.inf)
    out[0, 0] = y[0, states[0]]
    if len(states) > 1:
        out[0, 1] = y[0, states[1]]
    for t in range(1, len(y)):
        for s in range(len(states)):
            total = out[t - 1, s]
            if s > 0:
                total = _add(total, out[t - 1, s - 1])
            if s > 1 and s % 2 == 1 and states[s] != states[s - 2]:
                total = _add(total, out[t - 1, s - 2])
            out[t, s] = total + y[t, states[s]]
    return out


@njit
def _slopes(slopes, y, states, ahead, total):
    """Adds ``-p(step t is in state s)`` at the class of each state; ``behind`` is what follows state ``s``."""
    width = len(states)
    behind = np.full(width, -np.inf)
    behind[width - 1] = 0.0
    if width > 1:
        behind[width - 2] = 0.0
    for t in range(len(y) - 1, -1, -1):
        for s in range(width):
            slopes[t, states[s]] -= np.exp(ahead[t, s] + behind[s] - total)
        for s in range(width):  # only states at or after s are read, so the update can be in place
            more = behind[s] + y[t, states[s]]
            if s + 1 < width:
                more = _add(more, behind[s + 1] + y[t, states[s + 1]])
            if s + 2 < width and s % 2 == 1 and states[s] != states[s + 2]:
                more = _add(more, behind[s + 2] + y[t, states[s + 2]])
            behind[s] = more
