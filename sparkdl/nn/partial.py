"""Running a part of a graph: from any of its values to any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sparkdl.arrays import as_model_input
from sparkdl.errors import ShapeError
from sparkdl.nn.context import Run
from sparkdl.nn.graph import Graph, _parameter_names, trace
from sparkdl.nn.module import Module
from sparkdl.nn.program import Pass, Program, Step


def run(module: Module, feeds: Mapping[str, Any], fetches: Sequence[str]) -> dict[str, np.ndarray]:
    """The values named in ``fetches``, in eval mode, from those given in ``feeds``; only what lies between is computed.

    A name is that of an input or of a layer (for its output; ``"fc:2"`` is the second use of ``fc``, ``"split.1"``
    the output number 1 of a layer with several), as ``model.summary`` and ``model.plan`` show them.
    """
    if not feeds:
        raise ShapeError("feeds is empty: give at least one value by name, as {'x': array}.")
    arrays = {name: as_model_input(x, module.dtype) for name, x in feeds.items()}
    lengths = {name: len(x) if x.ndim else None for name, x in arrays.items()}
    if len(set(lengths.values())) > 1 or None in lengths.values():
        raise ShapeError(f"axis 0 of every fed value is the batch; got {({n: x.shape for n, x in arrays.items()})}.")
    program = _program(module, arrays)
    number = _numbers(program)
    unknown = [name for name in (*feeds, *fetches) if name not in number]
    if unknown:
        raise ShapeError(f"there is no value named {unknown[0]!r}; the names are {', '.join(number)}.")
    given = {number[name]: x for name, x in arrays.items()}
    wanted = [number[name] for name in fetches]
    steps, missing = _between(program, set(given), wanted)
    if missing:
        lacking = ", ".join(name for name, i in number.items() if i in missing)
        raise ShapeError(f"to compute {', '.join(fetches)}, {lacking} must be fed too; fed: {', '.join(feeds)}.")
    part = program.with_steps(steps, tuple(wanted))
    part.inputs = tuple(given)
    values = Pass(part, list(given.values()), Run.single(len(next(iter(given.values())))), module.dtype).outputs
    return {name: np.array(y, order="C") for name, y in zip(fetches, values, strict=True)}


def _program(module: Module, arrays: dict[str, np.ndarray]) -> Program:
    names = module.input_names if isinstance(module, Graph) else _parameter_names(module)
    examples = [None if name not in arrays else arrays[name][:1] for name in names]
    program = trace(module, examples)
    program.input_names = list(names)
    return program


def _numbers(program: Program) -> dict[str, int]:
    number = {str(name): i for name, i in zip(program.input_names, program.inputs, strict=True)}
    for step in program.steps:
        many = len(step.outputs) > 1
        number.update((f"{step.name}.{k}" if many else step.name, i) for k, i in enumerate(step.outputs))
    return number


def _between(program: Program, given: set[int], wanted: Sequence[int]) -> tuple[list[Step], set[int]]:
    """The steps that make ``wanted`` out of ``given``, in order, and the inputs that they still lack."""
    needed, steps = set(wanted) - given, []
    for step in reversed(program.steps):
        if needed & set(step.outputs):
            steps.append(Step(step.layer, step.inputs, step.outputs, step.name, step.key))
            needed = (needed - set(step.outputs)) | (set(step.inputs) - given)
    return steps[::-1], needed
