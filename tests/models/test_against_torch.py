"""The nets whose structure is more than a list of layers, against the same nets written in PyTorch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn as tnn

from sparkdl import models, nn


class Block(tnn.Module):
    """A residual block: convolutions and norms in turn, ``relu`` between them and after the sum."""

    def __init__(self, convolutions, shortcut):
        super().__init__()
        self.main = tnn.ModuleList()
        for args, options in convolutions:
            self.main.append(tnn.Conv2d(*args, bias=False, **options))
            self.main.append(tnn.BatchNorm2d(args[1]))
        self.shortcut = shortcut

    def forward(self, x):
        y = x
        for i in range(0, len(self.main), 2):
            y = self.main[i + 1](self.main[i](F.relu(y) if i else y))
        return F.relu(y + self.shortcut(x))


class Thin(tnn.Module):
    def __init__(self, more):
        super().__init__()
        self.more = more

    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.more))


def projected(a, b, stride):
    return tnn.Sequential(tnn.Conv2d(a, b, 1, stride, bias=False), tnn.BatchNorm2d(b))


def resnet_cifar(depth):
    layers, a = [tnn.Conv2d(3, 16, 3, 1, 1, bias=False), tnn.BatchNorm2d(16), tnn.ReLU()], 16
    for b in (16, 32, 64):
        for n in range((depth - 2) // 6):
            stride = 2 if n == 0 and b > 16 else 1
            convolutions = [((a, b, 3, stride, 1), {}), ((b, b, 3, 1, 1), {})]
            layers.append(Block(convolutions, tnn.Identity() if a == b else Thin(b - a)))
            a = b
    return tnn.Sequential(*layers, tnn.AdaptiveAvgPool2d(1), tnn.Flatten(), tnn.Linear(64, 10))


def resnet50():
    layers, a = [tnn.Conv2d(3, 64, 7, 2, 3, bias=False), tnn.BatchNorm2d(64), tnn.ReLU(), tnn.MaxPool2d(3, 2, 1)], 64
    for i, many in enumerate((3, 4, 6, 3)):
        b = 64 * 2**i
        for n in range(many):
            stride = 2 if n == 0 and i else 1
            convolutions = [((a, b, 1), {}), ((b, b, 3, stride, 1), {}), ((b, 4 * b, 1), {})]
            layers.append(Block(convolutions, tnn.Identity() if n else projected(a, 4 * b, stride)))
            a = 4 * b
    return tnn.Sequential(*layers, tnn.AdaptiveAvgPool2d(1), tnn.Flatten(), tnn.Linear(2048, 1000))


class Added(tnn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


def mobilenet_v2():
    def conv(a, b, k, stride=1, groups=1):
        layers = [tnn.Conv2d(a, b, k, stride, k // 2, groups=groups, bias=False), tnn.BatchNorm2d(b)]
        return [*layers, tnn.ReLU6()]

    layers, a = conv(3, 32, 3, 2), 32
    for t, c, many, s in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for n in range(many):
            stride = 1 if n else s
            wide = conv(a, t * a, 1) if t > 1 else []
            block = [*wide, *conv(t * a, t * a, 3, stride, t * a), *conv(t * a, c, 1)[:-1]]
            layers.append((Added if stride == 1 and a == c else tnn.Sequential)(*block))
            a = c
    return tnn.Sequential(*layers, *conv(320, 1280, 1), tnn.AdaptiveAvgPool2d(1), tnn.Flatten(), tnn.Linear(1280, 1000))


class Side(tnn.ModuleList):
    def forward(self, x):
        return torch.cat([branch(x) for branch in self], 1)


def squeezenet():
    def fire(a, b):
        sides = (
            tnn.Sequential(tnn.Conv2d(b, 4 * b, 1), tnn.ReLU()),
            tnn.Sequential(tnn.Conv2d(b, 4 * b, 3, 1, 1), tnn.ReLU()),
        )
        return tnn.Sequential(tnn.Conv2d(a, b, 1), tnn.ReLU(), Side(sides))

    pool = lambda: tnn.MaxPool2d(3, 2, ceil_mode=True)  # noqa: E731
    return tnn.Sequential(
        tnn.Conv2d(3, 96, 7, 2), tnn.ReLU(), pool(), fire(96, 16), fire(128, 16), fire(128, 32), pool(), fire(256, 32),
        fire(256, 48), fire(384, 48), fire(384, 64), pool(), fire(512, 64), tnn.Conv2d(512, 1000, 1), tnn.ReLU(),
        tnn.AdaptiveAvgPool2d(1), tnn.Flatten(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mine", "theirs", "size"),
    [
        (lambda: models.resnet_cifar(14), lambda: resnet_cifar(14), 32),
        (models.resnet, resnet50, 64),
        (models.mobilenet_v2, mobilenet_v2, 64),
        (models.squeezenet, squeezenet, 64),
    ],
    ids=["resnet_cifar", "resnet50", "mobilenet_v2", "squeezenet"],
)
def test_outputs_are_pytorchs(mine, theirs, size):
    nn.manual_seed(1)
    torch.manual_seed(1)
    model, other = mine().eval(), theirs().eval()
    parameters = list(model.parameters())
    assert [p.shape for p in parameters] == [tuple(p.shape) for p in other.parameters()]
    for p, q in zip(parameters, other.parameters(), strict=True):
        p.value = q.detach().numpy()
    x = np.random.default_rng(0).standard_normal((1, 3, size, size)).astype(np.float32)
    with torch.no_grad():
        expected = other(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
