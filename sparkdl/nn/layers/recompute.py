"""A module whose values are computed again in backward instead of being kept."""

from dataclasses import replace

import numpy as np

from sparkdl.nn.module import Layer, Module
from sparkdl.nn.program import Pass


class Recompute(Layer):
    """``y = module(x)``, keeping only ``x`` from forward to backward: memory for the time of one more forward.

    The second forward draws the same random numbers as the first and leaves buffers (running statistics) alone, so
    outputs and gradients have the same bits as the module's own (random layers inside draw other numbers than outside).

    Shapes
    ------
    input   as ``module``'s (one array)
    output  as ``module``'s (one array)

    Source: Chen, Xu, Zhang, Guestrin (2016), Training Deep Nets with Sublinear Memory Cost.
    """

    def __init__(self, module: Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x, ctx):
        ctx.save(x)
        done = self._run(x, ctx, ctx.run.penalty)
        ctx.run.penalty = done.run.penalty
        return done.outputs[0]

    def backward(self, dy, ctx):
        (x,) = ctx.saved
        buffers = [(b, b.copy()) for _, b in self.module.named_buffers()]
        done = self._run(x, ctx, None)
        for buffer, values in buffers:
            buffer[...] = values
        return done.backward([np.asarray(dy)])[0]

    def _run(self, x, ctx, penalty):
        from sparkdl.nn.graph import program_of
        from sparkdl.nn.plan import planned

        # uses of layers are numbered from one in here too, so draws need a seed of this use's own
        seed = (ctx.seed * 0x9E3779B97F4A7C15 + ctx.key) % 2**63
        run = replace(ctx.run, seed=seed, leaf_sums={}, penalty=penalty)
        return Pass(planned(program_of(self.module, [x])), [x], run, ctx.dtype, input_grad=ctx.needs[0])
