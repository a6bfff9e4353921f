from __future__ import annotations

from typing import Any

from sparkdl import nn
from sparkdl.models.blocks import graph

_BLOCKS = {  # channels: 1x1; 1x1 before 3x3, 3x3; 1x1 before 5x5, 5x5; 1x1 behind the pool
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet(classes: int = 1000, aux: bool = False, dropout: float = 0.4) -> Any:
    """GoogLeNet (Inception-v1) for (batch, 3, 224, 224), 7.0 million parameters.

    With ``aux`` it has three outputs, the scores and those of the two auxiliary classifiers, whose losses count 0.3
    each while training.

    Source: Szegedy et al. (2015), table 1.
    """
    stem = nn.Sequential(
        conv1=_conv(3, 64, 7, 2, 3), pool1=nn.MaxPool2d(3, 2, ceil_mode=True), norm1=nn.LocalResponseNorm(5),
        conv2=_conv(64, 64, 1), conv3=_conv(64, 192, 3, 1, 1), norm2=nn.LocalResponseNorm(5),
        pool2=nn.MaxPool2d(3, 2, ceil_mode=True),
    )  # fmt: skip
    x = nn.Input(name="image")
    named: dict[str, nn.Module] = {"stem": stem}
    heads: list[Any] = []
    y, channels = stem(x), 192
    for name, widths in _BLOCKS.items():
        if name in ("4a", "5a"):
            y = nn.MaxPool2d(3, 2, ceil_mode=True)(y)
        block = named[f"inception{name}"] = _inception(channels, widths)
        y, channels = block(y), widths[0] + widths[2] + widths[4] + widths[5]
        if aux and name in ("4a", "4d"):
            head = named[f"aux{len(heads) + 1}"] = _auxiliary(channels, classes)
            heads.append(head(y))
    head = named["head"] = nn.Sequential(
        pool=nn.GlobalAvgPool(), dropout=nn.Dropout(dropout), fc=nn.Linear(channels, classes)
    )
    return graph(x, [head(y), *heads], **named)


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0) -> nn.Sequential:
    return nn.Sequential(conv=nn.Conv2d(inputs, outputs, kernel, stride, padding), relu=nn.ReLU())


def _inception(inputs: int, widths: tuple[int, ...]) -> nn.Module:
    one, before3, three, before5, five, pool = widths
    return nn.ConcatBranches(
        one=_conv(inputs, one, 1),
        three=nn.Sequential(_conv(inputs, before3, 1), _conv(before3, three, 3, padding=1)),
        five=nn.Sequential(_conv(inputs, before5, 1), _conv(before5, five, 5, padding=2)),
        pool=nn.Sequential(nn.MaxPool2d(3, 1, 1), _conv(inputs, pool, 1)),
    )


def _auxiliary(channels: int, classes: int) -> nn.Sequential:
    return nn.Sequential(
        pool=nn.AvgPool2d(5, 3), conv=_conv(channels, 128, 1), flatten=nn.Flatten(),
        fc1=nn.Linear(128 * 4 * 4, 1024), relu=nn.ReLU(), dropout=nn.Dropout(0.7), fc2=nn.Linear(1024, classes),
    )  # fmt: skip
