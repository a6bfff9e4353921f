from __future__ import annotations

from sparkdl import nn


def cifar10_quick(classes: int = 10) -> nn.Sequential:
    """Caffe's "CIFAR-10 quick" for (batch, 3, 32, 32): three convolutions of 5x5, 145,578 parameters."""
    return nn.Sequential(
        conv1=nn.Conv2d(3, 32, 5, padding=2),
        pool1=nn.MaxPool2d(3, 2, ceil_mode=True),
        relu1=nn.ReLU(),
        conv2=nn.Conv2d(32, 32, 5, padding=2),
        relu2=nn.ReLU(),
        pool2=nn.AvgPool2d(3, 2, ceil_mode=True),
        conv3=nn.Conv2d(32, 64, 5, padding=2),
        relu3=nn.ReLU(),
        pool3=nn.AvgPool2d(3, 2, ceil_mode=True),
        flatten=nn.Flatten(),
        ip1=nn.Linear(64 * 4 * 4, 64),
        ip2=nn.Linear(64, classes),
    )
