"""Runs of a slice of the flat vector that share one set of options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sparkdl.optim.rules.base import UpdateRule

ALIGN = 16  # parameters start on multiples of this; the elements between them are zero and get zero gradients


class FlatSegment(Protocol):
    """Where one parameter lies in the flat vector (``nn.flat.Segment``)."""

    @property
    def name(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def stop(self) -> int: ...


@dataclass(frozen=True)
class Run:
    """Elements ``span`` of a slice, all updated by ``rule``; ``name`` is that of the first parameter in it."""

    rule: UpdateRule
    name: str
    span: slice


@dataclass
class Segment:
    """A run at one step: ``options`` are all hyper-parameters of its rule after groups and schedules.

    ``norms`` is filled by the owner of the slice for rules that ask (`UpdateRule.norms`): those of the *whole*
    parameter, also where the slice holds only a part of it.
    """

    rule: UpdateRule
    name: str
    span: slice
    lr: float
    options: dict[str, Any]
    norms: dict[str, float] = field(default_factory=dict)


def runs_of(
    rules: Sequence[UpdateRule], segments: Sequence[FlatSegment], start: int, stop: int, apart: bool
) -> list[Run]:
    """The runs of slice ``start`` to ``stop``; ``rules[i]`` is that of ``segments[i]``.

    Neighbours with the same rule become one run unless they must stay ``apart`` (rules that need norms).
    """
    runs: list[Run] = []
    for rule, segment in zip(rules, segments, strict=True):
        a, b = max(segment.start, start) - start, min(segment.stop, stop) - start
        if a >= b:
            continue
        last = runs[-1] if runs else None
        if last and last.rule is rule and not apart and a - last.span.stop < ALIGN:
            runs[-1] = Run(rule, last.name, slice(last.span.start, b))
        else:
            runs.append(Run(rule, segment.name, slice(a, b)))
    return runs
