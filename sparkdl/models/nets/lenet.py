from __future__ import annotations

from sparkdl import nn


def lenet(classes: int = 10) -> nn.Sequential:
    """LeNet-5 for (batch, 1, 28, 28) or (batch, 28, 28), in the shape that BigDL made known.

    Source: LeCun et al. (1998), section 2.
    """
    return nn.Sequential(
        picture=nn.Reshape((1, 28, 28)),
        conv1=nn.Conv2d(1, 6, 5),
        tanh1=nn.Tanh(),
        pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(6, 12, 5),
        tanh2=nn.Tanh(),
        pool2=nn.MaxPool2d(2),
        flatten=nn.Flatten(),
        fc1=nn.Linear(12 * 4 * 4, 100),
        tanh3=nn.Tanh(),
        fc2=nn.Linear(100, classes),
    )
