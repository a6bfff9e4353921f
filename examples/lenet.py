"""LeNet-5 trained on Spark, on real handwritten digits. ``make train`` runs this.

    python examples/lenet.py                      the 1,797 digits that ship with scikit-learn, scaled up to 28x28
    python examples/lenet.py --data folder        MNIST: the four idx files, gz or not
    python examples/lenet.py --master "local-cluster[2,1,1024]"
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from sparkdl import nn, optim


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with MNIST's idx files; by default scikit-learn's digits")
    parser.add_argument("--epochs", type=int, help="default: 5 with --data, else 10")
    parser.add_argument("--master", default="local[*]", help="where Spark runs (default: %(default)s)")
    parser.add_argument("--save", type=Path, default=Path("lenet"), help="folder for the model (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    train, test = mnist(options.data) if options.data else digits()

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # the tasks run the Python that runs this
    builder = SparkSession.builder.master(options.master).appName("LeNet-5")
    spark = builder.config("spark.ui.showConsoleProgress", "false").getOrCreate()  # there is a bar of our own
    spark.sparkContext.setLogLevel("ERROR")
    print(f"Spark {spark.version} on {options.master}; {len(train[0]):,} images to train on, {len(test[0]):,} to test")

    nn.manual_seed(options.seed)
    trainer = optim.Trainer(
        lenet(),
        nn.NLLLoss(),
        optim.SGD(lr=0.05, momentum=0.9),
        batch_size=128,
        max_epochs=options.epochs or (5 if options.data else 10),
        seed=options.seed,
    )
    columns = {"features": "image", "label": "label"}
    metrics = [optim.Top1Accuracy()]
    test_frame = frame(spark, *test)
    history = trainer.fit(frame(spark, *train), **columns, validation=test_frame, metrics=metrics)
    accuracy = trainer.evaluate(test_frame, **columns, metrics=metrics)

    trainer.model.save(options.save)
    seconds = sum(epoch["seconds"] for epoch in history)
    for name, value in accuracy.items():
        print(f"{name} on {len(test[0]):,} images that were not trained on: {value:.2%}, after {seconds:.1f} s")
    print(f"model saved in {options.save.resolve()}; nn.load({str(options.save)!r}) brings it back")
    spark.stop()


def lenet() -> nn.Module:
    """LeNet-5 in the shape that BigDL made known: two convolutions, two fully connected layers, tanh."""
    return nn.Sequential(
        nn.Reshape((1, 28, 28)),
        nn.Conv2d(1, 6, 5),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 12, 5),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(12 * 4 * 4, 100),
        nn.Tanh(),
        nn.Linear(100, 10),
        nn.LogSoftmax(),
    )


Images = tuple[np.ndarray, np.ndarray]
"""Pixels (n, 28, 28), 0 for paper and 1 for ink, and labels (n,)."""


def digits() -> tuple[Images, Images]:
    """scikit-learn's 8x8 digits, scaled up by cubic splines; a fifth of each class is kept for the test.

    1,437 images are few to learn from, so each is there five times: as it is, and moved by two pixels each way.
    """
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    pixels = zoom(data.images / 16, (1, 3.5, 3.5), order=3, mode="nearest", grid_mode=True)
    x, x_test, y, y_test = train_test_split(pixels, data.target, test_size=0.2, stratify=data.target, random_state=0)
    moved = [x, *(np.roll(x, by, axis) for axis in (1, 2) for by in (-2, 2))]
    return (np.concatenate(moved), np.tile(y, len(moved))), (x_test, y_test)


def mnist(folder: Path) -> tuple[Images, Images]:
    """MNIST's training and test images."""
    from sparkdl.data.readers import read_idx

    def part(name: str) -> Images:
        files = [folder / f"{name}-{what}-ubyte" for what in ("images-idx3", "labels-idx1")]
        images, labels = (read_idx(file if file.exists() else Path(f"{file}.gz")) for file in files)
        return images / 255, labels

    return part("train"), part("t10k")


def frame(spark: SparkSession, images: np.ndarray, labels: np.ndarray) -> DataFrame:
    """A DataFrame with a column of 784 numbers and a column of labels."""
    pixels = pa.array(images.astype(np.float32).reshape(-1))
    columns = {"image": pa.FixedSizeListArray.from_arrays(pixels, 28 * 28), "label": pa.array(labels.astype(np.int32))}
    return spark.createDataFrame(pa.table(columns))


if __name__ == "__main__":
    main()
