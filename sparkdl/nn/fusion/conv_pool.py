"""Convolution, activation and 2x2 maximum, in either order of the last two, as one layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.nn.kernels import conv_pool
from sparkdl.nn.kernels.activations import BY_NAME, NONE
from sparkdl.nn.layers.layout import either_layout
from sparkdl.nn.layers.windows import check_pictures
from sparkdl.nn.module import Layer


class ConvPool(Layer):
    """``act(max2x2(conv(x)))``: an increasing activation and the maximum may change places.

    Shapes: input (batch, in, height, width), output (batch, out, height' // 2, width' // 2).
    """

    data_format = "NCHW"

    def __init__(self, conv: Layer, act: int) -> None:
        super().__init__()
        self.conv, self.act = conv, act

    @classmethod
    def of(cls, conv: Any, *others: Any) -> ConvPool | None:
        """For a plain convolution of few channels: many go through their own, faster ways."""
        pool = next(layer for layer in others if type(layer).__name__ == "MaxPool2d")
        acts = [BY_NAME[type(layer).__name__] for layer in others if layer is not pool]
        w, p = conv.windows, pool.windows
        plain = w.dilation == (1, 1) and w.stride[0] == w.stride[1] and conv.groups == 1
        plain = plain and conv.padding_mode == "zeros"
        halves = p.kernel == p.stride == (2, 2) and p.dilation == (1, 1) and not np.any(p.pads) and not pool.ceil_mode
        if not plain or not halves or conv.in_channels * conv.out_channels > 4096:
            return None
        return cls(conv, acts[0] if acts else NONE)

    def _plan(self, x: np.ndarray) -> tuple[Any, Any]:
        w = self.conv.windows
        size = (x.shape[2], x.shape[3], x.shape[1])
        return conv_pool.plan(size, w.kernel, w.stride[0], w.pads, self.conv.out_channels, self.act)

    @either_layout
    def forward(self, x, ctx):
        check_pictures(self.conv, x, 2, self.conv.in_channels)
        self.conv.windows.out(self.conv, x.shape[2:])  # raises where the window exceeds the picture
        shape, tables = self._plan(x)
        source = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
        y = ctx.empty((len(x), shape.out, shape.out_height // 2, shape.out_width // 2))
        last = y.transpose(0, 2, 3, 1)
        index = np.empty(last.shape, np.int8)
        bias = None if self.conv.bias is None else self.conv.bias.data
        conv_pool.forward(last, index, source, self.conv.weight.data, bias, shape, tables)
        ctx.save(source, last, index, x.shape)
        return y

    @either_layout
    def backward(self, dy, ctx):
        source, y, index, shape_of_x = ctx.saved
        w = self.conv.weight
        shape, tables = conv_pool.plan(
            (*shape_of_x[2:], shape_of_x[1]), self.conv.windows.kernel, self.conv.windows.stride[0],
            self.conv.windows.pads, self.conv.out_channels, self.act,
        )  # fmt: skip
        leaves = ctx.run.leaves
        dw = np.empty((leaves, *w.data.shape), w.dtype)
        db = np.empty((leaves, shape.out), w.dtype)
        dx = ctx.empty(shape_of_x) if ctx.needs[0] else None
        dy = np.ascontiguousarray(dy.transpose(0, 2, 3, 1))
        last = None if dx is None else dx.transpose(0, 2, 3, 1)
        conv_pool.backward(
            dw.reshape(leaves, -1, shape.out), db, last, y, index, dy, source, w.data, shape, tables, ctx.bounds
        )
        ctx.grad_leaves(w, dw)
        if self.conv.bias is not None:
            ctx.grad_leaves(self.conv.bias, db)
        return dx
