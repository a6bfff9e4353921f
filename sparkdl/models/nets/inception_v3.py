from __future__ import annotations

from typing import Any

from sparkdl import nn
from sparkdl.models.blocks import conv_bn


def inception_v3(classes: int = 1000, dropout: float = 0.5) -> nn.Sequential:
    """Inception-v3 for (batch, 3, 299, 299), without its auxiliary classifier; 23.8 million parameters.

    Source: Szegedy et al. (2016), table 1, in the form that was published with its weights.
    """
    return nn.Sequential(
        conv1=_conv(3, 32, 3, 2), conv2=_conv(32, 32, 3), conv3=_conv(32, 64, 3, padding=1), pool1=nn.MaxPool2d(3, 2),
        conv4=_conv(64, 80, 1), conv5=_conv(80, 192, 3), pool2=nn.MaxPool2d(3, 2),
        mixed1=_fives(192, 32), mixed2=_fives(256, 64), mixed3=_fives(288, 64),
        mixed4=_to_17(288),
        mixed5=_sevens(768, 128), mixed6=_sevens(768, 160), mixed7=_sevens(768, 160), mixed8=_sevens(768, 192),
        mixed9=_to_8(768),
        mixed10=_fans(1280), mixed11=_fans(2048),
        pool=nn.GlobalAvgPool(), dropout=nn.Dropout(dropout), fc=nn.Linear(2048, classes),
    )  # fmt: skip


def _conv(inputs: int, outputs: int, kernel: Any, stride: int = 1, padding: Any = 0) -> nn.Sequential:
    layers = conv_bn(inputs, outputs, kernel, stride, padding)
    layers["bn"].eps = 1e-3
    return layers


def _pooled(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.AvgPool2d(3, 1, 1), _conv(inputs, outputs, 1))


def _fives(inputs: int, pooled: int) -> nn.Module:
    """35x35 places: 1x1; 5x5; two 3x3; pool."""
    return nn.ConcatBranches(
        one=_conv(inputs, 64, 1),
        five=nn.Sequential(_conv(inputs, 48, 1), _conv(48, 64, 5, padding=2)),
        three=nn.Sequential(_conv(inputs, 64, 1), _conv(64, 96, 3, padding=1), _conv(96, 96, 3, padding=1)),
        pool=_pooled(inputs, pooled),
    )


def _to_17(inputs: int) -> nn.Module:
    """35x35 places become 17x17."""
    return nn.ConcatBranches(
        three=_conv(inputs, 384, 3, 2),
        threes=nn.Sequential(_conv(inputs, 64, 1), _conv(64, 96, 3, padding=1), _conv(96, 96, 3, 2)),
        pool=nn.MaxPool2d(3, 2),
    )


def _sevens(inputs: int, c: int) -> nn.Module:
    """17x17 places: 1x1; 7x7 as 1x7 and 7x1, once and twice; pool."""
    flat: dict[str, Any] = {"kernel": (1, 7), "padding": (0, 3)}
    tall: dict[str, Any] = {"kernel": (7, 1), "padding": (3, 0)}
    return nn.ConcatBranches(
        one=_conv(inputs, 192, 1),
        seven=nn.Sequential(_conv(inputs, c, 1), _conv(c, c, **flat), _conv(c, 192, **tall)),
        sevens=nn.Sequential(
            _conv(inputs, c, 1), _conv(c, c, **tall), _conv(c, c, **flat), _conv(c, c, **tall), _conv(c, 192, **flat)
        ),
        pool=_pooled(inputs, 192),
    )


def _to_8(inputs: int) -> nn.Module:
    """17x17 places become 8x8."""
    return nn.ConcatBranches(
        three=nn.Sequential(_conv(inputs, 192, 1), _conv(192, 320, 3, 2)),
        seven=nn.Sequential(
            _conv(inputs, 192, 1), _conv(192, 192, (1, 7), padding=(0, 3)), _conv(192, 192, (7, 1), padding=(3, 0)),
            _conv(192, 192, 3, 2),
        ),
        pool=nn.MaxPool2d(3, 2),
    )  # fmt: skip


def _fans(inputs: int) -> nn.Module:
    """8x8 places: 1x1; 3x3 and two 3x3, each ending in 1x3 beside 3x1; pool."""

    def fan(channels: int) -> nn.Module:
        return nn.ConcatBranches(
            flat=_conv(channels, 384, (1, 3), padding=(0, 1)), tall=_conv(channels, 384, (3, 1), padding=(1, 0))
        )

    return nn.ConcatBranches(
        one=_conv(inputs, 320, 1),
        three=nn.Sequential(_conv(inputs, 384, 1), fan(384)),
        threes=nn.Sequential(_conv(inputs, 448, 1), _conv(448, 384, 3, padding=1), fan(384)),
        pool=_pooled(inputs, 192),
    )
