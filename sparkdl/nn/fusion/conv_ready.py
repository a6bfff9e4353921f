"""For inference: a convolution with the normalisation after it folded into its weights, and the ReLU, as one layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.nn.kernels.conv_ready import Ready
from sparkdl.nn.layers.layout import either_layout
from sparkdl.nn.layers.windows import check_pictures
from sparkdl.nn.module import Layer


class ConvReady(Layer):
    """``relu(batchnorm(conv(x)))``, the last two optional, with the weights of the moment it was made; forward only."""

    data_format = "NCHW"

    def __init__(self, conv: Layer, norm: Layer | None, relu: bool) -> None:
        super().__init__()
        self.conv = conv
        self._grids: dict[tuple[int, ...], tuple[int, ...]] = {}
        w, bias = conv.weight.data, None if conv.bias is None else conv.bias.data
        if norm is not None:
            scale = 1 / np.sqrt(np.asarray(norm.running_var, np.float64) + norm.eps)
            scale = scale * norm.weight.data if norm.affine else scale
            shift = -np.asarray(norm.running_mean, np.float64) if bias is None else bias - norm.running_mean
            bias = (shift * scale + (norm.bias.data if norm.affine else 0)).astype(w.dtype)
            w = (w * scale).astype(w.dtype)
        windows = conv.windows
        self.ready = Ready(
            w.copy(), None if bias is None else bias.copy(), windows.stride, windows.pads, windows.dilation,
            conv.groups, relu,
        )  # fmt: skip

    @classmethod
    def of(cls, conv: Any, *others: Any) -> ConvReady | None:
        names = [type(layer).__name__ for layer in others]
        norm = others[0] if names[:1] == ["BatchNorm2d"] else None
        if conv.padding_mode != "zeros" or (norm is not None and not norm.track_running_stats):
            return None
        return cls(conv, norm, "ReLU" in names)

    @either_layout
    def forward(self, x, ctx):
        y = self.output(x, ctx)
        self.ready(y, x)
        return y

    def output(self, x, ctx):
        """Memory for the output of ``x`` (batch, channels, height, width)."""
        grid = self._grids.get(x.shape[1:])
        if grid is None:
            check_pictures(self.conv, x, 2, self.conv.in_channels)
            grid = self._grids[x.shape[1:]] = self.conv.windows.out(self.conv, x.shape[2:])
        return ctx.empty((len(x), self.conv.out_channels, *grid))

    def backward(self, dy, ctx):
        raise RuntimeError("nn.Inference answers only; train the model that it was made of.")
