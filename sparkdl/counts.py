"""How many layers, losses, rules and so on there are, beside BigDL's numbers."""

from __future__ import annotations

from types import ModuleType

BIGDL = {
    "layers": 175, "losses": 37, "update rules": 10, "schedules": 13, "triggers": 8, "metrics": 18, "initialisers": 8,
}  # fmt: skip
"""The classes of BigDL 0.14: about 175 public layers with containers and cells; 10 and 8 validation methods."""

NOT_COUNTED = {
    "layers": {"Module", "Layer", "Elementwise", "ModuleList"},
    "losses": {"Loss", "ElementwiseLoss"},
    "update rules": {"UpdateRule"},
    "schedules": {"Schedule", "Clocked"},
    "triggers": {"Trigger"},
    "metrics": {"Metric", "SumMetric", "RowMetric"},
    "initialisers": {"apply", "calculate_gain", "get"},
}
"""Bases, and what helps the others."""


def names() -> dict[str, list[str]]:
    """The public things of each kind, by name; one that goes by two names stands once."""
    from sparkdl import nn, optim

    kinds: dict[str, tuple[ModuleType, type]] = {
        "layers": (nn, nn.Module),
        "losses": (nn, nn.Loss),
        "update rules": (optim, optim.UpdateRule),
        "schedules": (optim, optim.Schedule),
        "triggers": (optim, optim.Trigger),
        "metrics": (optim, optim.Metric),
    }
    found = {kind: _classes(*each) for kind, each in kinds.items()}
    found["initialisers"] = {getattr(nn.init, name): name for name in nn.init.__all__}
    return {kind: sorted(set(each.values()) - NOT_COUNTED[kind]) for kind, each in found.items()}


def _classes(package: ModuleType, base: type) -> dict[object, str]:
    """The public classes made from ``base`` with one name each."""
    found: dict[object, str] = {}
    for name in package.__all__:
        thing = getattr(package, name)
        if isinstance(thing, type) and issubclass(thing, base):
            found.setdefault(thing, name)
    return found


def table(listed: bool = False) -> str:
    """Counts here and in BigDL, a line per kind; with ``listed`` the names as well."""
    lines = [f"{'':14}{'here':>5}{'BigDL':>7}"]
    for kind, found in names().items():
        lines.append(f"{kind:14}{len(found):5}{BIGDL[kind]:7}")
        if listed:
            lines.append("    " + ", ".join(found))
    return "\n".join(lines)
