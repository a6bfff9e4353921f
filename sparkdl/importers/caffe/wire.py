"""Protobuf's binary format, read into messages and written from them. Long runs of floats stay views of the file."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from sparkdl.errors import FormatError
from sparkdl.importers.caffe.message import Message
from sparkdl.importers.caffe.schema import ENUMS, MESSAGES, NUMBERS, Field
from sparkdl.importers.limits import current, read_file, reading, within

_VARINT, _FIXED64, _BYTES, _GROUP, _END, _FIXED32 = range(6)
_NUMPY: dict[str, np.dtype[Any]] = {"float": np.dtype("<f4"), "double": np.dtype("<f8")}


def load_binary(path: str | Path, type: str) -> Message:
    """The message of a binary file."""
    with reading(path):
        return parse(read_file(path, current().file), type)


def parse(data: bytes, type: str) -> Message:
    """The message in ``data``. Repeated floats become lists of arrays (one per run), unknown fields are skipped."""
    return _Reader(data).message(type, 0, len(data))


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.count = data, 0

    def varint(self, at: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while at < end and shift < 70:
            byte = self.data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF, at
            shift += 7
        raise FormatError(f"byte {at}: a number is cut off or too long; the file is truncated or not a protobuf file.")

    def message(self, type: str, at: int, end: int, depth: int = 0) -> Message:
        within("nested messages", depth, current().depth)
        message, numbers = Message(type), NUMBERS[type]
        while at < end:
            self.count += 1
            within("fields of the file", self.count, current().fields)
            start = at
            tag, at = self.varint(at, end)
            number, wire = tag >> 3, tag & 7
            if number == 0:
                raise FormatError(f"byte {start}: field number 0; the file is corrupt or not a protobuf file.")
            field = numbers.get(number)
            if wire == _BYTES:
                size, at = self.varint(at, end)
                if size > end - at:
                    raise FormatError(f"byte {start}: a field of {size:,} bytes, but {end - at:,} are left; truncated?")
                if field is not None:
                    self.take_bytes(message, field, at, at + size, depth)
                at += size
            elif field is not None and field.type in _NUMPY and field.repeated and wire in (_FIXED32, _FIXED64):
                at = self.take_run(message, field, start, at, end)
            else:
                at = self.take_scalar(message, field, wire, at, end, start)
        return message

    def take_bytes(self, message: Message, field: Field, at: int, stop: int, depth: int) -> None:
        if field.type in MESSAGES:
            message.add(field.name, self.message(field.type, at, stop, depth + 1))
        elif field.type in _NUMPY and field.repeated:
            dtype = _NUMPY[field.type]
            if (stop - at) % dtype.itemsize:
                raise FormatError(f"byte {at}: {field.name} holds {stop - at} bytes, not a whole number of {field.type}s.")
            message.add(field.name, np.frombuffer(self.data, dtype, (stop - at) // dtype.itemsize, at))
        elif field.type == "string":
            message.add(field.name, self.data[at:stop].decode("utf-8", "replace"))
        elif field.type == "bytes":
            message.add(field.name, self.data[at:stop])
        elif field.repeated and (field.type in ("int", "bool") or field.type in ENUMS):
            while at < stop:
                value, at = self.varint(at, stop)
                self.count += 1
                within("fields of the file", self.count, current().fields)
                message.add(field.name, _integer(field, value))
        elif field.type != "any":
            raise FormatError(f"byte {at}: {message.type}.{field.name} takes {field.type}, got a run of bytes.")

    def take_run(self, message: Message, field: Field, start: int, at: int, end: int) -> int:
        """Repeated floats that are not packed: tag, value, tag, value ..., as one array."""
        dtype = _NUMPY[field.type]
        step = at - start + dtype.itemsize
        records = np.frombuffer(self.data, np.uint8, max((end - start) // step, 0) * step, start).reshape(-1, step)
        same = (records[:, : at - start] == records[0, : at - start]).all(axis=1) if len(records) else records
        if not len(records):
            raise FormatError(f"byte {start}: a number is cut off; the file is truncated.")
        length = len(records) if same.all() else int(same.argmin())
        message.add(field.name, np.ascontiguousarray(records[:length, at - start :]).view(dtype).reshape(-1))
        return start + length * step

    def take_scalar(self, message: Message, field: Field | None, wire: int, at: int, end: int, start: int) -> int:
        if wire == _VARINT:
            value, at = self.varint(at, end)
            if field is not None and (field.type in ("int", "bool", "any") or field.type in ENUMS):
                message.add(field.name, _integer(field, value))
            return at
        size = {_FIXED32: 4, _FIXED64: 8}.get(wire)
        if size is None:
            raise FormatError(f"byte {start}: unknown wire type {wire}; the file is corrupt or not a protobuf file.")
        if at + size > end:
            raise FormatError(f"byte {start}: a number is cut off; the file is truncated.")
        if field is not None and field.type in ("float", "double"):
            message.add(field.name, struct.unpack_from("<f" if size == 4 else "<d", self.data, at)[0])
        return at + size


def _integer(field: Field, value: int) -> Any:
    if field.type == "bool":
        return bool(value)
    if field.type in ENUMS:
        for name, number in ENUMS[field.type].items():
            if number == value:
                return name
        raise FormatError(f"{field.name}: {value} is none of {ENUMS[field.type]}.")
    return value - (1 << 64) if value >= 1 << 63 else value


# -- writing ---------------------------------------------------------------------------------------------------------
def write(message: Message) -> bytes:
    """The binary form of ``message``; fields without a number are left out."""
    parts: list[bytes] = []
    for name, values in message.fields.items():
        field = message.spec(name)
        if not field.number or field.type == "any":
            continue
        if field.repeated and field.type in _NUMPY and message.type == "BlobProto":
            body = b"".join(np.asarray(v, _NUMPY[field.type]).tobytes() for v in values)
            parts += [_tag(field, _BYTES), _varint(len(body)), body]
        elif field.repeated and field.type == "int" and message.type == "BlobShape":
            body = b"".join(_varint(v) for v in values)
            parts += [_tag(field, _BYTES), _varint(len(body)), body]
        else:
            for value in values if field.repeated else [values]:
                parts.append(_one(field, value))
    return b"".join(parts)


def _one(field: Field, value: Any) -> bytes:
    if isinstance(value, Message):
        body = write(value)
        return _tag(field, _BYTES) + _varint(len(body)) + body
    if field.type in ("string", "bytes"):
        body = value.encode() if isinstance(value, str) else value
        return _tag(field, _BYTES) + _varint(len(body)) + body
    if field.type == "float":
        return _tag(field, _FIXED32) + struct.pack("<f", value)
    if field.type == "double":
        return _tag(field, _FIXED64) + struct.pack("<d", value)
    return _tag(field, _VARINT) + _varint(ENUMS[field.type][value] if field.type in ENUMS else int(value))


def _tag(field: Field, wire: int) -> bytes:
    return _varint(field.number << 3 | wire)


def _varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
