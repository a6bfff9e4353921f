from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sparkdl.errors import UnsupportedError
from sparkdl.optim import checks
from sparkdl.optim.rules.base import UpdateRule
from sparkdl.optim.rules.wolfe import strong_wolfe

Closure = Callable[[np.ndarray], tuple[float, np.ndarray]]


class LBFGS(UpdateRule):
    """Quasi-Newton steps ``w -= t H g``, where H is built from the last ``history_size`` changes of w and g.

    It evaluates the loss several times a step, on the same (whole) data, so it runs on one machine, by `minimize` (or
    by `step`, for functions of one's own); it is no rule for slices. t is found by a strong Wolfe line search, or is
    ``lr`` with ``line_search_fn=None``.

    Source: Nocedal & Wright (2006), algorithms 7.4 and 7.5; arguments and stopping tests as in PyTorch.
    """

    closure = True

    def __init__(
        self,
        lr=1.0,
        max_iter=20,
        max_eval=None,
        tolerance_grad=1e-7,
        tolerance_change=1e-9,
        history_size=100,
        line_search_fn="strong_wolfe",
        **shared,
    ):
        self.max_iter, self.max_eval, self.history_size = max_iter, max_eval, history_size
        self.tolerance_grad, self.tolerance_change = tolerance_grad, tolerance_change
        self.line_search_fn = line_search_fn
        checks.whole(self, max_iter=max_iter, history_size=history_size, max_eval=1 if max_eval is None else max_eval)
        checks.not_negative(self, tolerance_grad=tolerance_grad, tolerance_change=tolerance_change)
        checks.one_of(self, ("strong_wolfe", None), line_search_fn=line_search_fn)
        if shared.get("groups"):
            raise UnsupportedError("LBFGS: it updates a model as a whole; it takes no groups.")
        super().__init__(lr, **shared)

    def update(self, w, g, state, step, segments):
        raise UnsupportedError(
            "LBFGS evaluates the loss several times a step on the whole data, so it has no step for a slice of the "
            "weights: use optim.minimize(model, loss, x, y, rule) on one machine, or train with Adam or SGD."
        )

    def step(self, closure: Closure, w: np.ndarray, state: dict[str, Any], lr: float | None = None) -> float:
        """Up to ``max_iter`` iterations on ``w``, in place; returns the loss at the start.

        ``closure(w)`` gives loss and gradient; ``state``, at first ``{}``, is carried from step to step: numbers and
        arrays, ready for a snapshot.
        """
        lr = self.lr if lr is None else lr
        most = self.max_eval or self.max_iter * 5 // 4
        loss, g = _evaluated(closure, w)
        first, evaluations = loss, 1
        state.setdefault("iterations", 0)
        changes = state.setdefault("changes", np.zeros((2, 0, w.size)))  # of w and of g, oldest first
        for _ in range(self.max_iter):
            if np.abs(g).max(initial=0.0) <= self.tolerance_grad or evaluations >= most:
                break
            if state["iterations"]:
                changes = self._remembered(changes, state["moved"], g - state["gradient"])
            d = _direction(g, changes)
            t = lr if state["iterations"] else min(1.0, 1 / np.abs(g).sum()) * lr
            slope = float(g @ d)
            if slope > -self.tolerance_change:
                break
            start, before = w.copy(), loss
            state |= {"iterations": state["iterations"] + 1, "changes": changes, "gradient": g}
            if self.line_search_fn:

                def along(x, start=start, d=d):
                    w[...] = start + x * d
                    value, grad = _evaluated(closure, w)
                    return value, float(grad @ d), grad

                t, loss, g, used = strong_wolfe(along, t, loss, slope, g, self.tolerance_change)
                evaluations += used
                w[...] = start + t * d
            else:
                w[...] = start + t * d
                loss, g = _evaluated(closure, w)
                evaluations += 1
            state["moved"] = t * d
            if np.abs(state["moved"]).max() <= self.tolerance_change or abs(loss - before) < self.tolerance_change:
                break
        return first

    def _remembered(self, changes: np.ndarray, moved: np.ndarray, bent: np.ndarray) -> np.ndarray:
        if not moved @ bent > 1e-10:  # H would lose positive definiteness
            return changes
        return np.concatenate((changes, np.stack((moved, bent))[:, None]), axis=1)[:, -self.history_size :]


def _evaluated(closure: Closure, w: np.ndarray) -> tuple[float, np.ndarray]:
    loss, g = closure(w)
    return float(loss), np.array(g, np.float64).ravel()


def _direction(g: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """``-H g`` by the two loops of algorithm 7.4."""
    moved, bent = changes
    rho = 1 / np.einsum("in,in->i", moved, bent)
    d, alpha = -g, np.zeros(len(rho))
    for i in reversed(range(len(rho))):
        alpha[i] = rho[i] * (moved[i] @ d)
        d = d - alpha[i] * bent[i]
    if len(rho):
        d = d * ((moved[-1] @ bent[-1]) / (bent[-1] @ bent[-1]))
    for i in range(len(rho)):
        d = d + (alpha[i] - rho[i] * (bent[i] @ d)) * moved[i]
    return d
