"""Classes predicted for all 10,000 test pictures are those recorded, but where the two best scores nearly tie."""

from __future__ import annotations

import gzip
import io
import tarfile

import caffecases
import numpy as np
import pytest
from realdata import real_data


def mnist() -> np.ndarray:
    path = real_data("datasets/mnist") / "t10k-images-idx3-ubyte.gz"
    with gzip.open(path) as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16)
    return pixels.reshape(-1, 1, 28, 28).astype(np.float32) / 255


def cifar() -> np.ndarray:
    """RGB pictures less the mean picture, as the recording took them: sorted by path."""
    image = pytest.importorskip("PIL.Image")
    folder = real_data("datasets/cifar10_jpeg")
    with tarfile.open(folder / "cifar10_jpeg.tar.xz") as archive:
        members = sorted(
            (m for m in archive.getmembers() if "test/" in m.name and m.name.endswith(".jpg")), key=lambda m: m.name
        )
        pictures = [np.asarray(image.open(io.BytesIO(archive.extractfile(m).read()))) for m in members]
    mean = np.load(folder / "cifar10_mean.npy")
    return np.ascontiguousarray((np.stack(pictures).astype(np.float32) - mean).transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    "case, pictures",
    [("lenet_mnist_v1", mnist), ("lenet_mnist_v2", mnist), ("cifar10_quick_v1", cifar), ("cifar10_quick_hdf5", cifar)],
)
def test_classes_of_a_whole_test_set(case, pictures):
    folder = real_data(f"caffe/{case}")
    model, _, _ = caffecases.load(folder)
    scores = model.predict(pictures())
    recorded = np.load(folder / "test_set_argmax.npy")
    best = np.sort(scores, axis=1)[:, -2:]
    clear = best[:, 1] - best[:, 0] >= 1e-4
    assert len(scores) == len(recorded) == 10_000
    np.testing.assert_array_equal(scores.argmax(axis=1)[clear], recorded[clear])
