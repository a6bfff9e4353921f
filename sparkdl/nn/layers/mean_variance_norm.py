"""Normalisation of each sample by its own mean and deviation."""

import numpy as np

from sparkdl.nn.layers.reduce import ReduceSum


class MeanVarianceNorm(ReduceSum):
    """``y = (x - mean) / (sqrt(var) + eps)`` over axes ``dims`` of each sample; without ``variance``, ``x - mean``.

    Shapes
    ------
    input   (batch, *)
    output  the same

    Source: Caffe's MVN (eps is added to the deviation, not to the variance).
    """

    def __init__(self, dims: tuple[int, ...], variance: bool = True, eps: float = 1e-9) -> None:
        super().__init__(dims, keepdim=True)
        self.variance, self.eps = variance, eps

    def forward(self, x, ctx):
        axes = self._axes(x)
        y = x - x.mean(axis=axes, keepdims=True)
        deviation = None
        if self.variance:
            deviation = np.sqrt((y * y).mean(axis=axes, keepdims=True))
            y = y / (deviation + x.dtype.type(self.eps))
        ctx.save(y, deviation, axes)
        return y

    def backward(self, dy, ctx):
        y, deviation, axes = ctx.saved
        dx = dy - dy.mean(axis=axes, keepdims=True)
        if deviation is None:
            return dx
        scale = deviation + dy.dtype.type(self.eps)
        slope = (dy * y).mean(axis=axes, keepdims=True) * scale / np.maximum(deviation, np.finfo(dy.dtype).tiny)
        return (dx - y * slope) / scale
