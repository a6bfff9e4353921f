"""Convolutions over sequences, pictures and volumes."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn import rng
from sparkdl.nn.layers.borders import PADDING_MODES, filled, filled_gradient
from sparkdl.nn.layers.convolve import add_gradients, backward_data, backward_weights, forward
from sparkdl.nn.layers.layout import check_format, either_layout
from sparkdl.nn.layers.windows import Windows, check_pictures, same_padding, sizes
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter


class _Conv(Layer):
    """``y[n, o, p] = bias[o] + sum_{i, k} x[n, i, stride * p + dilation * k - padding] * weight[o, i, k]``.

    With ``groups`` g, output channels of a group see the input channels of that group only. ``padding`` is a number
    per axis, ``"valid"`` (none) or ``"same"`` (stride 1); it is filled as ``padding_mode`` says: ``"zeros"``,
    ``"reflect"`` (mirrored at the edge), ``"replicate"`` (the edge repeated) or ``"circular"`` (the other side).
    ``data_format="NHWC"`` takes and gives channels last. Weights and biases come from U(-b, b), b = 1/sqrt(fan in).
    """

    rank: int

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
        padding_mode="zeros", data_format="NCHW",
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if not (in_channels >= 1 and out_channels >= 1 and groups >= 1):
            raise ShapeError(f"{name}: channels and groups must be >= 1, got {in_channels}, {out_channels}, {groups}.")
        if in_channels % groups or out_channels % groups:
            raise ShapeError(f"{name}: {groups} groups do not divide {in_channels} and {out_channels} channels.")
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"{name}: padding_mode must be one of {PADDING_MODES}, got {padding_mode!r}.")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation
        self.padding_mode, self.data_format = padding_mode, check_format(self, data_format)
        self.windows = self._windows(name)
        self._bare = replace(self.windows, pads=((0, 0),) * self.rank)  # over a picture whose padding is filled already
        kernel = self.windows.kernel
        places = tuple(range(2, 2 + self.rank))
        self.weight = Parameter(
            np.zeros((out_channels, in_channels // groups, *kernel), np.float32), axes=(*places, 1, 0)
        )
        self.bias = Parameter(np.zeros(out_channels, np.float32)) if bias else None
        self.reset_parameters()

    def _windows(self, name: str) -> Windows:
        kernel = sizes(name, "kernel_size", self.kernel_size, self.rank)
        stride = sizes(name, "stride", self.stride, self.rank)
        dilation = sizes(name, "dilation", self.dilation, self.rank)
        if self.padding == "same":
            if any(s != 1 for s in stride):
                raise ShapeError(f"{name}: padding='same' goes with stride 1, got stride {self.stride!r}.")
            pads = same_padding(tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)))
        else:
            numbers = sizes(name, "padding", 0 if self.padding == "valid" else self.padding, self.rank, least=0)
            pads = tuple((n, n) for n in numbers)
        return Windows(kernel, stride, pads, dilation)

    def config(self):
        return {**super().config(), "bias": self.bias is not None}

    def extra_repr(self):
        text = super().extra_repr()
        return text if self.bias is not None else f"{text}, bias=False"

    def reset_parameters(self):
        bound = 1 / np.sqrt(prod(self.weight.shape[1:]))
        for parameter in self.parameters():
            parameter.value = rng.generator().uniform(-bound, bound, parameter.shape)

    @either_layout
    def forward(self, x, ctx):
        check_pictures(self, x, self.rank, self.in_channels)
        out, windows, places = self.windows.out(self, x.shape[2:]), self.windows, x.shape[2:]
        if self.padding_mode != "zeros":
            x, windows = filled(self, x, windows.pads, self.padding_mode), self._bare
        ctx.save(x, windows, places)
        y = ctx.empty((len(x), self.out_channels, *out))
        forward(y, x, self._kernel(), None if self.bias is None else self.bias.data, windows, self.groups)
        return y

    @either_layout
    def backward(self, dy, ctx):
        x, windows, places = ctx.saved
        add_gradients(ctx, self, lambda w, bounds: self._kernel_gradient(w, x, dy, bounds, windows), dy)
        if not ctx.needs[0]:
            return None
        dx = ctx.empty(x.shape)
        backward_data(dx, dy, self._kernel(), windows, self.groups)
        if self.padding_mode != "zeros":
            dx = filled_gradient(self, dx, places, self.windows.pads, self.padding_mode)
        return dx

    def _kernel(self):
        return self.weight.data

    def _kernel_gradient(self, w, x, dy, bounds, windows):
        backward_weights(w, x, dy, bounds, windows, self.groups)


class Conv1d(_Conv):
    __doc__ = f"""Convolution over sequences. {_Conv.__doc__}
    Shapes
    ------
    input   (batch, in_channels, length)
    output  (batch, out_channels, (length + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1)
    weight  (out_channels, in_channels / groups, kernel), bias (out_channels,)
    """
    rank = 1


class Conv2d(_Conv):
    __doc__ = f"""Convolution over pictures. {_Conv.__doc__}
    Shapes
    ------
    input   (batch, in_channels, height, width)
    output  (batch, out_channels, *), each size (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    weight  (out_channels, in_channels / groups, kernel, kernel), bias (out_channels,)
    """
    rank = 2


class Conv3d(_Conv):
    __doc__ = f"""Convolution over volumes. {_Conv.__doc__}
    Shapes
    ------
    input   (batch, in_channels, depth, height, width)
    output  (batch, out_channels, *), each size (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    weight  (out_channels, in_channels / groups, kernel, kernel, kernel), bias (out_channels,)
    """
    rank = 3
