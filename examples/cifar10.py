"""A small residual net trained on CIFAR-10 through Spark: from raw arrays to 85 % in eleven minutes on two cores.

    python examples/cifar10.py --data folder            the binary version: data_batch_1.bin ... test_batch.bin
    python examples/cifar10.py --data pictures.tar.xz   an archive of train/<class>/<n>.jpg and test/<class>/<n>.jpg

Pictures are cropped at random places and mirrored, drawn anew in every epoch by sample and step, so that the weights
do not depend on the number of tasks. Printed: accuracy after every epoch, and the wall time to 85 % if that is reached.
It counts everything after the start of Spark: making the DataFrame, starting tasks, loading kernels, validation.
"""

import argparse
import io
import os
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
from pyspark.sql import SparkSession

from sparkdl import nn, optim
from sparkdl.data.readers import frame_of_arrays, read_cifar
from sparkdl.data.transforms import ChannelsFirst, Compose, Normalize, RandomCrop, RandomFlip

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of the training pictures, per channel
GOAL = 0.85
Images = tuple[np.ndarray, np.ndarray]
"""Pixels (n, 32, 32, 3) uint8 and labels (n,)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the binary files, or archive of pictures")
    parser.add_argument("--epochs", type=int, default=6, help="(default: %(default)s)")
    parser.add_argument("--batch", type=int, default=128, help="rows per step (default: %(default)s)")
    parser.add_argument("--width", type=int, default=32, help="channels of the first layer (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=0.1, help="highest learning rate (default: %(default)s)")
    parser.add_argument("--rows", type=int, help="train on so many pictures only, for a quick look")
    parser.add_argument("--master", default="local[2]", help="where Spark runs (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    train, test = binary(options.data) if options.data.is_dir() else pictures(options.data)
    if options.rows:
        chosen = np.random.default_rng(options.seed).permutation(len(train[0]))[: options.rows]
        train = train[0][chosen], train[1][chosen]

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master(options.master).appName("CIFAR-10").config("spark.driver.memory", "4g")
    spark = builder.config("spark.ui.showConsoleProgress", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")

    started = time.perf_counter()
    nn.manual_seed(options.seed)
    steps = options.epochs * -(-len(train[0]) // options.batch)
    model = residual_net(options.width)
    whiten(model[0], (train[0][:5000] / np.float32(255) - np.float32(MEAN)) / np.float32(STD))
    trainer = optim.Trainer(
        model,
        nn.CrossEntropyLoss(label_smoothing=0.1),
        optim.SGD(
            lr=options.rate, momentum=0.9, nesterov=True, weight_decay=5e-4,
            schedule=optim.OneCycleLR(None, steps, pct_start=0.3, anneal_strategy="linear"),
        ),
        batch_size=options.batch,
        max_epochs=options.epochs,
        seed=options.seed,
    )  # fmt: skip
    reached: list[float] = []

    def look(progress: optim.Progress, line: dict) -> None:
        accuracy = next(value for name, value in line.items() if "top1" in name.lower())
        seconds = time.perf_counter() - started
        print(f"epoch {line['epoch']}: {accuracy:.2%} of the test pictures after {seconds:.0f} s")
        if accuracy >= GOAL:
            reached.append(seconds)

    trainer.fit(
        frame_of_arrays(spark, {"image": train[0], "label": train[1]}),
        features={"image": (32, 32, 3)},
        label="label",
        validation=frame_of_arrays(spark, {"image": test[0], "label": test[1]}),
        metrics=[optim.Top1Accuracy()],
        transform=Compose(RandomCrop(32, padding=2), RandomFlip(), Normalize(MEAN, STD), ChannelsFirst()),
        on_epoch=look,
    )
    print(f"{GOAL:.0%} reached {reached[0]:.0f} s after the start" if reached else f"{GOAL:.0%} was not reached")
    spark.stop()


def convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


class Residual(nn.Module):
    """``x + f(x)``, f being two convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*convolution(channels, channels), *convolution(channels, channels))

    def forward(self, x):  # type: ignore[no-untyped-def]
        return x + self.body(x)


def residual_net(width: int) -> nn.Module:
    """Eight convolutions and a linear layer; the pictures' sides halve three times while the channels double."""
    return nn.Sequential(
        *convolution(3, width),
        *convolution(width, 2 * width),
        nn.MaxPool2d(2),
        Residual(2 * width),
        *convolution(2 * width, 4 * width),
        nn.MaxPool2d(2),
        *convolution(4 * width, 8 * width),
        nn.MaxPool2d(2),
        Residual(8 * width),
        nn.MaxPool2d(4),
        nn.Flatten(),
        nn.Linear(8 * width, 10),
    )


def whiten(first: nn.Module, images: np.ndarray) -> None:
    """Sets the first filters of a 3x3 convolution to the principal components of the pictures' patches, so that what
    the net begins with is not correlated. ``images`` (n, h, w, 3), normalised.
    """
    windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), axis=(1, 2))
    patches = windows[:, ::3, ::3].reshape(-1, 27)
    _, directions = np.linalg.eigh(np.cov(patches, rowvar=False))
    most = min(27, len(first.weight.value))
    first.weight.value[:most] = directions.T[::-1][:most].reshape(most, 3, 3, 3)


def binary(folder: Path) -> tuple[Images, Images]:
    """The training and test pictures of CIFAR-10's binary version."""

    def part(*names: str) -> Images:
        planes, labels = read_cifar([folder / name for name in names])
        return planes.transpose(0, 2, 3, 1), labels

    return part(*(f"data_batch_{i}.bin" for i in range(1, 6))), part("test_batch.bin")


def pictures(archive: Path) -> tuple[Images, Images]:
    """The pictures of a tar archive; classes are numbered in alphabetical order."""
    from PIL import Image

    found: dict[str, list[tuple[str, np.ndarray]]] = {"train": [], "test": []}
    with tarfile.open(archive) as tar:
        for member in tar:
            part, label, *_ = [*member.name.split("/"), ""]
            if member.isfile() and part in found:
                data = tar.extractfile(member).read()  # type: ignore[union-attr]
                found[part].append((label, np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))))
    classes = sorted({label for label, _ in found["train"]})

    def arrays(part: str) -> Images:
        return np.stack([image for _, image in found[part]]), np.array([classes.index(name) for name, _ in found[part]])

    return arrays("train"), arrays("test")


if __name__ == "__main__":
    main()
