"""Folders of files between this machine and whatever file system Spark means by a path.

A classic session's JVM copies them. A Spark Connect client has no JVM: there a task of one row reads and writes the
files, through its executor's door.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def put(spark: Any, folder: Path, path: str) -> None:
    """Copies the folder into the folder ``path``, under its own name."""
    if hasattr(spark, "_jsparkSession"):
        system, target = _hadoop(spark, path)
        system.copyFromLocalFile(False, True, spark._jvm.org.apache.hadoop.fs.Path(folder.as_uri()), target)
    else:
        _in_a_task(spark, Put(f"{path}/{folder.name}", {file.name: file.read_bytes() for file in folder.iterdir()}))


def get(spark: Any, path: str, folder: Path) -> Path | None:
    """A copy, in ``folder``, of the folder ``path``; None if there is none."""
    copy = folder / path.rstrip("/").rpartition("/")[2]
    if hasattr(spark, "_jsparkSession"):
        system, source = _hadoop(spark, path)
        if system.exists(source):
            system.copyToLocalFile(False, source, spark._jvm.org.apache.hadoop.fs.Path(folder.as_uri()), True)
    else:
        for row in _in_a_task(spark, Get(path)):
            copy.mkdir(exist_ok=True)
            (copy / row.name).write_bytes(row.data)
    return copy if copy.exists() else None


def _hadoop(spark: Any, path: str) -> tuple[Any, Any]:
    target = spark._jvm.org.apache.hadoop.fs.Path(path)
    return target.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf()), target


def _in_a_task(spark: Any, function: Any) -> list[Any]:
    from sparkdl.blockmanager.bridge.session import open_door

    open_door(spark)
    return spark.range(0, 1, 1, 1).mapInArrow(function, "name string, data binary").collect()


@dataclass
class Put:
    """Writes files; a row for none of them comes back."""

    path: str
    files: dict[str, bytes]

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        from sparkdl.optim.checkpoint.hadoop import HadoopFiles

        place = HadoopFiles(self.path)
        for _ in batches:
            for name, data in self.files.items():
                place.write(name, data)
        yield from ()


@dataclass
class Get:
    """A row for each file: its name and its bytes."""

    path: str

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        from sparkdl.optim.checkpoint.hadoop import HadoopFiles

        place = HadoopFiles(self.path)
        for _ in batches:
            for name in place.names():
                data = pa.array([place.read(name)], pa.binary())
                yield pa.RecordBatch.from_arrays([pa.array([name]), data], names=["name", "data"])
