"""Convolutions with weights of their own at every place."""

from __future__ import annotations

from math import prod

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn import rng
from sparkdl.nn.kernels import gemm
from sparkdl.nn.layers.layout import check_format, either_layout
from sparkdl.nn.layers.windows import Windows, check_pictures, last, sizes
from sparkdl.nn.module import Layer
from sparkdl.nn.parameter import Parameter


class _LocallyConnected(Layer):
    """A convolution whose weights are not shared.

    ``y[n, o, p] = bias[p, o] + sum_ik x[n, i, stride * p + k - padding] * weight[p, o, i, k]``. ``input_size`` gives
    the places of the input. Weights and biases come from U(-b, b), b = 1/sqrt(fan in).
    """

    rank: int

    def __init__(
        self, in_channels, out_channels, input_size, kernel_size, stride=1, padding=0, bias=True, data_format="NCHW"
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if not (in_channels >= 1 and out_channels >= 1):
            raise ShapeError(f"{name}: channels must be >= 1, got {in_channels} and {out_channels}.")
        self.in_channels, self.out_channels, self.input_size = in_channels, out_channels, input_size
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.data_format = check_format(self, data_format)
        self.places = sizes(name, "input_size", input_size, self.rank)
        kernel = sizes(name, "kernel_size", kernel_size, self.rank)
        pads = sizes(name, "padding", padding, self.rank, least=0)
        step = sizes(name, "stride", stride, self.rank)
        self.windows = Windows(kernel, step, tuple((p, p) for p in pads), (1,) * self.rank)
        self.out = self.windows.out(self, self.places)
        r = self.rank
        axes = (*range(r), *range(r + 2, 2 * r + 2), r + 1, r)  # (*out, *kernel, in, out)
        self.weight = Parameter(np.zeros((*self.out, out_channels, in_channels, *kernel), np.float32), axes=axes)
        self.bias = Parameter(np.zeros((*self.out, out_channels), np.float32)) if bias else None
        self.reset_parameters()

    def config(self):
        return {**super().config(), "bias": self.bias is not None}

    def reset_parameters(self):
        bound = 1 / np.sqrt(self.in_channels * prod(self.windows.kernel))
        for parameter in self.parameters():
            parameter.value = rng.generator().uniform(-bound, bound, parameter.shape)

    def _by_place(self, data):
        """The weights as one matrix per place, ``(places, kernel places * in, out)``."""
        return data.reshape(prod(self.out), -1, self.out_channels)

    @either_layout
    def forward(self, x, ctx):
        check_pictures(self, x, self.rank, self.in_channels)
        if x.shape[2:] != self.places:
            raise ShapeError(f"{self!r} takes pictures of {self.places} places, got {x.shape[2:]}.")
        padded = self.windows.padded(last(x))
        columns = self.windows.patches(padded, self.out)
        columns = columns.reshape(len(x), prod(self.out), prod(self.windows.kernel) * self.in_channels)
        ctx.save(columns, padded.shape)
        y = np.empty((len(x), prod(self.out), self.out_channels), ctx.dtype)
        for p, w in enumerate(self._by_place(self.weight.data)):
            gemm.matmul(y[:, p], columns[:, p], w)
        if self.bias is not None:
            y += self.bias.data.reshape(-1, self.out_channels)
        return np.moveaxis(y.reshape(len(x), *self.out, self.out_channels), -1, 1)

    @either_layout
    def backward(self, dy, ctx):
        columns, padded = ctx.saved
        dy = np.ascontiguousarray(last(dy)).reshape(len(dy), prod(self.out), self.out_channels)

        def weights(out, rows):
            for p, w in enumerate(self._by_place(out)):
                gemm.matmul(w, columns[rows, p].T, dy[rows, p])

        ctx.grad(self.weight, weights)
        if self.bias is not None:
            ctx.grad(self.bias, lambda out, rows: dy[rows].sum(0, out=out.reshape(-1, self.out_channels)))
        back = np.empty(columns.shape, columns.dtype)
        for p, w in enumerate(self._by_place(self.weight.data)):
            gemm.matmul(back[:, p], dy[:, p], w.T)
        dx = np.zeros(padded, dy.dtype)
        self.windows.add_patches(dx, back.reshape(len(dy), *self.out, *self.windows.kernel, self.in_channels), self.out)
        return np.moveaxis(self.windows.inner(dx, self.places), -1, 1)


class LocallyConnected1d(_LocallyConnected):
    __doc__ = f"""{_LocallyConnected.__doc__}
    Shapes
    ------
    input   (batch, in_channels, length)
    output  (batch, out_channels, places)
    weight  (places, out_channels, in_channels, kernel), bias (places, out_channels)
    """
    rank = 1


class LocallyConnected2d(_LocallyConnected):
    __doc__ = f"""{_LocallyConnected.__doc__}
    Shapes
    ------
    input   (batch, in_channels, height, width)
    output  (batch, out_channels, rows, columns)
    weight  (rows, columns, out_channels, in_channels, kernel, kernel), bias (rows, columns, out_channels)
    """
    rank = 2
