"""TFRecord files and the ``tf.train.Example`` messages in them.

A record, little-endian: uint64 length, uint32 masked CRC-32C of the length, the data, uint32 masked CRC-32C of the
data; mask(c) = rotate_right(c, 15) + 0xa282ead8.  An Example maps names to lists of bytes, floats or int64.

Source: tensorflow.org, "TFRecord and tf.train.Example"; CRC-32C (Castagnoli): RFC 3720, section B.4.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkdl.data.readers import protobuf as pb
from sparkdl.data.readers.stream import Source, opened
from sparkdl.errors import DataError

_KINDS = {1: "bytes", 2: "float", 3: "int64"}
_SQL = {"bytes": "binary", "float": "float", "int64": "bigint"}


def tfrecords(source: Source) -> Iterator[bytes]:
    """The data of every record of a TFRecord file, plain or gzipped."""
    from sparkdl.data.readers.crc import crc32c

    with opened(source) as stream:
        while head := stream.upto(12):
            if len(head) < 12:
                raise stream.error("the file is truncated in a record's length")
            length, check = struct.unpack("<QI", head)
            if check != _masked(crc32c(head[:8])):
                raise stream.error("a record's length does not fit its checksum; not a TFRecord file, or corrupt")
            data = stream.exactly(length, "a record")
            (check,) = struct.unpack("<I", stream.exactly(4, "a record's checksum"))
            if check != _masked(crc32c(data)):
                raise stream.error("a record does not fit its checksum: the file is corrupt")
            yield data


def parse_example(data: bytes) -> dict[str, tuple[str, Any]]:
    """``{name: (kind, values)}`` of a ``tf.train.Example``; kind is "bytes", "float" or "int64"."""
    found: dict[str, tuple[str, Any]] = {}
    for features in _messages(data):
        for entry in _messages(features):
            parts = {n: pb.message(w, v) for n, w, v in pb.fields(entry) if n in (1, 2)}
            found[parts.get(1, b"").decode("utf-8", "replace")] = _feature(parts.get(2, b""))
    return found


def read_examples(source: Source) -> dict[str, NDArray]:
    """Columns of a file of Examples as arrays (n, ...): float32, int64, or objects for bytes.

    A feature with one value in every record becomes (n,); one with k values (n, k).
    """
    columns: dict[str, list[Any]] = {}
    for count, data in enumerate(tfrecords(source)):
        example = parse_example(data)
        if count and example.keys() != columns.keys():
            odd = sorted(example.keys() ^ columns.keys())
            raise DataError(f"Record {count} and those before it do not have the same features: {', '.join(odd)}.")
        for name, (_, values) in example.items():
            columns.setdefault(name, []).append(values)
    return {name: _stack(name, rows) for name, rows in columns.items()}


def tfrecord_frame(spark: Any, path: str, schema: str | None = None) -> Any:
    """The Examples of all files of ``path`` as a DataFrame.

    ``schema`` is DDL, as ``"image binary, label bigint, boxes array<float>"``; without it the first record decides:
    single values become columns of binary, float or bigint, several an array.
    """
    from sparkdl.data.readers.frames import frame_of_files

    if schema is None:
        def kinds(data: bytes) -> Iterator[dict[str, Any]]:
            for record in tfrecords(data):
                example = parse_example(record)
                yield {"kinds": json.dumps({name: [kind, len(v)] for name, (kind, v) in sorted(example.items())})}
                break

        first = frame_of_files(spark, path, kinds, "kinds string").first()
        if first is None:
            raise DataError(f"{path} holds no record to take a schema from; give schema=...")
        found = {name: (_SQL[kind], count) for name, (kind, count) in json.loads(first.kinds).items()}
        schema = ", ".join(f"`{name}` {sql if n == 1 else f'array<{sql}>'}" for name, (sql, n) in found.items())

    wanted = {f.name: f.dataType.simpleString() for f in spark.createDataFrame([], schema).schema.fields}

    def parse(data: bytes) -> Iterator[dict[str, Any]]:
        for number, record in enumerate(tfrecords(data)):
            example = parse_example(record)
            yield {name: _value(example, name, kind, number) for name, kind in wanted.items()}

    return frame_of_files(spark, path, parse, schema)


def _value(example: dict[str, tuple[str, Any]], name: str, kind: str, record: int) -> Any:
    if name not in example:
        return None
    values = list(example[name][1])
    if kind.startswith("array<"):
        return values
    if len(values) != 1:
        raise DataError(f"Record {record}: {name} has {len(values)} values; declare it as array<{kind}>.")
    return values[0].decode() if kind == "string" else values[0]


def _messages(data: bytes) -> Iterator[bytes]:
    """The messages in field 1."""
    return (pb.message(wire, value) for number, wire, value in pb.fields(data) if number == 1)


def _feature(data: bytes) -> tuple[str, Any]:
    kind, values = "bytes", list[Any]()
    for number, wire, body in pb.fields(data):
        if number not in _KINDS:
            continue
        kind, values = _KINDS[number], []
        for n, w, value in pb.fields(pb.message(wire, body)):
            if n == 1:
                if kind == "bytes":
                    values.append(pb.message(w, value))
                else:
                    values.extend(pb.integers(w, value) if kind == "int64" else pb.floats(w, value).tolist())
    return kind, values


def _stack(name: str, rows: list[Any]) -> NDArray:
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        raise DataError(f"{name} has {min(lengths)} to {max(lengths)} values per record; read it by tfrecords().")
    if isinstance(rows[0][0] if rows[0] else None, bytes):
        flat = np.empty((len(rows), lengths.pop()), object)
        for i, row in enumerate(rows):
            flat[i, :] = row
    else:
        whole = rows[0] and isinstance(rows[0][0], int)
        flat = np.array(rows, np.int64 if whole else np.float32)
    return flat[:, 0] if flat.ndim == 2 and flat.shape[1] == 1 else flat


def _masked(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


