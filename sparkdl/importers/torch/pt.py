"""``.pt`` files: zips since PyTorch 1.6, a chain of pickles before."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sparkdl.errors import FormatError, SparkDLError, UnsupportedError
from sparkdl.importers.bfloat16 import bfloat16
from sparkdl.importers.limits import current, read_file, unpacked, within
from sparkdl.importers.torch.pickle_free import Made, Name, Stored, read, short
from sparkdl.importers.torch.states import choose, is_tensor

_STORAGES = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "LongStorage": "<i8", "IntStorage": "<i4",
    "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?", "BFloat16Storage": "<u2",
}  # fmt: skip
_MAGIC = 0x1950A86A20F9469CFC6C

Storages = Callable[[str, np.dtype, int], np.ndarray]


def read_pt(path: Path, inside: str | None = None) -> dict[str, np.ndarray]:
    """The tensors of a state dict, or of the one at the key ``inside``, by name; bfloat16 becomes float32."""
    with open(path, "rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
    return _from_zip(path, inside) if zipped else _from_chain(path, inside)


def _from_zip(path: Path, inside: str | None) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {info.filename: info for info in archive.infolist()}
            within("members of the archive", len(names), current().layers)
            pickled = next((n for n in names if n.endswith("/data.pkl") or n == "data.pkl"), None)
            if pickled is None:
                raise FormatError(f"{path}: data.pkl is missing; it is no file of torch.save (TorchScript is not read).")
            folder = pickled[: -len("data.pkl")]
            if f"{folder}byteorder" in names and _member(archive, names[f"{folder}byteorder"]) != b"little":
                raise UnsupportedError(f"{path} was written on a big-endian machine.")
            value = read(io.BytesIO(_member(archive, names[pickled], current().text)))

            arrays: dict[str, np.ndarray] = {}  # tensors may share a storage, which is read once
            left = [unpacked(path.stat().st_size)]

            def storage(key: str, dtype: np.dtype, count: int) -> np.ndarray:
                info = names.get(f"{folder}data/{key}")
                if info is None:
                    raise FormatError(f"{path}: the storage {key[:40]!r} is missing.")
                if key not in arrays:
                    left[0] -= within(f"{path}: storages unpacked", info.file_size, left[0])
                    arrays[key] = _values(_member(archive, info), dtype, count, key)
                return _of_type(arrays[key], dtype, key)

            return _state(path, value, inside, storage, path.stat().st_size)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, RuntimeError, ValueError) as error:
        if isinstance(error, SparkDLError):
            raise
        raise FormatError(f"{path}: the archive cannot be read ({error}); it is corrupt or truncated.") from error


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int | None = None) -> bytes:
    within(f"{info.filename} unpacked", info.file_size, unpacked(info.compress_size) if limit is None else limit)
    with archive.open(info) as file:
        return file.read(info.file_size)


def _from_chain(path: Path, inside: str | None) -> dict[str, np.ndarray]:
    data = read_file(path, current().file)
    stream = io.BytesIO(data)
    if data[:1] != b"\x80" or read(stream) != _MAGIC:
        raise FormatError(f"{path} is no file of torch.save.")
    read(stream)  # protocol
    read(stream)  # the machine that wrote it
    value = read(stream)
    keys = read(stream)
    if not isinstance(keys, list):
        raise FormatError(f"{path}: the list of storages is missing.")
    types: dict[str, tuple[np.dtype, int]] = {}
    for stored in _stored(value):
        key, dtype, count = _reference(stored)
        types[key] = (dtype, count)
    arrays: dict[str, np.ndarray] = {}
    at = stream.tell()
    for key in keys:
        if not isinstance(key, str):
            raise FormatError(f"{path}: the list of storages holds something else than names.")
        count = int.from_bytes(data[at : at + 8], "little")
        at += 8
        if key not in types:
            raise FormatError(f"{path}: storage {key[:40]!r} belongs to no tensor.")
        dtype = types[key][0]
        if count > (len(data) - at) // dtype.itemsize:
            raise FormatError(f"{path}: storage {key[:40]!r} of {count:,} values lies beyond the end; truncated?")
        arrays[key] = np.frombuffer(data, dtype, count, at)
        at += count * dtype.itemsize

    def storage(key: str, dtype: np.dtype, count: int) -> np.ndarray:
        if key not in arrays:
            raise FormatError(f"{path}: the storage {key[:40]!r} is missing.")
        return _of_type(arrays[key], dtype, key)

    return _state(path, value, inside, storage, len(data))


def _values(raw: bytes, dtype: np.dtype, count: int, key: str) -> np.ndarray:
    if len(raw) < count * dtype.itemsize:
        raise FormatError(f"storage {key[:40]!r} holds {len(raw):,} bytes, {count * dtype.itemsize:,} are wanted.")
    return np.frombuffer(raw, dtype, count)


def _of_type(values: np.ndarray, dtype: np.dtype, key: str) -> np.ndarray:
    if values.dtype != dtype:
        raise FormatError(f"the storage {key[:40]!r} is shared by tensors of several types.")
    return values


# -- tensors ---------------------------------------------------------------------------------------------------------
def _reference(stored: Stored) -> tuple[str, np.dtype, int]:
    """Key, type and length of a storage."""
    parts = stored.id
    if not isinstance(parts, tuple) or len(parts) < 5 or parts[0] != "storage" or not isinstance(parts[1], Name):
        raise FormatError("a reference to a storage is not one that torch.save writes.")
    if parts[1].name not in _STORAGES:
        raise UnsupportedError(f"a storage of type {parts[1]}; known are {', '.join(_STORAGES)}.")
    if not isinstance(parts[2], str) or not isinstance(parts[4], int):
        raise FormatError("a storage without a name or a length.")
    return parts[2], np.dtype(_STORAGES[parts[1].name]), within("length of a storage", parts[4], 1 << 40)


def _stored(value: Any) -> list[Stored]:
    found, stack, seen = [], [value], set()
    while stack:
        item = stack.pop()
        if isinstance(item, Stored):
            found.append(item)
            continue
        if id(item) in seen or not isinstance(item, dict | list | tuple | Made):
            continue
        seen.add(id(item))
        if isinstance(item, Made):
            stack += [item.args, item.state, item.items]
        else:
            stack += item.values() if isinstance(item, dict) else item
    return found


def _state(path: Path, value: Any, inside: str | None, storage: Storages, size: int) -> dict[str, np.ndarray]:
    table = choose(path, value, inside)
    budget = [64 * size + (1 << 20)]
    return {str(k): _tensor(path, str(k), v, storage, budget) for k, v in table.items() if is_tensor(v)}


def _tensor(path: Path, name: str, made: Made, storage: Storages, budget: list[int]) -> np.ndarray:
    for _ in range(8):
        args = made.args
        if not isinstance(args, tuple) or not args:
            break
        if made.function.name.startswith("_rebuild_parameter") and is_tensor(args[0]):
            made = args[0]
            continue
        if made.function.name == "_rebuild_from_type_v2" and len(args) > 2:  # a tensor with attributes of its own
            made = Made(args[0], args[2])
            if not is_tensor(made):
                break
            continue
        if len(args) >= 4 and isinstance(args[0], Stored):
            return _strided(path, name, args, storage, budget)
        break
    raise FormatError(f"{path}: {name!r} is no tensor that torch.save writes.")


def _strided(path: Path, name: str, args: tuple, storage: Storages, budget: list[int]) -> np.ndarray:
    key, dtype, count = _reference(args[0])
    offset, shape, strides = args[1], args[2], args[3]
    numbers = (offset, *shape, *strides) if isinstance(shape, tuple) and isinstance(strides, tuple) else (None,)
    if None in numbers or len(shape) != len(strides) or not all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= 1 << 40 for n in numbers):
        raise FormatError(f"{path}: {name!r} has shape {short(shape)} and strides {short(strides)}.")
    within(f"{name}: number of axes", len(shape), current().rank)
    total = 1
    for n in shape:
        total *= n
    budget[0] -= total * dtype.itemsize
    if budget[0] < 0:
        raise FormatError(f"{path}: {name!r} of shape {shape} is far larger than the file.")
    values = storage(key, dtype, count)
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) if total else 0
    if last >= max(len(values), 1) or (total and not len(values)):
        raise FormatError(f"{path}: {name!r} of shape {shape} reaches beyond its storage of {len(values):,} values.")
    if not total:
        return np.zeros(shape, dtype)
    window = np.lib.stride_tricks.as_strided(values[offset:], shape, [s * dtype.itemsize for s in strides])
    array = np.ascontiguousarray(window).reshape(shape)
    return bfloat16(array) if args[0].id[1].name == "BFloat16Storage" else array
