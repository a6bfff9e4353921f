"""A loss seen through other modules."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.nn.context import Run
from sparkdl.nn.graph import program_of
from sparkdl.nn.losses.loss import Loss
from sparkdl.nn.module import Module
from sparkdl.nn.program import Pass


class TransformerLoss(Loss):
    """``loss(input_transform(y), target_transform(target))``, as in a perceptual loss.

    The transforms are modules with one input and one output each; they are put into eval mode and frozen here.

    Shapes
    ------
    y, target  what the transforms take
    """

    def __init__(
        self, loss: Loss, input_transform: Module | None = None, target_transform: Module | None = None
    ) -> None:
        super().__init__(loss.reduction)
        self.loss, self.input_transform, self.target_transform = loss, input_transform, target_transform
        for transform in (input_transform, target_transform):
            if transform is not None:
                transform.eval().freeze()

    def check(self, y, target):
        self.loss.check(self._seen(y), self._wanted(target))

    def fit(self, y, target):
        return self.loss.fit(self._seen(y), self._wanted(target))

    def terms(self, y, target):
        return self.loss.terms(self._seen(y), target)

    def slope(self, y, target):
        if self.input_transform is None:
            return self.loss.slope(y, target)
        done = _run(self.input_transform, y, True)
        (dy,) = done.backward([self.loss.slope(done.outputs[0], target)])
        return np.zeros_like(y) if dy is None else dy

    def _seen(self, y):
        return y if self.input_transform is None else _run(self.input_transform, y, False).outputs[0]

    def _wanted(self, target):
        return target if self.target_transform is None else _run(self.target_transform, target, False).outputs[0]


def _run(module: Module, x: Any, backward: bool) -> Pass:
    return Pass(program_of(module, [x]), [x], Run.single(len(x), training=backward), x.dtype)
