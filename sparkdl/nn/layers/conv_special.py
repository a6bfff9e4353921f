"""Convolutions made of others, and with connections left out."""

from __future__ import annotations

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.conv import Conv1d, Conv2d
from sparkdl.nn.module import Module


class _SeparableConv(Module):
    """A convolution of each channel by itself, then one of single places over all of them.

    Shapes
    ------
    input   (batch, in_channels, *)
    output  (batch, out_channels, *) as in Conv1d and Conv2d
    depth.weight  (in_channels * multiplier, 1, *kernel)
    point.weight  (out_channels, in_channels * multiplier, *1), point.bias (out_channels,)

    Source: Chollet (2016), section 1.
    """

    of: type[Conv1d] | type[Conv2d]

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, multiplier=1, bias=True,
        padding_mode="zeros", data_format="NCHW",
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel_size
        self.stride, self.padding, self.dilation, self.multiplier = stride, padding, dilation, multiplier
        self.bias, self.padding_mode, self.data_format = bias, padding_mode, data_format
        middle = in_channels * multiplier
        self.depth = self.of(
            in_channels, middle, kernel_size, stride, padding, dilation, in_channels, False, padding_mode, data_format
        )
        self.point = self.of(middle, out_channels, 1, bias=bias, data_format=data_format)

    def forward(self, x):
        return self.point(self.depth(x))


class SeparableConv1d(_SeparableConv):
    __doc__ = f"""Over sequences. {_SeparableConv.__doc__}"""
    of = Conv1d


class SeparableConv2d(_SeparableConv):
    __doc__ = f"""Over pictures. {_SeparableConv.__doc__}"""
    of = Conv2d


class ConvMap2d(Conv2d):
    """A convolution in which only the listed pairs of channels are connected.

    ``connections`` are pairs (input channel, output channel), from 0. Weights of other pairs are not used.

    Source: LeCun et al. (1998), table I; Torch7's nn.SpatialConvolutionMap.
    """

    def __init__(self, in_channels, out_channels, connections, kernel_size, stride=1, padding=0, bias=True) -> None:
        pairs = np.asarray(connections, np.int64).reshape(-1, 2)
        if not len(pairs) or (pairs < 0).any() or (pairs >= [in_channels, out_channels]).any():
            limits = in_channels, out_channels
            raise ShapeError(f"ConvMap2d: connections are pairs below {limits}, got {connections!r}.")
        self.connections = tuple((int(i), int(o)) for i, o in pairs)
        self.mask = np.zeros((in_channels, out_channels), np.float32)  # broadcasts over HWIO
        self.mask[pairs[:, 0], pairs[:, 1]] = 1
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, bias=bias)

    def reset_parameters(self):
        super().reset_parameters()
        fans = np.maximum(self.mask.sum(0), 1)  # fewer inputs than a full convolution has
        self.weight.data *= self.mask * np.sqrt(self.in_channels / fans).astype(np.float32)

    def _kernel(self):
        return self.weight.data * self.mask.astype(self.weight.dtype)

    def _kernel_gradient(self, w, x, dy, bounds, windows):
        super()._kernel_gradient(w, x, dy, bounds, windows)
        w *= self.mask.astype(w.dtype)
