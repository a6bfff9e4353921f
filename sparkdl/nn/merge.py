"""Common sub-expressions: a layer that is used twice on the same values runs once."""

from __future__ import annotations

from typing import Any

from sparkdl.nn.module import Layer
from sparkdl.nn.program import Program, Step

# modules of layers whose every use draws, or adds to the loss, on its own
_APART = {"dropout", "noise", "penalty", "learned_relu"}
_PLAIN = (int, float, str, type(None))


def _meaning(layer: Layer) -> Any:
    """Equal for layers that compute the same from the same values; None where two uses must stay two."""
    package, _, module = type(layer).__module__.rpartition(".")
    if package != "sparkdl.nn.layers" or module in _APART or layer.outputs != 1:
        return None
    settings = {name: value for name, value in vars(layer).items() if not name.startswith("_")}
    if settings.get("dropout") or any(True for _ in layer.named_buffers()):
        return None
    if sum(1 for _ in layer.modules()) > 1:  # what is inside may draw or keep statistics
        return None
    if next(iter(layer.parameters()), None) is not None:
        return id(layer)
    plain = all(isinstance(part, _PLAIN) for value in settings.values() for part in _parts(value))
    return (type(layer), tuple(settings.items())) if plain else id(layer)


def _parts(value: Any) -> tuple[Any, ...]:
    return tuple(part for each in value for part in _parts(each)) if isinstance(value, tuple) else (value,)


def merge_alike(program: Program) -> Program:
    """The program in which of equal layers on equal values only the first is left; its gradient is the sum of theirs.

    Layers with weights merge when they are one object; those that draw random numbers, keep running statistics or
    add to the loss never do, nor do a user's own and those made of modules. Outputs of the program keep their places.
    """
    same: dict[int, int] = {}
    first: dict[Any, tuple[int, ...]] = {}
    steps = []
    for step in program.steps:
        inputs = tuple(same.get(i, i) for i in step.inputs)
        meaning = _meaning(step.layer)
        if meaning is not None:
            known = first.setdefault((meaning, inputs), step.outputs)
            if known is not step.outputs:
                same.update(zip(step.outputs, known, strict=True))
                continue
        steps.append(Step(step.layer, inputs, step.outputs, step.name, step.key))
    if len(steps) == len(program.steps):
        return program
    return program.with_steps(steps, tuple(same.get(i, i) for i in program.outputs))
