from __future__ import annotations

from sparkdl import nn


def alexnet(classes: int = 1000, dropout: float = 0.5) -> nn.Sequential:
    """AlexNet for (batch, 3, 224, 224) on one device, without response normalisation; 61.1 million parameters.

    Source: Krizhevsky (2014), "One weird trick for parallelizing convolutional neural networks".
    """
    features = nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
    )  # fmt: skip
    classifier = nn.Sequential(
        nn.Dropout(dropout), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(),
        nn.Dropout(dropout), nn.Linear(4096, 4096), nn.ReLU(),
        nn.Linear(4096, classes),
    )  # fmt: skip
    return nn.Sequential(features=features, flatten=nn.Flatten(), classifier=classifier)
