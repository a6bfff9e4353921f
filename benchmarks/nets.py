"""The nets of the benchmarks of CPUs, built by either library: ``nn`` is ``sparkdl.nn`` or ``torch.nn``."""

from __future__ import annotations

from typing import Any

import numpy as np


def lenet(nn: Any, c1: int = 6, c2: int = 12, hidden: int = 100) -> list[Any]:
    return [
        nn.Conv2d(1, c1, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(c1, c2, 5), nn.Tanh(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16 * c2, hidden), nn.Tanh(), nn.Linear(hidden, 10),
    ]  # fmt: skip


def lenet_caffe(nn: Any) -> list[Any]:
    return [
        nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10),
    ]  # fmt: skip


def vgg16(nn: Any) -> list[Any]:
    layers: list[Any] = []
    channels = 3
    for width in (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"):
        if width == "M":
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
    return [*layers, nn.Flatten(), nn.Linear(512, 10)]


def mlp(nn: Any) -> list[Any]:
    return [nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10)]


def mobilenet(nn: Any) -> list[Any]:
    """MobileNet-V1 for 224 x 224."""

    def unit(channels: int, out: int, *conv: Any, **options: Any) -> list[Any]:
        return [nn.Conv2d(channels, out, *conv, bias=False, **options), nn.BatchNorm2d(out), nn.ReLU()]

    layers, channels = unit(3, 32, 3, stride=2, padding=1), 32
    for out, stride in (
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        *[(512, 1)] * 5,
        (1024, 2),
        (1024, 1),
    ):
        layers += unit(channels, channels, 3, stride=stride, padding=1, groups=channels) + unit(channels, out, 1)
        channels = out
    return [*layers, nn.AvgPool2d(7), nn.Flatten(), nn.Linear(1024, 1000)]


def resnet(nn: Any, blocks: tuple[int, ...], wide: int) -> Any:
    """ResNet for 224 x 224 in either library: basic blocks (``wide`` 1) or bottlenecks (``wide`` 4)."""
    def conv(a: int, b: int, k: int, stride: int = 1) -> Any:
        return nn.Sequential(nn.Conv2d(a, b, k, stride=stride, padding=k // 2, bias=False), nn.BatchNorm2d(b))

    class Block(nn.Module):
        def __init__(self, channels: int, width: int, stride: int) -> None:
            super().__init__()
            out = width * wide
            if wide == 1:
                parts = [conv(channels, width, 3, stride), nn.ReLU(), conv(width, out, 3)]
            else:
                parts = [
                    conv(channels, width, 1),
                    nn.ReLU(),
                    conv(width, width, 3, stride),
                    nn.ReLU(),
                    conv(width, out, 1),
                ]
            self.main = nn.Sequential(*parts)
            self.side = (
                conv(channels, out, 1, stride) if stride > 1 or channels != out else nn.Sequential(nn.Identity())
            )
            self.last = nn.ReLU()

        def forward(self, x: Any) -> Any:
            return self.last(self.main(x) + self.side(x))

    layers, channels = [conv(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], 64
    for stage, count in enumerate(blocks):
        for i in range(count):
            layers.append(Block(channels, 64 << stage, 2 if stage and not i else 1))
            channels = (64 << stage) * wide
    return [*layers, nn.AvgPool2d(7), nn.Flatten(), nn.Linear(channels, 1000)]


def resnet18(nn: Any) -> list[Any]:
    return resnet(nn, (2, 2, 2, 2), 1)


def resnet50(nn: Any) -> list[Any]:
    return resnet(nn, (3, 4, 6, 3), 4)


def lstm(nn: Any) -> list[Any]:
    """32 steps of 128 values; all hidden states are read."""
    return [_Output(nn, nn.LSTM(128, 256, **_batch_first(nn))), nn.Flatten(), nn.Linear(32 * 256, 10)]


def transformer(nn: Any) -> list[Any]:
    """One encoder block over 128 places of 512 values."""
    block = nn.TransformerEncoderLayer(512, 8, 2048, dropout=0.0, activation="relu", **_batch_first(nn))
    return [block, nn.Flatten(), nn.Linear(128 * 512, 10)]


def _batch_first(nn: Any) -> dict[str, bool]:
    return {"batch_first": True} if nn.__name__ == "torch.nn" else {}


def _Output(nn: Any, layer: Any) -> Any:
    """The layer without the states that PyTorch's recurrent layers return beside their output."""

    class Output(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Any) -> Any:
            y = self.layer(x)
            return y[0] if isinstance(y, tuple) else y

    return Output()


WORKLOADS: dict[str, tuple[Any, tuple[int, ...], int, int]] = {  # layers, shape of a row, batch, classes
    "lenet": (lenet, (1, 28, 28), 128, 10),
    "lenet_caffe": (lenet_caffe, (1, 28, 28), 128, 10),
    "vgg16": (vgg16, (3, 32, 32), 64, 10),
    "resnet18": (resnet18, (3, 224, 224), 16, 1000),
    "resnet50": (resnet50, (3, 224, 224), 16, 1000),
    "mobilenet": (mobilenet, (3, 224, 224), 32, 1000),
    "mlp": (mlp, (784,), 128, 10),
    "lstm": (lstm, (32, 128), 64, 10),
    "transformer": (transformer, (128, 512), 8, 10),
}


def data(workload: str, steps: int, batch: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Rows and labels for ``steps`` batches."""
    _, shape, size, classes = WORKLOADS[workload]
    rng, rows = np.random.default_rng(0), steps * (batch or size)
    return rng.standard_normal((rows, *shape), dtype=np.float32), rng.integers(0, classes, rows)


def our_model(workload: str) -> Any:
    from sparkdl import nn

    nn.manual_seed(0)
    return nn.Sequential(*WORKLOADS[workload][0](nn))


def their_model(workload: str) -> Any:
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(*WORKLOADS[workload][0](torch.nn))


def same_models(workload: str) -> tuple[Any, Any]:
    """sparkdl's and PyTorch's model with the same weights."""
    ours, theirs = our_model(workload), their_model(workload)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return ours, theirs
