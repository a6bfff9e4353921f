"""Transposed convolutions: the adjoint of a convolution as a layer."""

from __future__ import annotations

from math import prod

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn import rng
from sparkdl.nn.layers.convolve import add_gradients, backward_data, backward_weights, forward
from sparkdl.nn.layers.layout import check_format, either_layout
from sparkdl.nn.layers.windows import Windows, check_pictures, sizes
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter


class _ConvTranspose(Layer):
    """Each value of the input adds its weights to a window of the output: the adjoint of a convolution.

    Sizes are ``(size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1``. Weights and biases
    come from U(-b, b), b = 1/sqrt(out_channels / groups * kernel places). ``data_format="NHWC"`` takes and gives
    channels last.
    """

    rank: int

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True,
        dilation=1, data_format="NCHW",
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if not (in_channels >= 1 and out_channels >= 1 and groups >= 1):
            raise ShapeError(f"{name}: channels and groups must be >= 1, got {in_channels}, {out_channels}, {groups}.")
        if in_channels % groups or out_channels % groups:
            raise ShapeError(f"{name}: {groups} groups do not divide {in_channels} and {out_channels} channels.")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation
        self.output_padding, self.data_format = output_padding, check_format(self, data_format)
        kernel, step = sizes(name, "kernel_size", kernel_size, self.rank), sizes(name, "stride", stride, self.rank)
        pads, apart = sizes(name, "padding", padding, self.rank, 0), sizes(name, "dilation", dilation, self.rank)
        self.windows = Windows(kernel, step, tuple((p, p) for p in pads), apart)
        self.more = sizes(name, "output_padding", output_padding, self.rank, least=0)
        if any(m >= max(s, d) for m, s, d in zip(self.more, step, apart, strict=True)):
            raise ShapeError(f"{name}: output_padding must be smaller than stride or dilation, got {output_padding!r}.")
        axes = (*range(2, 2 + self.rank), 1, 0)
        self.weight = Parameter(np.zeros((in_channels, out_channels // groups, *kernel), np.float32), axes=axes)
        self.bias = Parameter(np.zeros(out_channels, np.float32)) if bias else None
        self.reset_parameters()

    def config(self):
        return {**super().config(), "bias": self.bias is not None}

    def extra_repr(self):
        text = super().extra_repr()
        return text if self.bias is not None else f"{text}, bias=False"

    def reset_parameters(self):
        bound = 1 / np.sqrt(prod(self.weight.shape[1:]))
        for parameter in self.parameters():
            parameter.value = rng.generator().uniform(-bound, bound, parameter.shape)

    def _places(self, x):
        w = self.windows
        places = tuple(
            (n - 1) * s - 2 * p + reach + m
            for n, s, (p, _), reach, m in zip(x.shape[2:], w.stride, w.pads, w.reach(), self.more, strict=True)
        )
        if any(n < 1 for n in places):
            raise ShapeError(f"{self!r}: nothing is left of an input of shape {x.shape} after its padding.")
        return places

    @either_layout
    def forward(self, x, ctx):
        check_pictures(self, x, self.rank, self.in_channels)
        ctx.save(x)
        y = ctx.empty((len(x), self.out_channels, *self._places(x)))
        backward_data(y, x, self.weight.data, self.windows, self.groups)
        if self.bias is not None:
            y += self.bias.data.reshape(-1, *[1] * self.rank)
        return y

    @either_layout
    def backward(self, dy, ctx):
        (x,) = ctx.saved
        add_gradients(
            ctx, self, lambda w, bounds: backward_weights(w, dy, x, bounds, self.windows, self.groups), dy
        )
        if not ctx.needs[0]:
            return None
        dx = ctx.empty(x.shape)
        forward(dx, dy, self.weight.data, None, self.windows, self.groups)
        return dx


class ConvTranspose1d(_ConvTranspose):
    __doc__ = f"""{_ConvTranspose.__doc__}
    Shapes
    ------
    input   (batch, in_channels, length)
    output  (batch, out_channels, size)
    weight  (in_channels, out_channels / groups, kernel), bias (out_channels,)
    """
    rank = 1


class ConvTranspose2d(_ConvTranspose):
    __doc__ = f"""{_ConvTranspose.__doc__}
    Shapes
    ------
    input   (batch, in_channels, height, width)
    output  (batch, out_channels, size, size)
    weight  (in_channels, out_channels / groups, kernel, kernel), bias (out_channels,)
    """
    rank = 2


class ConvTranspose3d(_ConvTranspose):
    __doc__ = f"""{_ConvTranspose.__doc__}
    Shapes
    ------
    input   (batch, in_channels, depth, height, width)
    output  (batch, out_channels, size, size, size)
    weight  (in_channels, out_channels / groups, kernel, kernel, kernel), bias (out_channels,)
    """
    rank = 3
