"""A module whose values are computed again in backward instead of being kept."""

import numpy as np

from sparkdl.nn.layers.inner import inner
from sparkdl.nn.module import Layer, Module


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
        return inner(self.module, [x], ctx).outputs[0]

    def backward(self, dy, ctx):
        (x,) = ctx.saved
        return inner(self.module, [x], ctx, wants=ctx.needs, again=True).backward([np.asarray(dy)])[0]
