"""Checkpoints on any file system that Spark reads (hdfs, s3a, abfs, gs, file ...), through Spark's own classes."""

from __future__ import annotations

from typing import Any

from sparkdl.blockmanager.bridge import client
from sparkdl.blockmanager.bridge.client import Client, Refusal, Verb, text
from sparkdl.blockmanager.bridge.session import driver_door, hadoop_settings
from sparkdl.errors import UnsupportedError
from sparkdl.optim.checkpoint.files import Files, LocalFiles


class HadoopFiles:
    """A folder named by a URI, reached through a door.

    ``address`` is the door's socket; without one it is that of the executor whose task calls, so an object that is sent
    to tasks works there. Configuration and credentials are those of the Spark session: ``spark.hadoop.*``, which
    executors know, and ``settings``, what the driver's has more.
    """

    def __init__(self, where: str, address: str | None = None, settings: str = "") -> None:
        self.where, self._address, self._settings = where.rstrip("/"), address, settings

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_address": None}  # another machine has a door of its own

    def names(self) -> list[str]:
        return sorted(filter(None, self._call("names").decode().split("\n")))

    def read(self, name: str) -> bytes:
        return self._call("read", name)

    def write(self, name: str, data: bytes, half: str = "") -> None:
        self._call("write", name, data, half or f".{name}.half")

    def remove(self, name: str) -> None:
        self._call("remove", name)

    def _call(self, what: str, name: str = "", data: bytes = b"", half: str = "") -> bytes:
        door = Client(self._address or client.address())
        try:
            head = text(what) + text(self.where) + text(name) + text(half) + text(self._settings)
            return bytes(door.call(Verb.FILES, head, [memoryview(data)])[1])
        except Refusal as refusal:
            raise OSError(f"{what} {self.where}/{name}: {'; '.join(refusal.facts)}") from None
        finally:
            door.close()


def from_driver(where: str) -> Files:
    """The folder as this process reaches it: through the JVM of the Spark session that is running here."""
    session = _session()
    if session is None:
        raise UnsupportedError(
            f"{where} is reached through Spark's own classes: start a classic SparkSession in this process first, or "
            "give a folder of a mounted file system. (Training on a DataFrame needs neither.)"
        )
    found = reached(HadoopFiles(where), session)
    assert found is not None
    return found


def _session() -> Any:
    """The classic session of this process, or None."""
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        return None
    session = SparkSession.getActiveSession()
    return session if hasattr(session, "_jsc") else None


def _settings(session: Any) -> str:
    return "" if session is None else hadoop_settings(session)


def files_at(where: str, here: bool = True) -> Files:
    """A folder of the mounted file systems, or with a scheme one of Spark's: for this process, or for Spark's tasks."""
    if ":/" not in where:
        return LocalFiles(where)
    return from_driver(where) if here else HadoopFiles(where, settings=_settings(_session()))


def reached(files: Files, spark: Any) -> Files | None:
    """A folder that tasks of ``spark`` write to, as this process reaches it; None under Spark Connect."""
    if not isinstance(files, HadoopFiles):
        return files
    if not hasattr(spark, "_jsc"):
        return None
    return HadoopFiles(files.where, driver_door(spark), _settings(spark))
