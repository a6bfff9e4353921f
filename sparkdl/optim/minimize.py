"""L-BFGS on a model and data that fit into this process."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.nn.context import Context, Run
from sparkdl.nn.flat import Flat
from sparkdl.nn.graph import prepare_inputs, program_of
from sparkdl.nn.losses.loss import Loss
from sparkdl.nn.module import Module
from sparkdl.nn.program import Pass
from sparkdl.optim.progress import Progress
from sparkdl.optim.rules.lbfgs import LBFGS


def minimize(
    model: Module, loss: Loss, x: Any, y: Any, rule: LBFGS | None = None, max_steps: int = 100, weight: Any = None
) -> list[float]:
    """Makes ``loss`` over all of ``x`` and ``y`` small, in place; the loss before each step, and at the end.

    ``x`` is an array or a tuple of them. It stops when a step gains nothing any more, or after ``max_steps`` steps of
    ``rule.max_iter`` iterations. Random layers draw the same at every evaluation, since the search compares losses.
    """
    rule = LBFGS() if rule is None else rule
    if not isinstance(rule, LBFGS):
        raise ValueError(
            f"minimize: the rule must be an optim.LBFGS, got {rule!r}; train with others by optim.Trainer."
        )
    xs = prepare_inputs(model, (x,))
    y, weight = np.asarray(y), None if weight is None else np.asarray(weight)
    model.train()
    flat = Flat(model)
    weights = flat.weights[: flat.trainable]
    program = program_of(model, xs)

    def closure(w: np.ndarray) -> tuple[float, np.ndarray]:
        weights[:] = w
        run = Run.single(len(xs[0]), training=True)
        flat.clear()
        done = Pass(program, xs, run, model.dtype, input_grad=False)
        output = done.outputs[0] if len(done.outputs) == 1 else tuple(done.outputs)
        ctx = Context(run, 0, True, (True,), model.dtype)
        sums, counts = loss.forward(output, y, weight, ctx)
        dy = loss.backward(ctx)
        done.backward(list(dy) if isinstance(dy, tuple) else [dy])
        flat.settle()
        total = float(counts.sum())
        value = float(sums.sum()) + (run.counts[0] * float(np.sum(run.penalty)) if run.penalty is not None else 0.0)
        g = flat.grads[0, : flat.trainable].astype(np.float64) / total
        if rule.regularizer is not None:
            rule.regularizer.add_slope(g, w)
        return value / total + (rule.regularizer.penalty(w) if rule.regularizer is not None else 0.0), g

    w, state, losses = weights.astype(np.float64), dict[str, Any](), []
    for step in range(max_steps):
        losses.append(rule.step(closure, w, state, rule.options(Progress(iteration=step))["lr"]))
        if len(losses) > 1 and not losses[-2] - losses[-1] > rule.tolerance_change:
            break
    losses.append(closure(w)[0])
    return losses
