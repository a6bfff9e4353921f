"""A convolution for inference: weights transformed and packed once, bias and ReLU while the result is in a cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sparkdl.kernel import num_threads
from sparkdl.nn.kernels import bf16, conv_few, conv_small, conv_taps, winograd
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
        self._prepared: dict[Any, Callable[[np.ndarray, np.ndarray], None]] = {}  # small nets wait for Python else

    def __call__(self, y: np.ndarray, x: np.ndarray) -> None:
        """``y`` and ``x`` NCHW in shape, ``y`` with its channels next to each other."""
        if not y.size:
            return
        like = x.shape, x.strides, y.strides, num_threads()
        go = self._prepared.get(like)
        if go is None:
            go = self._prepared[like] = self._prepare(nhwc(y), nhwc(x))
        go(nhwc(y), nhwc(x))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_transformed": None, "_panels": None, "_prepared": {}}  # all made again from ``w``

    def _prepare(self, y: np.ndarray, x: np.ndarray) -> Callable[[np.ndarray, np.ndarray], None]:
        """How arrays of these shapes and strides (NHWC) go."""
        w, channels, out, options = self.w, x.shape[3], y.shape[3], (self.stride, self.dilation, self.groups)
        kernel = w.shape[0], w.shape[1]
        (top, _), (left, _) = pads_of(self.padding)
        tiles = len(x) * -(-y.shape[1] // 4) * -(-y.shape[2] // 4)
        if tiles >= _FEW and winograd.suits(x.dtype, kernel, *options, channels, out, y.shape[1:3]):
            if self._transformed is None:
                self._transformed = winograd.transformed(w)
            flat = w.reshape(9, channels, out)
            go = winograd.prepare(y, x, flat, self.bias, (top, left), self.relu, self._transformed)
            return lambda y, x: go(y, dense(x))
        if len(x) >= _ROWS and conv_small.suits(kernel, *options, x.shape[1:3], y.shape[1:3]):
            flat = w.reshape(kernel[0] * kernel[1], *w.shape[2:])

            def small(y: np.ndarray, x: np.ndarray) -> None:
                conv_small.run(y, np.ascontiguousarray(x), flat, kernel, self.bias, (top, left))
                if self.relu:
                    np.maximum(y, 0, out=y)

            return small
        if self._panels is None:
            self._panels = conv_taps.packed(w, self.groups)
        taps = taps_of(kernel, self.stride, (top, left), self.dilation, y.shape[1:3], x.shape[1:3])
        half = conv_taps.halved(channels, self.groups, x.dtype)
        if half:
            x, w = bf16.columns(x), bf16.rows(w) if self._panels is None else w
        panels = self._panels
        if panels is not None and y.flags.c_contiguous and conv_few.suits(taps, len(x), self.groups):
            go = conv_few.prepare(y, x, self.bias, taps, self.relu, panels)
        else:
            go = conv_taps.prepare(y, x, w, self.bias, taps, self.groups, self.relu, panels)
        return (lambda y, x: go(y, bf16.columns(x))) if half else go
