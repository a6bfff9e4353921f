"""safetensors files: a JSON header with names, types, shapes and offsets, then the bytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from sparkdl.errors import FormatError, UnsupportedError
from sparkdl.importers.bfloat16 import bfloat16
from sparkdl.importers.limits import current, read_file, within

_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?",
    "U16": "<u2", "U32": "<u4", "U64": "<u8", "BF16": "<u2",
}  # fmt: skip


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """All arrays of the file; bfloat16 becomes float32."""
    data = read_file(path, current().file)
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > len(data) - 8:
        raise FormatError(f"{path}: a header of {size:,} bytes in a file of {len(data):,}; truncated, or no safetensors file.")
    within(f"{path.name}: header in bytes", size, current().text)
    try:
        header = json.loads(data[8 : 8 + size])
    except ValueError as error:
        raise FormatError(f"{path}: the header is no JSON ({error}).") from error
    if not isinstance(header, dict):
        raise FormatError(f"{path}: the header is no object.")
    start = 8 + size
    return {str(k): _array(path, k, v, data, start) for k, v in header.items() if k != "__metadata__"}


def _array(path: Path, name: str, entry: object, data: bytes, start: int) -> np.ndarray:
    try:
        kind, shape, (first, stop) = entry["dtype"], entry["shape"], entry["data_offsets"]  # type: ignore[index]
        sizes = [within(f"{name}: size", n, 1 << 40) for n in shape]
        if not all(isinstance(n, int) for n in (*shape, first, stop)):
            raise TypeError("sizes are whole numbers")
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path}: the entry of {name!r} is incomplete.") from error
    if kind not in _DTYPES:
        raise UnsupportedError(f"{path}: {name!r} has type {str(kind)[:20]!r}; known are {', '.join(_DTYPES)}.")
    within(f"{name}: number of axes", len(sizes), current().rank)
    dtype, count = np.dtype(_DTYPES[kind]), 1
    for n in sizes:
        count *= n
    if not 0 <= first <= stop <= len(data) - start or stop - first != count * dtype.itemsize:
        raise FormatError(f"{path}: {name!r} of shape {sizes} and type {kind} cannot be the bytes {first:,} to {stop:,}.")
    array = np.frombuffer(data, dtype, count, start + first).reshape(sizes)
    return bfloat16(array) if kind == "BF16" else array
