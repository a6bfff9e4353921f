"""The three heads of Mask R-CNN on a feature pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sparkdl.nn.layers.conv import Conv2d
from sparkdl.nn.layers.conv_transpose import ConvTranspose2d
from sparkdl.nn.layers.flatten import Flatten
from sparkdl.nn.layers.linear import Linear
from sparkdl.nn.layers.pyramid import Pooler
from sparkdl.nn.layers.pyramid_proposal import PyramidProposal
from sparkdl.nn.layers.relu import ReLU
from sparkdl.nn.layers.sigmoid import Sigmoid
from sparkdl.nn.layers.softmax import Softmax
from sparkdl.nn.layers.time_distributed import TimeDistributed
from sparkdl.nn.module import Module
from sparkdl.nn.sequential import Sequential


class RegionProposal(Module):
    """A region proposal network on a pyramid: a 3x3 convolution, then scores and offsets of each place's boxes, by the
    same weights on all levels; PyramidProposal picks the boxes.

    Shapes
    ------
    inputs   maps (batch, in_channels, *), one per level, finest first; picture (batch, 2 or more): height and width
    outputs  boxes (batch, post_nms, 4), scores (batch, post_nms)

    Source: Ren et al. (2015), section 3.1; Lin et al. (2017), section 4.1.
    """

    def __init__(
        self, in_channels: int, sizes: Sequence[float] = (32, 64, 128, 256, 512),
        strides: Sequence[float] = (4, 8, 16, 32, 64), ratios: Sequence[float] = (0.5, 1.0, 2.0), pre_nms: int = 1000,
        post_nms: int = 1000, iou_threshold: float = 0.7, min_size: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.in_channels = in_channels
        self.sizes, self.strides, self.ratios = tuple(sizes), tuple(strides), tuple(ratios)
        self.pre_nms, self.post_nms, self.iou_threshold, self.min_size = pre_nms, post_nms, iou_threshold, min_size
        self.conv, self.relu = Conv2d(in_channels, in_channels, 3, padding=1), ReLU()
        self.cls_logits, self.sigmoid = Conv2d(in_channels, len(self.ratios), 1), Sigmoid()
        self.bbox_pred = Conv2d(in_channels, 4 * len(self.ratios), 1)
        self.select = PyramidProposal(sizes, strides, ratios, pre_nms, post_nms, iou_threshold, min_size)

    def forward(self, *xs: Any) -> Any:
        *maps, picture = xs
        inner = [self.relu(self.conv(x)) for x in maps]
        scores = [self.sigmoid(self.cls_logits(x)) for x in inner]
        return self.select(*scores, *(self.bbox_pred(x) for x in inner), picture)


class BoxHead(Module):
    """Class probabilities and box offsets of regions: Pooler, two fully connected layers, two linear maps.

    DetectionOutputFrcnn makes detections of them.

    Shapes
    ------
    inputs   maps (batch, in_channels, *), one per scale; regions (batch, n, 4) in pixels
    outputs  probabilities (batch, n, num_classes), class 0 being the background; offsets (batch, n, 4 * num_classes)

    Source: Lin et al. (2017), section 4.2.
    """

    def __init__(
        self, in_channels: int, num_classes: int, scales: Sequence[float] = (0.25, 0.125, 0.0625, 0.03125),
        resolution: int = 7, sampling_ratio: int = 2, representation: int = 1024,
    ) -> None:  # fmt: skip
        super().__init__()
        self.in_channels, self.num_classes, self.scales = in_channels, num_classes, tuple(scales)
        self.resolution, self.sampling_ratio, self.representation = resolution, sampling_ratio, representation
        self.pooler, self.flatten = Pooler(resolution, scales, sampling_ratio), Flatten(2)
        self.fc6, self.fc7 = Linear(in_channels * resolution**2, representation), Linear(representation, representation)
        self.relu6, self.relu7, self.softmax = ReLU(), ReLU(), Softmax(-1)
        self.cls_score, self.bbox_pred = Linear(representation, num_classes), Linear(representation, 4 * num_classes)

    def forward(self, *xs: Any) -> Any:
        x = self.relu7(self.fc7(self.relu6(self.fc6(self.flatten(self.pooler(*xs))))))
        return self.softmax(self.cls_score(x)), self.bbox_pred(x)


class MaskHead(Module):
    """Masks of regions, one per class: Pooler, 3x3 convolutions, a transposed one that doubles the size, a 1x1 one.

    Shapes
    ------
    inputs   maps (batch, in_channels, *), one per scale; regions (batch, n, 4) in pixels
    outputs  (batch, n, num_classes, 2 * resolution, 2 * resolution), values in 0 .. 1

    Source: He et al. (2017), figure 4.
    """

    def __init__(
        self, in_channels: int, num_classes: int, scales: Sequence[float] = (0.25, 0.125, 0.0625, 0.03125),
        resolution: int = 14, sampling_ratio: int = 2, layers: Sequence[int] = (256, 256, 256, 256),
    ) -> None:  # fmt: skip
        super().__init__()
        self.in_channels, self.num_classes, self.scales = in_channels, num_classes, tuple(scales)
        self.resolution, self.sampling_ratio, self.layers = resolution, sampling_ratio, tuple(layers)
        self.pooler = Pooler(resolution, scales, sampling_ratio)
        net = Sequential()
        for before, after in zip((in_channels, *self.layers), self.layers, strict=False):
            net.append(Conv2d(before, after, 3, padding=1)).append(ReLU())
        last = (in_channels, *self.layers)[-1]
        net.append(ConvTranspose2d(last, last, 2, stride=2)).append(ReLU())
        net.append(Conv2d(last, num_classes, 1)).append(Sigmoid())
        self.each = TimeDistributed(net)

    def forward(self, *xs: Any) -> Any:
        return self.each(self.pooler(*xs))
