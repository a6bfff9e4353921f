"""Proof of a backward: against central differences in float64."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from sparkdl.nn.context import Context, Run
from sparkdl.nn.graph import program_of
from sparkdl.nn.losses.loss import Loss
from sparkdl.nn.module import Module
from sparkdl.nn.program import Pass


def gradcheck(thing: Module | Loss, *inputs: Any, eps: float = 1e-6, tolerance: float = 1e-5, seed: int = 0) -> float:
    """Compares ``backward`` with ``(f(x + eps) - f(x - eps)) / (2 * eps)`` for every entry of inputs and parameters.

    ``thing`` is a layer, a model or a loss; ``inputs`` are its inputs (of a loss: outputs, a tuple where there are
    several, and targets). A copy in float64 is checked, in the mode that ``thing`` is in; ``f`` is a sum of its
    outputs with fixed random weights. Returns the largest error, relative to ``max(1, size)``; one above
    ``tolerance`` raises an AssertionError that names the first wrong entry.
    """
    checked = _LossCheck(thing, inputs) if isinstance(thing, Loss) else _ModelCheck(thing, inputs, seed)
    gradients = checked.gradients()
    worst = 0.0
    for name, (array, gradient) in gradients.items():
        for place in np.ndindex(array.shape):
            number = _difference(checked.value, array, place, eps)
            given = float(gradient[place])
            error = abs(given - number) / max(1.0, abs(given), abs(number))
            if not error <= tolerance:
                at = f"{name}{list(place)}" if place else name
                raise AssertionError(
                    f"gradcheck: {thing!r}: the derivative by {at} is {given:.10g} after backward, "
                    f"{number:.10g} by differences."
                )
            worst = max(worst, error)
    return worst


def _difference(value: Callable[[], float], array: np.ndarray, place: tuple[int, ...], eps: float) -> float:
    kept = array[place]
    array[place] = kept + eps
    above = value()
    array[place] = kept - eps
    below = value()
    array[place] = kept
    return (above - below) / (2 * eps)


def _doubled(x: Any) -> Any:
    if isinstance(x, tuple | list):
        return tuple(_doubled(each) for each in x)
    x = np.array(x)
    return x.astype(np.float64) if x.dtype.kind == "f" else x


class _ModelCheck:
    """A float64 copy of a model with its inputs, and the sum of outputs that is differentiated."""

    def __init__(self, model: Module, inputs: tuple[Any, ...], seed: int) -> None:
        self.model = copy.deepcopy(model).double()
        self.inputs = [_doubled(x) for x in inputs]
        self.training = model.training
        self.seed = seed
        outputs = self._run().outputs
        generator = np.random.default_rng(seed)
        self.weights = [generator.uniform(0.5, 1.5, y.shape) for y in outputs]

    def _run(self) -> Pass:
        run = Run.single(len(self.inputs[0]), training=True, seed=self.seed)
        self.model.train(self.training)
        return Pass(program_of(self.model, self.inputs), list(self.inputs), run, self.model.dtype)

    def value(self) -> float:
        done = self._run()
        total = sum(float((w * y).sum()) for w, y in zip(self.weights, done.outputs, strict=True))
        return total if done.run.penalty is None else total + float(np.sum(done.run.penalty))

    def gradients(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        for p in self.model.parameters():
            p.grad, p.touched = None, False
        dxs = self._run().backward(list(self.weights))
        found = {}
        for i, (x, dx) in enumerate(zip(self.inputs, dxs, strict=True)):
            if x.dtype.kind == "f":
                found["input" if len(dxs) == 1 else f"input {i}"] = (x, np.zeros_like(x) if dx is None else dx)
        for name, p in self.model.named_parameters():
            if p.trainable:
                found[name] = (p.value, np.zeros(p.shape) if p.gradient is None else p.gradient)
        return found


class _LossCheck:
    """A loss with outputs and targets in float64."""

    def __init__(self, loss: Loss, inputs: tuple[Any, ...]) -> None:
        self.loss = loss
        self.y = _doubled(inputs[0])
        self.target = _doubled(inputs[1]) if len(inputs) > 1 and inputs[1] is not None else None
        self.weight = np.asarray(inputs[2], np.float64) if len(inputs) > 2 else None
        self.first = self.y[0] if isinstance(self.y, tuple) else self.y

    def _forward(self) -> tuple[float, Context]:
        ctx = Context(Run.single(len(self.first), training=True), 0, True, (True,), self.first.dtype)
        return float(self.loss.forward(self.y, self.target, self.weight, ctx)[0].sum()), ctx

    def value(self) -> float:
        return self._forward()[0]

    def gradients(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        slopes = self.loss.backward(self._forward()[1])
        if not isinstance(self.y, tuple):
            return {"output": (self.y, slopes)}
        return {f"output {i}": pair for i, pair in enumerate(zip(self.y, slopes, strict=True))}
