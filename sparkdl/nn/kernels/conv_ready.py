"""A convolution for inference: weights transformed and packed once, bias and ReLU while the result is in a cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sparkdl.kernel import num_threads
from sparkdl.nn.kernels import adding, conv_few, conv_small, conv_taps, winograd
from sparkdl.nn.kernels.conv_taps import Pair, dense, nhwc, pads_of, taps_of

# Winograd's weights are four times as large: for fewer than 3 tiles of 4x4 pixels, and for up to 4 where they come from
# memory each time, reading them takes longer than they save.
_FEW, _FEW_FROM_MEMORY, _CACHED = 3, 5, 16 << 20
_ROWS = 6  # pictures: for fewer, going pixel by pixel reads the weights several times for half empty register tiles


class Ready:
    """``ready(y, x)``: ``y = x * w + bias``, or its maximum with 0 (``relu``); arrays and options as in ``conv``.

    ``ready(y, x, other, relu)``: ``y = x * w + bias + other``, or its maximum with 0, where there is no ``relu`` yet.
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
        self._prepared: dict[Any, Callable[..., None]] = {}  # small nets wait for Python else

    def __call__(self, y: np.ndarray, x: np.ndarray, other: np.ndarray | None = None, relu: bool = False) -> None:
        """``y``, ``x`` and ``other`` NCHW in shape, ``y`` with its channels next to each other."""
        if not y.size:
            return
        like = x.shape, x.strides, y.strides, num_threads(), other is not None, relu
        go = self._prepared.get(like)
        if go is None:
            go = self._prepared[like] = self._prepare(nhwc(y), nhwc(x), other is not None, relu or self.relu)
        if other is None:
            go(nhwc(y), nhwc(x))
        else:
            go(nhwc(y), nhwc(x), np.ascontiguousarray(nhwc(other)))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_transformed": None, "_panels": None, "_prepared": {}}  # all made again from ``w``

    def _prepare(self, y: np.ndarray, x: np.ndarray, summed: bool, relu: bool) -> Callable[..., None]:
        """How arrays of these shapes and strides (NHWC) go; ``summed`` with another one."""
        w, channels, out, options = self.w, x.shape[3], y.shape[3], (self.stride, self.dilation, self.groups)
        kernel = w.shape[0], w.shape[1]
        (top, _), (left, _) = pads_of(self.padding)
        tiles = len(x) * -(-y.shape[1] // 4) * -(-y.shape[2] // 4)
        taps = taps_of(kernel, self.stride, (top, left), self.dilation, y.shape[1:3], x.shape[1:3])
        at_once = relu and not summed
        least = _FEW if 36 * channels * out * w.itemsize <= _CACHED else _FEW_FROM_MEMORY
        if tiles >= least and winograd.suits(x.dtype, kernel, *options, channels, out, y.shape[1:3]):
            if self._transformed is None:
                self._transformed = winograd.transformed(w)
            flat = w.reshape(9, channels, out)
            inner = winograd.prepare(y, x, flat, self.bias, (top, left), at_once, self._transformed)

            def go(y: np.ndarray, x: np.ndarray) -> None:
                inner(y, dense(x))
        elif len(x) >= _ROWS and conv_small.suits(kernel, *options, x.shape[1:3], y.shape[1:3]):
            flat = w.reshape(kernel[0] * kernel[1], *w.shape[2:])

            def go(y: np.ndarray, x: np.ndarray) -> None:
                conv_small.run(y, np.ascontiguousarray(x), flat, kernel, self.bias, (top, left))
                if at_once:
                    np.maximum(y, 0, out=y)
        else:
            if self._panels is None:
                self._panels = conv_taps.packed(w, self.groups)
            panels = self._panels
            if panels is None or not y.flags.c_contiguous or not conv_few.suits(taps, len(x), self.groups):
                return conv_taps.prepare(y, x, w, self.bias, taps, self.groups, relu, panels)
            few = conv_few.prepare(y, x, self.bias, taps, at_once, panels)
            return _then_add(few, relu) if summed else few
        return _then_add(go, relu) if summed else go


def _then_add(go: Callable[..., None], relu: bool) -> Callable[..., None]:
    add = adding.add_relu if relu else adding.add

    def apart(y: np.ndarray, x: np.ndarray, other: np.ndarray) -> None:
        go(y, x)
        add(y, y, other)

    return apart
