"""Running a module inside a layer: as a part of the run that the layer is in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sparkdl.nn.context import Context
from sparkdl.nn.module import Module
from sparkdl.nn.program import Pass


def inner(
    module: Module,
    xs: Sequence[np.ndarray],
    ctx: Context,
    *,
    salt: int = 0,
    rows: np.ndarray | None = None,
    bounds: np.ndarray | None = None,
    repeated: bool = False,
    wants: bool | Sequence[bool] = True,
    again: bool = False,
) -> Pass:
    """A forward of ``module``; its ``backward`` adds to the gradients as the layer itself would.

    ``rows`` and ``bounds`` (leaves + 1) are those of the samples in ``xs`` where they are not the layer's.
    ``repeated`` says that one backward comes several times through these weights; ``salt`` tells these times apart for
    random draws. ``wants`` says which inputs need a gradient. ``again`` repeats a forward of which all effects on
    buffers and the loss have been there already: they do not come a second time.
    """
    from sparkdl.nn.graph import program_of
    from sparkdl.nn.plan import planned

    run = replace(
        ctx.run,
        # uses of layers are numbered from one in here too, so draws need a seed of this use's own
        seed=(ctx.seed * 0x9E3779B97F4A7C15 + ctx.key * 0xBF58476D1CE4E5B9 + salt) % 2**63,
        rows=ctx.run.rows if rows is None else rows,
        bounds=ctx.run.bounds if bounds is None else bounds,
        shared=ctx.run.shared | {id(p) for p in module.parameters()} if repeated else ctx.run.shared,
        nested=True,
    )
    buffers: list[tuple[Any, Any]] = [(b, b.copy()) for _, b in module.named_buffers()] if again else []
    done = Pass(planned(program_of(module, xs)), list(xs), run, ctx.dtype, input_grad=wants)
    for buffer, values in buffers:
        buffer[...] = values
    if not again:
        ctx.run.penalty = run.penalty
    return done
