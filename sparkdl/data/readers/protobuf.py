"""Protobuf's wire format, enough to read small messages whose fields are known by number.

Source: protobuf.dev, "Encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sparkdl.errors import FormatError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """(number, wire type, value) of every field: whole numbers unsigned, fixed ones and messages as bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = _varint(data, at)
            yield number, wire, value
            continue
        if wire == BYTES:
            size, at = _varint(data, at)
        elif wire in (FIXED32, FIXED64):
            size = 4 if wire == FIXED32 else 8
        else:
            raise FormatError(f"A message has a field of unknown wire type {wire}: it is corrupt, or no such message.")
        if size > len(data) - at:
            raise FormatError(f"A message is truncated: a field of {size:,} bytes, {len(data) - at:,} are left.")
        yield number, wire, data[at : at + size]
        at += size


def signed(value: int) -> int:
    """An int32 or int64 out of its unsigned varint."""
    return value - (1 << 64) if value >= 1 << 63 else value


def floats(wire: int, value: int | bytes) -> NDArray[np.float32]:
    """One float, or a packed run of them."""
    if not isinstance(value, bytes) or wire not in (BYTES, FIXED32) or len(value) % 4:
        raise FormatError("A message holds something else where floats were expected.")
    return np.frombuffer(value, "<f4")


def integers(wire: int, value: int | bytes) -> list[int]:
    """One whole number, or a packed run of them."""
    if wire == VARINT and isinstance(value, int):
        return [signed(value)]
    if wire != BYTES or not isinstance(value, bytes):
        raise FormatError("A message holds something else where whole numbers were expected.")
    found, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        found.append(signed(number))
    return found


def message(wire: int, value: int | bytes) -> bytes:
    """A field that is a message or a string of bytes."""
    if wire != BYTES or not isinstance(value, bytes):
        raise FormatError("A message holds a number where a message or bytes were expected.")
    return value


def tagged(number: int, body: bytes) -> bytes:
    """A field of bytes, written."""
    return varint(number << 3 | BYTES) + varint(len(body)) + body


def varint(value: int) -> bytes:
    """A whole number, written."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def packed(values: list[float]) -> bytes:
    """A packed run of floats, written."""
    return struct.pack(f"<{len(values)}f", *values)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, at
        shift += 7
    raise FormatError("A message is corrupt or truncated: one of its numbers does not end.")
