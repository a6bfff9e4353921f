"""Outputs of a model for many rows, a batch at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.nn.context import Run
from sparkdl.nn.graph import prepare_inputs, program_of
from sparkdl.nn.module import Module
from sparkdl.nn.plan import planned
from sparkdl.nn.program import Pass, Program


def predict(model: Module, x: Any, batch_size: int = 256) -> Any:
    """The outputs in eval mode for all rows of ``x``; the model's own mode is left as it is."""
    if not batch_size >= 1:
        raise ValueError(f"predict: batch_size must be >= 1, got {batch_size!r}.")
    arrays = prepare_inputs(model, (x,))
    return answers(planned(program_of(model, arrays)), arrays, batch_size, model.dtype)


def answers(program: Program, arrays: list[np.ndarray], batch_size: int, dtype: np.dtype) -> Any:
    """The outputs of a program for all rows: an array, or a list of them as the model returns it."""
    parts = []
    for a in range(0, max(len(arrays[0]), 1), batch_size):
        batch = [each[a : a + batch_size] for each in arrays]
        run = Run.single(len(batch[0]), training=False)
        parts.append([np.ascontiguousarray(y) for y in Pass(program, batch, run, dtype).outputs])
    outputs = [np.concatenate(each) if len(each) > 1 else each[0].copy() for each in zip(*parts, strict=True)]
    return outputs[0] if program.single else outputs
