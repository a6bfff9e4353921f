"""Bytes of a file, plain or gzipped, read with every size checked against what is there."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sparkdl.errors import FormatError

Source = str | Path | bytes
"""A path, or the file's bytes."""

_CHUNK = 1 << 22  # memory taken before more bytes have proved to be there


class Stream:
    """A file being read, with its name and position for messages."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file, self.name, self.at = file, name, 0

    def upto(self, count: int) -> bytes:
        """The next ``count`` bytes, fewer at the end of the file."""
        parts, left = [], count
        while left:
            try:
                part = self._file.read(min(left, _CHUNK))
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise self.error(f"the gzip data is broken ({error})") from error
            if not part:
                break
            parts.append(part)
            left -= len(part)
        self.at += count - left
        return b"".join(parts)

    def exactly(self, count: int, what: str) -> bytes:
        """The next ``count`` bytes, which are ``what``."""
        data = self.upto(count)
        if len(data) < count:
            raise self.error(f"the file is truncated: {what} should have {count:,} bytes, {len(data):,} are left")
        return data

    def end(self) -> None:
        """Nothing may follow."""
        if self.upto(1):
            raise self.error("there are bytes after the data that the header announces")

    def error(self, why: str) -> FormatError:
        """The error to raise, with file and position."""
        return FormatError(f"{self.name}, byte {self.at:,}: {why}.")


@contextmanager
def opened(source: Source) -> Iterator[Stream]:
    """The source as a stream; gzip is recognised by its first bytes."""
    if isinstance(source, bytes | bytearray | memoryview):
        file: IO[bytes] = io.BytesIO(source)
        name = "the given bytes"
    else:
        name = str(source)
        file = open(source, "rb")  # noqa: SIM115 - closed below
    with file:
        head = file.read(2)
        file.seek(0)
        unpacked: IO[bytes] = gzip.open(file) if head == b"\x1f\x8b" else file  # type: ignore[assignment]
        yield Stream(unpacked, name)
