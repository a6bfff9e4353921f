"""Keras's learning rate schedules: the rate that they start from, and what it is multiplied by at step ``t``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import ceil, cos, floor, log, pi
from typing import Any


def rate_and_schedule(given: dict[str, Any]) -> tuple[float, Any]:
    """The rule's rate and its schedule, of a configuration."""
    from sparkdl import optim

    kind, config = given["class_name"], given["config"]
    if kind not in _KINDS:
        raise ValueError(f"learning rate schedule {kind}")
    rate, factor = _KINDS[kind](config)
    if not rate > 0:
        raise ValueError(f"learning rate schedule {kind} that starts at {rate}")
    return rate, optim.LambdaLR(factor, unit="iteration")


def _exponential(config: dict[str, Any]) -> tuple[float, Callable[[int], float]]:
    return _start(config), partial(exponential, config["decay_steps"], config["decay_rate"], bool(config.get("staircase")))


def exponential(steps: float, base: float, staircase: bool, t: int) -> float:
    return base ** (floor(t / steps) if staircase else t / steps)


def _inverse(config: dict[str, Any]) -> tuple[float, Callable[[int], float]]:
    return _start(config), partial(inverse, config["decay_steps"], config["decay_rate"], bool(config.get("staircase")))


def inverse(steps: float, decay: float, staircase: bool, t: int) -> float:
    return 1 / (1 + decay * (floor(t / steps) if staircase else t / steps))


def _polynomial(config: dict[str, Any]) -> tuple[float, Callable[[int], float]]:
    start, end = _start(config), config.get("end_learning_rate")
    end = 1e-4 if end is None else float(end)
    return start, partial(polynomial, config["decay_steps"], config.get("power", 1.0), end / start, bool(config.get("cycle")))


def polynomial(steps: float, power: float, end: float, cycle: bool, t: int) -> float:
    if cycle:
        steps *= max(ceil(t / steps), 1)
    return (1 - end) * (1 - min(t, steps) / steps) ** power + end


def _cosine(config: dict[str, Any]) -> tuple[float, Callable[[int], float]]:
    start, target = float(config["initial_learning_rate"]), config.get("warmup_target")
    steps, least = config["decay_steps"], config.get("alpha") or 0.0
    if target is None:
        return start, partial(cosine, steps, least, 0, 1.0)
    return float(target), partial(cosine, steps, least, config.get("warmup_steps") or 0, start / target)


def cosine(steps: float, least: float, warm: int, cold: float, t: int) -> float:
    """``cold`` is what the warm-up of so many steps starts from."""
    if t < warm:
        return cold + (1 - cold) * t / warm
    return (1 - least) * (1 + cos(pi * min(t - warm, steps) / steps)) / 2 + least


def _restarts(config: dict[str, Any]) -> tuple[float, Callable[[int], float]]:
    longer, lower, least = (float(config.get(key, default)) for key, default in (("t_mul", 2.0), ("m_mul", 1.0), ("alpha", 0.0)))
    return _start(config), partial(restarts, config["first_decay_steps"], longer, lower, least)


def restarts(first: float, longer: float, lower: float, least: float, t: int) -> float:
    done = t / first
    if longer == 1:
        which = floor(done)
        part = done - which
    else:
        which = floor(log(1 - done * (1 - longer)) / log(longer))
        part = (done - (1 - longer**which) / (1 - longer)) / longer**which
    return (1 - least) * lower**which * (1 + cos(pi * part)) / 2 + least


def _pieces(config: dict[str, Any]) -> tuple[float, Callable[[int], float]]:
    values = [float(v) for v in config["values"]]
    return values[0], partial(pieces, tuple(config["boundaries"]), tuple(v / values[0] for v in values))


def pieces(boundaries: tuple[float, ...], factors: tuple[float, ...], t: int) -> float:
    return factors[sum(t > b for b in boundaries)]


def _start(config: dict[str, Any]) -> float:
    return float(config["initial_learning_rate"])


_KINDS: dict[str, Callable[[dict[str, Any]], tuple[float, Callable[[int], float]]]] = {
    "ExponentialDecay": _exponential, "InverseTimeDecay": _inverse, "PolynomialDecay": _polynomial, "CosineDecay": _cosine,
    "CosineDecayRestarts": _restarts, "PiecewiseConstantDecay": _pieces,
}  # fmt: skip
