"""Datatypes and dataspaces."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.importers.hdf5.file import Hdf5
from sparkdl.importers.limits import current, within

_FIXED, _FLOAT, _STRING, _OPAQUE, _ENUM, _VLEN = 0, 1, 3, 5, 8, 9
_IEEE = {2: (10, 5, 0, 10, 15), 4: (23, 8, 0, 23, 127), 8: (52, 11, 0, 52, 1023)}


class VariableString:
    """Marks strings of variable length: each element is (length, heap address, index)."""


def datatype(file: Hdf5, at: int, end: int) -> Any:
    """A NumPy dtype (numbers, strings of fixed length as ``S``, two plain bytes as ``V``) or ``VariableString``."""
    if at + 8 > end:
        file.fail("a datatype is cut off")
    kind = file.number(at, 1) & 0x0F
    bits, size = file.number(at + 1, 3), file.number(at + 4, 4)
    order = ">" if bits & 1 else "<"
    if kind == _FIXED and size in (1, 2, 4, 8):
        return np.dtype(f"{order}{'i' if bits & 8 else 'u'}{size}")
    if kind == _FLOAT and size in _IEEE:
        exponent, exponent_size, mantissa, mantissa_size = (file.number(at + 12 + i, 1) for i in range(4))
        bias = file.number(at + 16, 4)
        if (exponent, exponent_size, mantissa, mantissa_size, bias) != _IEEE[size] or bits & 0x40:
            file.refuse("a floating-point type other than IEEE half, single and double")
        return np.dtype(f"{order}f{size}")
    if kind == _STRING:
        return np.dtype(f"S{within('length of a string', size, 1 << 30) or 1}")
    if kind == _OPAQUE and size == 2:
        return np.dtype("V2")  # Keras's bfloat16
    if kind == _ENUM:
        return datatype(file, at + 8, end)
    if kind == _VLEN and bits & 0x0F == 1:
        return VariableString
    file.refuse(f"a datatype of class {kind} and {size} bytes")


def dataspace(file: Hdf5, at: int, end: int) -> tuple[int, ...] | None:
    """The shape; None for an empty ('null') one."""
    version, rank = file.number(at, 1), file.number(at + 1, 1)
    within("number of axes", rank, current().rank)
    if version == 1:
        start = at + 8
    elif version == 2:
        if file.number(at + 3, 1) == 2:
            return None
        start = at + 4
    else:
        file.fail(f"unknown version {version} of a dataspace")
    if start + rank * file.lengths > end:
        file.fail("a dataspace is cut off")
    return tuple(within("size of an axis", file.length(start + i * file.lengths), 1 << 40) for i in range(rank))


def count(shape: tuple[int, ...]) -> int:
    """Number of elements, exactly."""
    total = 1
    for n in shape:
        total *= n
    return total


def decode(file: Hdf5, raw: bytes, kind: Any, shape: tuple[int, ...] | None) -> Any:
    """The value of an attribute: a number, a ``str``, or an array of them (strings as an object array)."""
    if shape is None:
        return None
    n = count(shape)
    if kind is VariableString:
        step = 8 + file.offsets
        if len(raw) < n * step:
            file.fail("an attribute is cut off")
        file.spend(n)
        strings = [_variable(file, raw[i * step : (i + 1) * step]) for i in range(n)]
        return strings[0] if shape == () else strings
    if len(raw) < n * kind.itemsize:
        file.fail("an attribute is cut off")
    if kind.kind == "V":
        file.refuse("an attribute of plain bytes")
    array = np.frombuffer(raw, kind, n)
    if kind.kind == "S":
        strings = [text.decode("utf-8", "replace") for text in array.tolist()]
        return strings[0] if shape == () else strings
    return array[0] if shape == () else array.reshape(shape)


def _variable(file: Hdf5, reference: bytes) -> str:
    size = int.from_bytes(reference[:4], "little")
    address = int.from_bytes(reference[4 : 4 + file.offsets], "little")
    if size == 0:
        return ""
    text = file.heap_object(address + file.base, int.from_bytes(reference[4 + file.offsets :][:4], "little"))
    file.spend(len(text) >> 12)
    return text[:size].decode("utf-8", "replace").rstrip("\0")
