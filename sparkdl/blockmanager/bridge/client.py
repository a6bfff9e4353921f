"""One connection to the door of this executor: its messages, as Request.java reads them."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

from sparkdl.errors import BlockError, ClusterError

RENDEZVOUS = "sparkdl-door"


class Verb(IntEnum):
    """As in Connection.java."""

    JOIN = 1
    SHARE = 2
    MAPPED = 3
    EXCHANGE = 4
    NOTE = 5
    STATS = 6
    DROP = 7
    LEAVE = 8
    KEEP = 9
    FETCH = 10
    FORGET = 11
    FILES = 12
    LIVES = 13


class Refusal(BlockError):
    """The door's answer is an error: a status, and the facts of it as strings (Failure.java)."""

    BROKEN, LATE, LOST, SIZE, ABSENT = range(1, 6)

    def __init__(self, status: int, facts: list[str]) -> None:
        self.status, self.facts = status, facts
        super().__init__(f"the executor's door says: {'; '.join(facts)}. See the executor's log (stderr) for more.")


def address() -> str:
    """The socket of the executor that this task belongs to.

    Spark tells a Python worker its executor's own local folders, and the door leaves its address there.
    """
    folders = os.environ.get("SPARK_LOCAL_DIRS")
    if not folders:
        raise ClusterError("SPARK_LOCAL_DIRS is not set: the door can be found from within a Spark task only.")
    file = Path(folders.split(",")[0], RENDEZVOUS)
    try:
        return file.read_text()
    except FileNotFoundError:
        raise ClusterError(
            f"this executor has no door to its block manager: {file} is missing. Doors are opened before a stage "
            "starts, by sparkdl.blockmanager.bridge.open_door(spark); this executor came later."
        ) from None


class Client:
    """Sends messages and reads answers; not for several threads at once."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise BlockError(f"the door {path} does not open ({error}): its executor has ended.") from error

    def call(self, verb: Verb, head: bytes = b"", body: Sequence[memoryview] = ()) -> tuple[memoryview, memoryview]:
        """Head and body of the answer. Raises Refusal for an error, BlockError when the executor has gone."""
        try:
            start = struct.pack("<iqB", 1 + len(head), sum(map(len, body)), verb)
            self._socket.sendall(start + head)
            for part in body:
                self._socket.sendall(part)
            status, head_length, body_length = struct.unpack("<iiq", self._read(16))
            answer, data = self._read(head_length), self._read(body_length)
        except OSError as error:
            raise BlockError(f"the connection to the executor's door broke ({error}): has it ended?") from error
        if status:
            raise Refusal(status, _facts(answer))
        return answer, data

    def _read(self, size: int) -> memoryview:
        data = bytearray(size)
        view, at = memoryview(data), 0
        while at < size:
            got = self._socket.recv_into(view[at:])
            if not got:
                raise ConnectionResetError("end of stream")
            at += got
        return view

    def close(self) -> None:
        self._socket.close()


def text(value: str) -> bytes:
    """A string as the door reads it."""
    data = value.encode()
    return struct.pack("<H", len(data)) + data


def texts(data: memoryview) -> list[str]:
    """All strings of an answer."""
    found, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<H", data, at)
        found.append(bytes(data[at + 2 : at + 2 + length]).decode())
        at += 2 + length
    return found


def _facts(data: memoryview) -> list[str]:
    return texts(data[4:])
