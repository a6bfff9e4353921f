"""One cycle: the rate rises to its peak and falls far below its start, the momentum does the opposite."""

from __future__ import annotations

import math
from typing import Any

from sparkdl.optim import checks
from sparkdl.optim.schedules.base import Clocked


class _Cycle(Clocked):
    """A value that goes through ``points()`` in phases that end at ``ends()``; times count steps from 0."""

    def __init__(self, total_steps: int, pct_start: float, anneal_strategy: str, three_phase: bool) -> None:
        self.total_steps, self.pct_start = total_steps, pct_start
        self.anneal_strategy, self.three_phase = anneal_strategy, three_phase
        checks.whole(self, 2, total_steps=total_steps)
        checks.fraction(self, pct_start=pct_start)
        checks.one_of(self, ("cos", "linear"), anneal_strategy=anneal_strategy)
        super().__init__("iteration")

    def ends(self) -> list[float]:
        up = self.pct_start * self.total_steps
        return [up - 1, 2 * up - 2, self.total_steps - 1] if self.three_phase else [up - 1, self.total_steps - 1]

    def along(self, points: list[float], t: int) -> float:
        start = 0.0
        t = min(t, self.total_steps - 1)
        for a, b, end in zip(points, points[1:], self.ends(), strict=True):
            if t <= end or end == self.total_steps - 1:
                done = (t - start) / (end - start) if end > start else 1.0
                return a + (b - a) * (done if self.anneal_strategy == "linear" else (1 - math.cos(math.pi * done)) / 2)
            start = end
        return points[-1]


class OneCycleLR(_Cycle):
    """From ``max_lr / div_factor`` up to ``max_lr`` in the first ``pct_start`` of ``total_steps``, then down.

    It ends at ``max_lr / div_factor / final_div_factor``; ``three_phase`` goes down as slowly as it went up, then on to
    the end. ``max_lr`` None is the rule's own lr. Momentum: `OneCycleMomentum`.

    Source: Smith & Topin (2018), in PyTorch's form.
    """

    def __init__(
        self,
        max_lr: float | None,
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        self.max_lr, self.div_factor, self.final_div_factor = max_lr, div_factor, final_div_factor
        checks.positive(self, div_factor=div_factor, final_div_factor=final_div_factor)
        super().__init__(total_steps, pct_start, anneal_strategy, three_phase)

    def at(self, lr: float, t: int) -> float:
        peak = lr if self.max_lr is None else self.max_lr
        first = peak / self.div_factor
        last = first / self.final_div_factor
        return self.along([first, peak, first, last] if self.three_phase else [first, peak, last], t)


class OneCycleMomentum(_Cycle):
    """The momentum beside `OneCycleLR`: from ``max_momentum`` down to ``base_momentum`` and back.

    ``SGD(..., schedule={"lr": OneCycleLR(...), "momentum": OneCycleMomentum(...)})``; for Adam it steers the first of
    the ``betas``.
    """

    def __init__(
        self,
        total_steps: int,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        three_phase: bool = False,
    ) -> None:
        self.base_momentum, self.max_momentum = base_momentum, max_momentum
        checks.fraction(self, base_momentum=base_momentum, max_momentum=max_momentum)
        super().__init__(total_steps, pct_start, anneal_strategy, three_phase)

    def at(self, lr: Any, t: int) -> Any:
        points = [self.max_momentum, self.base_momentum, self.max_momentum]
        momentum = self.along([*points, self.max_momentum] if self.three_phase else points, t)
        return (momentum, *lr[1:]) if isinstance(lr, (tuple, list)) else momentum
