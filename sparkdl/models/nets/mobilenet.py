from __future__ import annotations

from sparkdl import nn
from sparkdl.models.blocks import conv_bn, he_init


def mobilenet_v1(classes: int = 1000, width: float = 1.0, dropout: float = 0.001) -> nn.Sequential:
    """MobileNet of depthwise separable convolutions for (batch, 3, 224, 224); ``width`` scales all channels.

    Source: Howard et al. (2017), table 1.
    """
    channels = max(8, int(32 * width))
    features = nn.Sequential(conv_bn(3, channels, 3, 2, 1, activation=nn.ReLU6))
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for out, stride in plan:
        out = max(8, int(out * width))
        features.append(conv_bn(channels, channels, 3, stride, 1, groups=channels, activation=nn.ReLU6))
        features.append(conv_bn(channels, out, 1, activation=nn.ReLU6))
        channels = out
    return he_init(_classified(features, channels, classes, dropout))


def mobilenet_v2(classes: int = 1000, width: float = 1.0, dropout: float = 0.2) -> nn.Sequential:
    """MobileNet of inverted residuals for (batch, 3, 224, 224); ``width`` scales all channels.

    Source: Sandler et al. (2018), table 2.
    """
    channels = _eights(32 * width)
    features = nn.Sequential(conv_bn(3, channels, 3, 2, 1, activation=nn.ReLU6))
    plan = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for widen, out, many, stride in plan:
        out = _eights(out * width)
        for n in range(many):
            features.append(_inverted_residual(channels, out, stride if n == 0 else 1, widen))
            channels = out
    last = _eights(1280 * max(1.0, width))
    features.append(conv_bn(channels, last, 1, activation=nn.ReLU6))
    return he_init(_classified(features, last, classes, dropout))


def _inverted_residual(inputs: int, outputs: int, stride: int, widen: int) -> nn.Module:
    """Widened, filtered channel by channel, narrowed without activation; a shortcut where shapes allow."""
    hidden = inputs * widen
    block = nn.Residual() if stride == 1 and inputs == outputs else nn.Sequential()
    if widen > 1:
        block.append(conv_bn(inputs, hidden, 1, activation=nn.ReLU6), "widen")
    block.append(conv_bn(hidden, hidden, 3, stride, 1, groups=hidden, activation=nn.ReLU6), "filter")
    block.append(conv_bn(hidden, outputs, 1, activation=None), "narrow")
    return block


def _classified(features: nn.Module, channels: int, classes: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        features=features, pool=nn.GlobalAvgPool(), dropout=nn.Dropout(dropout), fc=nn.Linear(channels, classes)
    )


def _eights(channels: float) -> int:
    """The nearest multiple of 8, but no more than a tenth below."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near
