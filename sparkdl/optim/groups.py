"""Parameter groups: which parameters are updated by which rule, by name pattern."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from sparkdl.optim.segments import FlatSegment

if TYPE_CHECKING:
    from sparkdl.optim.rules.base import UpdateRule


def group_rules(rule: UpdateRule, groups: Mapping[str, Any]) -> list[tuple[str, UpdateRule]]:
    """``(pattern, rule)`` of each group; a group of options is ``rule`` with these options in place of its own."""
    from sparkdl.optim.rules.base import UpdateRule

    who = type(rule).__name__
    made: list[tuple[str, UpdateRule]] = []
    for pattern, value in groups.items():
        if isinstance(value, UpdateRule):
            if value.groups:
                raise ValueError(
                    f"{who}: the rule of group {pattern!r} has groups itself; put all into the outer rule."
                )
            made.append((pattern, value))
            continue
        mine = {k: v for k, v in rule.arguments().items() if k != "groups"}
        if not isinstance(value, Mapping) or not set(value) <= set(mine):
            raise ValueError(
                f"{who}: group {pattern!r} must be an update rule or a dict with some of {', '.join(mine)}; "
                f"got {value!r}."
            )
        try:
            made.append((pattern, type(rule)(**{**mine, **value})))
        except ValueError as error:
            error.add_note(f"in group {pattern!r}")
            raise
    return made


def assign(rule: UpdateRule, segments: Sequence[FlatSegment]) -> list[UpdateRule]:
    """The rule of each parameter: that of the first group whose pattern matches its name, else ``rule`` itself."""
    for pattern, _ in rule.group_rules:
        if not any(fnmatchcase(s.name, pattern) for s in segments):
            names = ", ".join(s.name for s in segments[:20]) + (", ..." if len(segments) > 20 else "")
            raise ValueError(
                f"{type(rule).__name__}: group {pattern!r} matches no trainable parameter; these are {names}."
            )

    def of(name: str) -> UpdateRule:
        return next((r for pattern, r in rule.group_rules if fnmatchcase(name, pattern)), rule)

    return [of(s.name) for s in segments]
