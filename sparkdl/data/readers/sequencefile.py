"""Hadoop SequenceFiles, version 4 to 6: uncompressed, record- and block-compressed.

    for key, value in sequence_records(path): ...
    df = sequence_frame(spark, path, "key string, value binary")

Text comes as ``str`` (``raw=True``: its bytes; some tools keep pictures in Text), BytesWritable and unknown classes as
``bytes``, numbers as int and float, NullWritable as None.

Layout: "SEQ", version, class names, flags, codec, metadata, a 16-byte sync mark; then records ``(length, key length,
key, value)`` or blocks ``(count, key lengths, keys, value lengths, values)``, each block and now and then a record
after the escape -1 and the sync mark.  Source: Hadoop API, class ``org.apache.hadoop.io.SequenceFile``.
"""

from __future__ import annotations

import bz2
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from sparkdl.data.readers.stream import Source, Stream, opened
from sparkdl.errors import FormatError, UnsupportedError

_MOST = 1 << 31  # bytes that one record or block may become
_NUMBERS = {
    "IntWritable": ">i", "LongWritable": ">q", "FloatWritable": ">f", "DoubleWritable": ">d", "ByteWritable": ">b",
    "ShortWritable": ">h", "BooleanWritable": ">?",
}  # fmt: skip


def sequence_records(source: Source, raw: bool = False) -> Iterator[tuple[Any, Any]]:
    """Keys and values of a SequenceFile in order; see the module's docstring."""
    with opened(source) as stream:
        head = _Head(stream)
        key_of, value_of = (_decoder(name, raw) for name in (head.key, head.value))
        for key, value in (_blocks if head.blocks else _records)(stream, head):
            try:
                yield key_of(key), value_of(value)
            except (struct.error, FormatError, UnicodeDecodeError) as error:
                kinds = f"{head.key} and {head.value}"
                raise stream.error(f"a record is not of the classes {kinds} ({error})") from error


def sequence_frame(spark: Any, path: str, schema: str = "key string, value binary") -> Any:
    """The records of all files of ``path`` as a DataFrame of two columns, key and value, named by ``schema``.

    Columns of type binary get Text as bytes.
    """
    from sparkdl.data.readers.frames import frame_of_files

    fields = spark.createDataFrame([], schema).schema.fields
    if len(fields) != 2:
        raise ValueError(f"sequence_frame: schema must name key and value, got {schema!r}.")
    (key, key_type), (value, value_type) = ((field.name, field.dataType.simpleString()) for field in fields)

    def parse(data: bytes) -> Iterator[dict[str, Any]]:
        for k, v in sequence_records(data, raw=True):
            yield {key: _typed(k, key_type), value: _typed(v, value_type)}

    return frame_of_files(spark, path, parse, schema)


def _typed(value: Any, kind: str) -> Any:
    return value.decode() if kind == "string" and isinstance(value, bytes) else value


class _Head:
    """What a file says of itself before its first record."""

    def __init__(self, stream: Stream) -> None:
        magic = stream.exactly(4, "the header")
        if magic[:3] != b"SEQ" or not 4 <= magic[3] <= 6:
            raise stream.error(f"not a SequenceFile of version 4 to 6: it starts with {magic.hex(' ')}")
        version = magic[3]
        self.key, self.value = _text(stream), _text(stream)
        packed, self.blocks = stream.exactly(2, "the flags")
        codec = _text(stream) if packed and version >= 5 else "org.apache.hadoop.io.compress.DefaultCodec"
        self.unpack = _codec(codec) if packed else bytes
        if version >= 6:
            (count,) = struct.unpack(">i", stream.exactly(4, "the metadata's size"))
            for _ in range(2 * max(count, 0)):
                _text(stream)
        self.sync = stream.exactly(16, "the sync mark")


def _records(stream: Stream, head: _Head) -> Iterator[tuple[bytes, bytes]]:
    while (length := _length(stream)) is not None:
        if length == -1:
            _sync(stream, head)
            continue
        (key,) = struct.unpack(">i", stream.exactly(4, "a key's length"))
        if not 0 <= key <= length:
            raise stream.error(f"a key of {key:,} bytes in a record of {length:,}: the file is corrupt")
        yield stream.exactly(key, "a key"), _unpacked(stream, head, stream.exactly(length - key, "a value"))


def _blocks(stream: Stream, head: _Head) -> Iterator[tuple[bytes, bytes]]:
    while (escape := _length(stream)) is not None:
        if escape != -1:
            raise stream.error("a block does not start with the escape -1: the file is corrupt")
        _sync(stream, head)
        count = _vint(stream)
        parts = [_unpacked(stream, head, stream.exactly(_size(stream), "a block")) for _ in range(4)]
        keys, values = (_cut(stream, count, *pair) for pair in ((parts[0], parts[1]), (parts[2], parts[3])))
        yield from zip(keys, values, strict=True)


def _cut(stream: Stream, count: int, lengths: bytes, data: bytes) -> list[bytes]:
    at = end = 0
    items = []
    for _ in range(count):
        if at >= len(lengths):
            raise stream.error("a block has fewer lengths than records: the file is corrupt")
        width = _vint_width(lengths[at])
        length = _vint_value(lengths[at : at + width])
        at, start, end = at + width, end, end + length
        if length < 0 or end > len(data):
            raise stream.error("a block's records are longer than the block: the file is corrupt")
        items.append(data[start:end])
    return items


def _length(stream: Stream) -> int | None:
    data = stream.upto(4)
    if not data:
        return None
    if len(data) < 4:
        raise stream.error("the file is truncated in a record's length")
    (length,) = struct.unpack(">i", data)
    if length < -1:
        raise stream.error(f"a record of {length:,} bytes: the file is corrupt")
    return length


def _sync(stream: Stream, head: _Head) -> None:
    if stream.exactly(16, "a sync mark") != head.sync:
        raise stream.error("a sync mark differs from the header's: the file is corrupt")


def _unpacked(stream: Stream, head: _Head, data: bytes) -> bytes:
    try:
        return head.unpack(data)
    except (zlib.error, OSError, EOFError, ValueError) as error:
        raise stream.error(f"compressed data is broken ({error})") from error


def _codec(name: str) -> Callable[[bytes], bytes]:
    known = {"DefaultCodec": _inflate, "DeflateCodec": _inflate, "GzipCodec": _inflate, "BZip2Codec": _bunzip}
    unpack = known.get(name.rpartition(".")[2])
    if unpack is None:
        raise UnsupportedError(f"SequenceFile compressed by {name}; rewrite it with one of {', '.join(known)}.")
    return unpack


def _inflate(data: bytes) -> bytes:
    return _bounded(zlib.decompressobj(47), data)  # 47: zlib or gzip, told by the first bytes


def _bunzip(data: bytes) -> bytes:
    return _bounded(bz2.BZ2Decompressor(), data)


def _bounded(decompressor: Any, data: bytes) -> bytes:
    out = decompressor.decompress(data, _MOST)
    if not decompressor.eof:
        raise ValueError("truncated, or larger than 2 GiB")
    return out


def _decoder(name: str, raw: bool) -> Callable[[bytes], Any]:
    simple = name.rpartition(".")[2]
    if simple in _NUMBERS:
        return lambda data: struct.unpack(_NUMBERS[simple], data)[0]
    if simple == "NullWritable":
        return lambda data: None
    if simple == "BytesWritable":
        return lambda data: _counted(data[4:], struct.unpack(">i", data[:4])[0])
    if simple == "Text":
        return _text_bytes if raw else lambda data: _text_bytes(data).decode()
    return bytes


def _text_bytes(data: bytes) -> bytes:
    width = _vint_width(data[0]) if data else 1
    return _counted(data[width:], _vint_value(data[:width]))


def _counted(data: bytes, count: int) -> bytes:
    if len(data) != count:
        raise FormatError(f"{count:,} bytes announced, {len(data):,} there")
    return data


def _text(stream: Stream) -> str:
    return stream.exactly(_size(stream), "a name").decode("utf-8", "replace")


def _size(stream: Stream) -> int:
    size = _vint(stream)
    if size < 0:
        raise stream.error(f"a size of {size:,} bytes: the file is corrupt")
    return size


def _vint(stream: Stream) -> int:
    first = stream.exactly(1, "a number")
    return _vint_value(first + stream.exactly(_vint_width(first[0]) - 1, "a number"))


def _vint_width(first: int) -> int:
    """Bytes of a Hadoop variable-length integer, from its first."""
    if first < 128 or first >= 144:
        return 1
    return 137 - first if first < 136 else 145 - first


def _vint_value(data: bytes) -> int:
    if not data or len(data) != _vint_width(data[0]):
        raise FormatError("a number is cut off")
    first = data[0]
    if len(data) == 1:
        return first - 256 if first >= 128 else first
    value = int.from_bytes(data[1:], "big")
    return ~value if first < 136 else value
