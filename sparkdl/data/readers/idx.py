"""IDX files (MNIST and its kin): a typed array of any rank, plain or gzipped.

Layout, big-endian: two zero bytes, element type, rank, one uint32 size per axis, the elements.
Source: Y. LeCun et al., "The MNIST database of handwritten digits", section File Formats.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparkdl.data.readers.stream import Source, opened
from sparkdl.errors import FormatError

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(source: Source) -> NDArray:
    """The array of an IDX file, in native byte order."""
    with opened(source) as stream:
        head = stream.exactly(4, "the header")
        if head[:2] != b"\0\0" or head[2] not in _TYPES or not head[3]:
            raise stream.error(f"not an IDX file: it starts with {head.hex(' ')}")
        sizes = np.frombuffer(stream.exactly(4 * head[3], "the axes' sizes"), ">u4").astype(int)
        dtype = np.dtype(_TYPES[head[2]])
        shape = tuple(int(size) for size in sizes)
        data = stream.exactly(math.prod(shape) * dtype.itemsize, f"an array of {' x '.join(map(str, shape))}")
        stream.end()
    return np.frombuffer(data, dtype).astype(dtype.newbyteorder("=")).reshape(shape)


def read_mnist(folder: str | Path, part: str = "train") -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (n, 28, 28) uint8 and labels (n,) int64 of ``part`` "train" or "test", from the four usual files."""
    prefix = {"train": "train", "test": "t10k"}.get(part)
    if prefix is None:
        raise ValueError(f'read_mnist: part must be "train" or "test", got {part!r}.')
    images = read_idx(_find(Path(folder), f"{prefix}-images", "idx3-ubyte"))
    labels = read_idx(_find(Path(folder), f"{prefix}-labels", "idx1-ubyte"))
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise FormatError(f"{folder}: images {images.shape} and labels {labels.shape} do not belong together.")
    return images, labels.astype(np.int64)


def _find(folder: Path, stem: str, kind: str) -> Path:
    names = [f"{stem}{dot}{kind}{suffix}" for dot in "-." for suffix in ("", ".gz")]
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"{folder} has none of {', '.join(names)}.")
