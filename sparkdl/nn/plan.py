"""Plan: a program made faster before it runs."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from sparkdl.nn.context import Run
from sparkdl.nn.fusion import TABLE, Rows, fused
from sparkdl.nn.graph import program_of
from sparkdl.nn.merge import merge_alike
from sparkdl.nn.module import Module
from sparkdl.nn.program import Pass, Program, Step


def rewrite(program: Program, table: Rows = TABLE) -> Program:
    """The program with equal uses merged, and chains of layers replaced by the fused layers of ``table``.

    Values that leave the graph are never fused away.
    """
    program = merge_alike(program)
    readers: dict[int, list[Step]] = {}
    for step in program.steps:
        for i in step.inputs:
            readers.setdefault(i, []).append(step)
    steps: list[Step] = []
    done: set[int] = set()
    for step in program.steps:
        if id(step) in done:
            continue
        chain = [step]
        while (
            len(chain[-1].outputs) == 1
            and chain[-1].outputs[0] not in program.outputs
            and len(readers.get(chain[-1].outputs[0], ())) == 1
            and len(readers[chain[-1].outputs[0]][0].inputs) == 1
        ):
            chain.append(readers[chain[-1].outputs[0]][0])
        found = fused([each.layer for each in chain], table)
        if found is None:
            steps.append(Step(step.layer, step.inputs, step.outputs, step.name, step.key))
            continue
        layer, length = found
        name = "+".join(each.name for each in chain[:length])
        steps.append(Step(layer, step.inputs, chain[length - 1].outputs, name, step.key))
        done.update(id(each) for each in chain[:length])
    return program.with_steps(steps)


def planned(program: Program) -> Program:
    """The rewritten program of a traced one, made once; ``SPARKDL_UNPLANNED=1`` leaves programs as they were traced."""
    if os.environ.get("SPARKDL_UNPLANNED") == "1":
        return program
    if "rewritten" not in program.__dict__:
        program.__dict__["rewritten"] = rewrite(program)
    return program.__dict__["rewritten"]


class Planned:
    """Runs a model by its rewritten program; ``SPARKDL_UNPLANNED=1`` (for finding faults) runs it as it was traced.

    The model's structure must not change meanwhile.
    """

    def __init__(self, model: Module) -> None:
        self.model = model
        self.programs: dict[tuple[tuple[int, ...], ...], Program] = {}  # by the shapes of a row

    def program(self, inputs: Any) -> Program:
        shapes = tuple([x.shape[1:] for x in inputs])
        if shapes not in self.programs:
            self.programs[shapes] = planned(program_of(self.model, inputs))
        return self.programs[shapes]

    def forward(self, inputs: tuple[np.ndarray, ...], run: Run) -> Pass:
        """A forward whose ``backward`` computes no gradient of the inputs."""
        return Pass(self.program(inputs), list(inputs), run, self.model.dtype, input_grad=False)
