"""A convolution for inference: weights transformed and packed once, bias and ReLU while the result is in a cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.nn.kernels import conv_small, conv_taps, winograd
from sparkdl.nn.kernels.conv_taps import Pair, dense, nhwc, pads_of, taps_of

_FEW = 3  # tiles of 4x4 pixels: for fewer, reading the weights four times as large takes longer than it saves
_ROWS = 6  # pictures: for fewer, going pixel by pixel reads the weights several times for half empty register tiles


class Ready:
    """``ready(y, x)``: ``y = x * w + bias``, or its maximum with 0 (``relu``); arrays and options as in ``conv``.

    ``w`` and ``bias`` must not change any more.
    """

    def __init__(
        self, w: np.ndarray, bias: np.ndarray | None, stride: Pair, padding: Any, dilation: Pair, groups: int, relu: bool
    ) -> None:
        self.w, self.bias, self.relu = np.ascontiguousarray(w), bias, relu
        self.stride, self.dilation = (stride[0], stride[1]), (dilation[0], dilation[1])
        self.padding, self.groups = padding, groups
        self._transformed: np.ndarray | None = None
        self._panels: np.ndarray | None = None

    def __call__(self, y: np.ndarray, x: np.ndarray) -> None:
        """``y`` and ``x`` NCHW in shape, ``y`` with its channels next to each other."""
        if not y.size:
            return
        w, options = self.w, (self.stride, self.dilation, self.groups)
        kernel = w.shape[0], w.shape[1]
        (top, _), (left, _) = pads_of(self.padding)
        out, source = nhwc(y), nhwc(x)
        tiles = len(x) * -(-y.shape[2] // 4) * -(-y.shape[3] // 4)
        if tiles >= _FEW and winograd.suits(x.dtype, kernel, *options, x.shape[1], y.shape[1], y.shape[2:]):
            if self._transformed is None:
                self._transformed = winograd.transformed(w)
            winograd.forward(out, dense(source), w, self.bias, (top, left), self.relu, self._transformed)
        elif len(x) >= _ROWS and conv_small.suits(kernel, *options, x.shape[2:], y.shape[2:]):
            flat = w.reshape(kernel[0] * kernel[1], *w.shape[2:])
            conv_small.run(out, np.ascontiguousarray(source), flat, kernel, self.bias, (top, left))
            if self.relu:
                np.maximum(y, 0, out=y)
        else:
            if self._panels is None:
                self._panels = conv_taps.packed(w, self.groups)
            taps = taps_of(kernel, self.stride, (top, left), self.dilation, y.shape[2:], x.shape[2:])
            conv_taps.run(out, source, w, self.bias, taps, self.groups, self.relu, self._panels)
