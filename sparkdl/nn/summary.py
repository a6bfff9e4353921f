"""A table of a model's layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.nn.context import Context, Run
from sparkdl.nn.graph import program_of
from sparkdl.nn.module import Module
from sparkdl.nn.parameter import Parameter


def summary(model: Module, input_shapes: tuple[tuple[int, ...], ...]) -> str:
    """One line per use of a layer: name, kind, output shape (-1: the batch), parameters that stand there first."""
    xs = [np.zeros((1, *([shape] if isinstance(shape, int) else shape)), model.dtype) for shape in input_shapes]
    program = program_of(model, xs)
    values: dict[int, Any] = dict(enumerate(xs))
    seen: set[int] = set()
    rows = [("layer", "kind", "output", "parameters")]
    for step in program.steps:
        ctx = Context(Run.single(1), step.key, False, (False,) * len(step.inputs), model.dtype)
        made = step.layer.forward(*(values[i] for i in step.inputs), ctx=ctx)
        made = made if isinstance(made, tuple) else (made,)
        values.update(zip(step.outputs, made, strict=True))
        new = [p for p in step.layer.parameters() if id(p) not in seen]
        seen.update(id(p) for p in new)
        shapes = ", ".join(str((-1, *y.shape[1:])) for y in made)
        rows.append((step.name, type(step.layer).__name__, shapes, f"{_count(new):,}"))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=False)) for row in rows]
    lines = [f"{line}  {row[3].rjust(widths[3])}" for line, row in zip(lines, rows, strict=True)]
    rule = "-" * len(lines[0])
    parameters = list(model.parameters())
    frozen = _count([p for p in parameters if not p.trainable])
    total = f"{_count(parameters):,} parameters" + (f", {frozen:,} of them frozen" if frozen else "")
    return "\n".join([lines[0], rule, *lines[1:], rule, total])


def _count(parameters: list[Parameter]) -> int:
    return sum(p.size for p in parameters)
