from __future__ import annotations

from sparkdl import nn
from sparkdl.models.blocks import he_init

_WIDTHS = (64, 128, 256, 512, 512)  # of the five stages, each of which ends in a 2x2 maximum
_CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # per stage


def vgg(depth: int = 16, classes: int = 1000, batch_norm: bool = False, dropout: float = 0.5) -> nn.Sequential:
    """VGG-11, 13, 16 or 19 for (batch, 3, 224, 224).

    Source: Simonyan & Zisserman (2015), table 1, columns A, B, D, E.
    """
    features = _features(depth, batch_norm)
    classifier = nn.Sequential(
        nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(4096, classes),
    )  # fmt: skip
    return nn.Sequential(features=features, flatten=nn.Flatten(), classifier=classifier)


def vgg_cifar(depth: int = 16, classes: int = 10, batch_norm: bool = True, dropout: float = 0.5) -> nn.Sequential:
    """The same convolutions for (batch, 3, 32, 32), with one hidden layer of 512 behind them."""
    hidden = [nn.Linear(512, 512), *([nn.BatchNorm1d(512)] if batch_norm else []), nn.ReLU()]
    classifier = nn.Sequential(nn.Dropout(dropout), *hidden, nn.Dropout(dropout), nn.Linear(512, classes))
    return nn.Sequential(features=_features(depth, batch_norm), flatten=nn.Flatten(), classifier=classifier)


def _features(depth: int, batch_norm: bool) -> nn.Module:
    if depth not in _CONVOLUTIONS:
        raise ValueError(f"vgg: depth must be one of {', '.join(map(str, _CONVOLUTIONS))}, got {depth!r}.")
    features, channels = nn.Sequential(), 3
    for width, many in zip(_WIDTHS, _CONVOLUTIONS[depth], strict=True):
        for _ in range(many):
            features.append(nn.Conv2d(channels, width, 3, padding=1))
            if batch_norm:
                features.append(nn.BatchNorm2d(width))
            features.append(nn.ReLU())
            channels = width
        features.append(nn.MaxPool2d(2))
    return he_init(features)
