"""A model made ready to answer."""

from __future__ import annotations

from typing import Any

from sparkdl.nn.fusion import ANSWERING
from sparkdl.nn.fusion.conv_sum import join_sums
from sparkdl.nn.graph import prepare_inputs, program_of
from sparkdl.nn.module import Module
from sparkdl.nn.plan import rewrite
from sparkdl.nn.predict import answers
from sparkdl.nn.program import Program


class Inference:
    """``inference(x)``: the outputs of ``model.eval()(x)``, faster: to be made once and called often.

    Normalisations are folded into the convolutions before them, and weights are transformed and packed the first time
    that they are needed (up to five times the memory of 3x3 convolutions). So the model must not change any more: make
    another after training on. Outputs differ from the model's by rounding. ``x`` is an array, or a tuple or dict of
    them, cut into runs of ``batch_size`` rows.
    """

    def __init__(self, model: Module, batch_size: int = 256) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"Inference: model must be a sparkdl.nn.Module, got {type(model).__name__}.")
        if not batch_size >= 1:
            raise ValueError(f"Inference: batch_size must be >= 1, got {batch_size!r}.")
        self.model, self.batch_size = model, int(batch_size)
        self._programs: dict[tuple[tuple[int, ...], ...], Program] = {}  # by the shapes of a row

    def __call__(self, *xs: Any) -> Any:
        arrays = prepare_inputs(self.model, (xs[0] if len(xs) == 1 else xs,))
        shapes = tuple(x.shape[1:] for x in arrays)
        if shapes not in self._programs:
            self._programs[shapes] = join_sums(rewrite(program_of(self.model, arrays), ANSWERING))
        return answers(self._programs[shapes], arrays, self.batch_size, self.model.dtype)
