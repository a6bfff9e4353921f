from __future__ import annotations

from sparkdl import nn
from sparkdl.models.blocks import he_init

_STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}  # blocks per stage


def resnet(depth: int = 50, classes: int = 1000) -> nn.Sequential:
    """ResNet-18, 34 or 50 for (batch, 3, 224, 224) (any size from 32 on), with shortcuts by projection.

    ResNet-50 takes its stride in the 3x3 convolution.

    Source: He et al. (2016), table 1, option B.
    """
    if depth not in _STAGES:
        raise ValueError(f"resnet: depth must be one of {', '.join(map(str, _STAGES))}, got {depth!r}.")
    block, widen = (bottleneck, 4) if depth == 50 else (basic_block, 1)
    model = nn.Sequential(
        conv1=nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        bn1=nn.BatchNorm2d(64),
        relu=nn.ReLU(),
        maxpool=nn.MaxPool2d(3, 2, 1),
    )
    channels = 64
    for i, many in enumerate(_STAGES[depth]):
        stage, width = nn.Sequential(), 64 * 2**i
        for n in range(many):
            stage.append(block(channels, width, stride=2 if i and n == 0 else 1))
            channels = width * widen
        model.append(stage, f"layer{i + 1}")
    model.append(nn.GlobalAvgPool(), "avgpool").append(nn.Linear(channels, classes), "fc")
    return he_init(model)


def resnet_cifar(depth: int = 20, classes: int = 10) -> nn.Sequential:
    """ResNet of 6n + 2 layers for (batch, 3, 32, 32), with shortcuts without parameters; 20, 32, 44, 56, 110.

    Source: He et al. (2016), section 4.2, option A.
    """
    if depth < 8 or depth % 6 != 2:
        raise ValueError(f"resnet_cifar: depth must be 6n + 2, as 20, 32, 56 or 110; got {depth!r}.")
    model = nn.Sequential(conv1=nn.Conv2d(3, 16, 3, 1, 1, bias=False), bn1=nn.BatchNorm2d(16), relu=nn.ReLU())
    channels = 16
    for i in range(3):
        stage, width = nn.Sequential(), 16 * 2**i
        for n in range(depth // 6):
            stage.append(basic_block(channels, width, stride=2 if i and n == 0 else 1, project=False))
            channels = width
        model.append(stage, f"layer{i + 1}")
    model.append(nn.GlobalAvgPool(), "avgpool").append(nn.Linear(channels, classes), "fc")
    return he_init(model)


def basic_block(inputs: int, width: int, stride: int = 1, project: bool = True) -> nn.Sequential:
    """Two 3x3 convolutions and a shortcut."""
    main = nn.Sequential(
        conv1=nn.Conv2d(inputs, width, 3, stride, 1, bias=False), bn1=nn.BatchNorm2d(width), relu=nn.ReLU(),
        conv2=nn.Conv2d(width, width, 3, 1, 1, bias=False), bn2=nn.BatchNorm2d(width),
    )  # fmt: skip
    return _added(main, _shortcut(inputs, width, stride, project))


def bottleneck(inputs: int, width: int, stride: int = 1) -> nn.Sequential:
    """1x1, 3x3, 1x1 convolutions, the last one four times as wide, and a shortcut."""
    main = nn.Sequential(
        conv1=nn.Conv2d(inputs, width, 1, bias=False), bn1=nn.BatchNorm2d(width), relu1=nn.ReLU(),
        conv2=nn.Conv2d(width, width, 3, stride, 1, bias=False), bn2=nn.BatchNorm2d(width), relu2=nn.ReLU(),
        conv3=nn.Conv2d(width, 4 * width, 1, bias=False), bn3=nn.BatchNorm2d(4 * width),
    )  # fmt: skip
    return _added(main, _shortcut(inputs, 4 * width, stride, project=True))


def _added(main: nn.Module, shortcut: nn.Module) -> nn.Sequential:
    return nn.Sequential(both=nn.Branches(main=main, shortcut=shortcut), add=nn.Add(), relu=nn.ReLU())


def _shortcut(inputs: int, outputs: int, stride: int, project: bool) -> nn.Module:
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    if project:
        return nn.Sequential(conv=nn.Conv2d(inputs, outputs, 1, stride, bias=False), bn=nn.BatchNorm2d(outputs))
    zeros = (0, outputs - inputs)  # the channels that are new
    return nn.Sequential(every_second=nn.AvgPool2d(1, stride), zeros=nn.Pad((zeros, (0, 0), (0, 0))))
