"""Where a number that is not finite came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparkdl.nn.context import Context, Run
from sparkdl.nn.graph import program_of
from sparkdl.nn.module import Module


def first_not_finite(model: Module, inputs: Sequence[np.ndarray]) -> str:
    """What is not finite first: an input, or the output of a layer (named by its path), evaluated in eval mode."""
    program = program_of(model, list(inputs))
    values: list[Any] = [*inputs, *[None] * (program.size - len(inputs))]
    for name, x in zip(program.input_names, inputs, strict=True):
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            return f"input {name!r}"
    run = Run.single(len(inputs[0]))
    with np.errstate(all="ignore"):
        for step in program.steps:
            ctx = Context(run, step.key, False, (False,) * len(step.inputs), model.dtype)
            y = step.layer.forward(*[values[i] for i in step.inputs], ctx=ctx)
            for i, each in zip(step.outputs, y if isinstance(y, tuple) else (y,), strict=True):
                values[i] = each
                if each.dtype.kind == "f" and not np.isfinite(each).all():
                    bad = [p for p, w in step.layer.named_parameters() if not np.isfinite(w.data).all()]
                    weights = f", whose {' and '.join(bad)} is not" if bad else ""
                    return f"the output of layer {step.name!r} ({type(step.layer).__name__}){weights}"
    return "the loss itself: all layers' outputs are finite"
