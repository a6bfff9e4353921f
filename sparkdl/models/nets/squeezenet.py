from __future__ import annotations

from sparkdl import nn

_POOLED_BEFORE = {"1.0": (5, 9), "1.1": (4, 6)}  # fire modules with a pool in front, besides the first


def squeezenet(version: str = "1.0", classes: int = 1000, dropout: float = 0.5) -> nn.Sequential:
    """SqueezeNet 1.0 or 1.1 (a third of the work) for (batch, 3, 224, 224), 1.24 million parameters.

    Source: Iandola et al. (2016), table 1.
    """
    if version not in _POOLED_BEFORE:
        raise ValueError(f"squeezenet: version must be '1.0' or '1.1', got {version!r}.")
    first = nn.Conv2d(3, 96, 7, 2) if version == "1.0" else nn.Conv2d(3, 64, 3, 2)
    features, channels = (
        nn.Sequential(conv1=first, relu1=nn.ReLU(), pool1=nn.MaxPool2d(3, 2, ceil_mode=True)),
        first.out_channels,
    )
    for i in range(2, 10):  # numbered as in the paper
        if i in _POOLED_BEFORE[version]:
            features.append(nn.MaxPool2d(3, 2, ceil_mode=True), f"pool{i - 1}")
        squeezed = 16 * (i // 2)
        features.append(_fire(channels, squeezed), f"fire{i}")
        channels = 8 * squeezed
    classifier = nn.Sequential(
        dropout=nn.Dropout(dropout), conv10=nn.Conv2d(512, classes, 1), relu=nn.ReLU(), pool=nn.GlobalAvgPool()
    )
    return nn.Sequential(features=features, classifier=classifier)


def _fire(inputs: int, squeezed: int) -> nn.Sequential:
    """A 1x1 convolution that narrows, then 1x1 and 3x3 side by side that widen eightfold."""
    return nn.Sequential(
        squeeze=nn.Conv2d(inputs, squeezed, 1),
        relu=nn.ReLU(),
        expand=nn.ConcatBranches(
            one=nn.Sequential(nn.Conv2d(squeezed, 4 * squeezed, 1), nn.ReLU()),
            three=nn.Sequential(nn.Conv2d(squeezed, 4 * squeezed, 3, padding=1), nn.ReLU()),
        ),
    )
