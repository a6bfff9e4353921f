"""Feature maps of several sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.layers.conv import Conv2d
from sparkdl.nn.layers.pool import MaxPool2d
from sparkdl.nn.layers.resize import Upsample
from sparkdl.nn.layers.roi_pool import RoiAlign
from sparkdl.nn.module import Layer, Module
from sparkdl.nn.sequential import ModuleList


class FPN(Module):
    """Feature pyramid: each map by a 1x1 convolution, plus the next coarser one enlarged twice; then a 3x3 convolution.

    ``top_blocks`` maps more, each every second place of the one before, come behind the coarsest.

    Shapes
    ------
    inputs   maps (batch, in_channels[i], height / 2**i, width / 2**i), finest first
    outputs  as many maps, and the top ones, of ``out_channels`` channels

    Source: Lin et al. (2017), section 3.
    """

    def __init__(self, in_channels, out_channels: int, top_blocks: int = 0) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.top_blocks = tuple(in_channels), out_channels, top_blocks
        self.inner = ModuleList(Conv2d(n, out_channels, 1) for n in self.in_channels)
        self.layer = ModuleList(Conv2d(out_channels, out_channels, 3, padding=1) for _ in self.in_channels)
        self.enlarge, self.thin = Upsample(scale_factor=2, mode="nearest"), MaxPool2d(1, 2)

    def forward(self, *maps):
        if len(maps) != len(self.in_channels):
            raise ShapeError(f"FPN takes {len(self.in_channels)} maps, finest first, got {len(maps)}.")
        above: Any = None
        outputs: list[Any] = []
        for i in reversed(range(len(maps))):
            here = self.inner[i](maps[i])
            above = here if above is None else here + self.enlarge(above)
            outputs.insert(0, self.layer[i](above))
        for _ in range(self.top_blocks):
            outputs.append(self.thin(outputs[-1]))
        return tuple(outputs)


class Pooler(Layer):
    """RoiAlign of each region on the map of the pyramid that fits its size.

    A region of area ``224**2`` goes to level 4 (the maps' levels are ``-log2(scale)``), one of half its width to the
    level below, and so on.

    Shapes
    ------
    inputs  maps (batch, channels, *), one per scale, then regions (batch, n, 4) in pixels of the picture
    output  (batch, n, channels, *output_size)

    Source: Lin et al. (2017), equation 1.
    """

    def __init__(self, output_size, scales, sampling_ratio: int = 2) -> None:
        super().__init__()
        self.output_size, self.scales, self.sampling_ratio = output_size, tuple(scales), sampling_ratio
        if not self.scales or not all(0 < scale <= 1 for scale in self.scales):
            raise ValueError(f"Pooler: scales lie above 0 and up to 1, got {scales!r}.")
        self._pools = [RoiAlign(output_size, scale, sampling_ratio) for scale in self.scales]

    def _levels(self, regions):
        """The number of the map for each region."""
        size = np.maximum(regions[..., 2:] - regions[..., :2], 0).astype(np.float64)
        level = np.floor(4 + np.log2(np.sqrt(size.prod(-1)) / 224 + 1e-6))
        levels = -np.log2(self.scales)
        return (np.clip(level, levels.min(), levels.max())[..., None] >= np.sort(levels)).sum(-1) - 1

    def forward(self, *xs, ctx):
        *maps, regions = xs
        if len(maps) != len(self.scales):
            raise ShapeError(f"{self!r} takes {len(self.scales)} maps and regions, got {len(xs)} arrays.")
        if regions.ndim != 3 or regions.shape[2] != 4 or any(x.ndim != 4 for x in maps):
            got = [x.shape for x in xs]
            raise ShapeError(f"{self!r} takes maps (batch, channels, *) and regions (batch, n, 4), got {got}.")
        chosen = np.argsort(-np.log2(self.scales), kind="stable")[self._levels(regions)]
        total, kept = None, []
        for i, (pool, x) in enumerate(zip(self._pools, maps, strict=True)):
            inner = _Saved(ctx)
            part = pool.forward(x, _only(regions, chosen == i), ctx=inner)
            kept.append(inner)
            total = part if total is None else total + part
        ctx.save(kept)
        return total

    def backward(self, dy, ctx):
        (kept,) = ctx.saved
        return (*(pool.backward(dy, ctx=each)[0] for pool, each in zip(self._pools, kept, strict=True)), None)


class _Saved:
    """What one of several inner layers keeps."""

    symbolic = True

    def __init__(self, ctx):
        self.dtype, self.saved = ctx.dtype, ()

    def save(self, *arrays):
        self.saved = arrays


def _only(regions, here):
    """The regions, but for those elsewhere, which become none."""
    none = np.array([0, 0, -1, -1], regions.dtype)
    return np.where(here[..., None], regions, none)
