"""CIFAR-10 and CIFAR-100, binary version: records of one label byte (CIFAR-100: two) and 3 x 32 x 32 pixels.

Source: A. Krizhevsky, "The CIFAR-10 dataset", section "Binary version".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkdl.data.readers.stream import Source, opened

_PIXELS = 3 * 32 * 32


def read_cifar(
    sources: Source | Iterable[Source], labels: int = 1
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (n, 3, 32, 32) uint8 in RGB planes, and labels (n,), of one or several files one after another.

    ``labels=2`` reads CIFAR-100: labels are then (n, 2), coarse and fine.
    """
    if labels not in (1, 2):
        raise ValueError(f"read_cifar: labels must be 1 (CIFAR-10) or 2 (CIFAR-100), got {labels!r}.")
    several = [sources] if isinstance(sources, str | Path | bytes) else list(sources)
    blocks = [np.frombuffer(b"".join(_records(source, labels)), np.uint8) for source in several]
    records = np.concatenate([block.reshape(-1, labels + _PIXELS) for block in blocks])
    marks = records[:, :labels].astype(np.int64)
    return records[:, labels:].reshape(-1, 3, 32, 32).copy(), marks[:, 0] if labels == 1 else marks


def cifar_frame(spark: Any, path: str, labels: int = 1) -> Any:
    """The files of ``path`` (any that Spark reads, with wildcards) as a DataFrame: image binary, label int or array."""
    from sparkdl.data.readers.frames import frame_of_files

    def parse(data: bytes) -> Iterator[dict[str, Any]]:
        for record in _records(data, labels):
            yield {"image": record[labels:], "label": record[0] if labels == 1 else list(record[:labels])}

    return frame_of_files(spark, path, parse, f"image binary, label {'int' if labels == 1 else 'array<int>'}")


def _records(source: Source, labels: int) -> Iterator[bytes]:
    size = labels + _PIXELS
    with opened(source) as stream:
        while record := stream.upto(size):
            if len(record) < size:
                raise stream.error(f"the file is truncated: records have {size} bytes, {len(record)} are left")
            yield record
