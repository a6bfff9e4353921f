"""A step length that fulfils the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

ENOUGH, FLATTER = 1e-4, 0.9  # c1 and c2 of the conditions


class Point(NamedTuple):
    """A step length with loss, slope along the direction and gradient there."""

    t: float
    loss: float
    slope: float
    gradient: Any


def strong_wolfe(
    along: Callable[[float], tuple[float, float, Any]],
    t: float,
    loss: float,
    slope: float,
    gradient: Any,
    tolerance: float,
    most: int = 25,
) -> tuple[float, float, Any, int]:
    """``(t, loss, gradient, evaluations)`` with ``f(t) <= f(0) + c1 t f'(0)`` and ``|f'(t)| <= c2 |f'(0)|``.

    ``along(t)`` gives loss, slope and gradient at t; ``loss``, ``slope`` < 0 and ``gradient`` are those at 0. When
    ``most`` evaluations or an interval below ``tolerance`` do not suffice, the best point seen is given.

    Source: Nocedal & Wright (2006), algorithms 3.5 (bracketing) and 3.6 (zooming), with cubic interpolation.
    """
    origin = last = Point(0.0, loss, slope, gradient)
    used = 0

    def too_high(p: Point) -> bool:
        return not p.loss <= loss + ENOUGH * p.t * slope

    def flat(p: Point) -> bool:
        return abs(p.slope) <= -FLATTER * slope

    while used < most:  # grow t until an interval surely holds a good one
        p, used = Point(t, *along(t)), used + 1
        if too_high(p) or (p.loss >= last.loss and last is not origin):
            low, high = last, p
            break
        if flat(p):
            return p.t, p.loss, p.gradient, used
        if p.slope >= 0:
            low, high = p, last
            break
        t, last = _within(_cubic(last, p), p.t + 0.01 * (p.t - last.t), 10 * p.t), p
    else:
        return last.t, last.loss, last.gradient, used

    while used < most and abs(high.t - low.t) * abs(slope) > tolerance:  # shrink it around the good one
        a, b = sorted((low.t, high.t))
        p = Point(t := _within(_cubic(low, high), a + 0.1 * (b - a), b - 0.1 * (b - a)), *along(t))
        used += 1
        if too_high(p) or p.loss >= low.loss:
            high = p
        elif flat(p):
            return p.t, p.loss, p.gradient, used
        else:
            if p.slope * (high.t - low.t) >= 0:
                high = low
            low = p
    return low.t, low.loss, low.gradient, used


def _cubic(a: Point, b: Point) -> float:
    """Where the cubic through both points with both slopes is least; the middle where it is nowhere."""
    if a.t > b.t:
        a, b = b, a
    middle = (a.t + b.t) / 2
    if not (math.isfinite(a.loss) and math.isfinite(b.loss)):
        return middle
    d = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    root = d * d - a.slope * b.slope
    if root < 0 or not math.isfinite(root):
        return middle
    below = b.slope - a.slope + 2 * math.sqrt(root)
    return b.t - (b.t - a.t) * (b.slope + math.sqrt(root) - d) / below if below else middle


def _within(t: float, a: float, b: float) -> float:
    return min(max(t, a), b)
