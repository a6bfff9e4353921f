"""Where checkpoints lie: a folder of whole files, written so that a reader sees all of a file or none of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol


class Files(Protocol):
    """A flat folder; names have no separators."""

    where: str

    def names(self) -> list[str]:
        """The files there are; none if the folder does not exist."""

    def read(self, name: str) -> bytes: ...

    def write(self, name: str, data: bytes, half: str = "") -> None:
        """Atomic: a file of that name is there whole, or as it was before. ``half``: what it is called until then."""

    def remove(self, name: str) -> None:
        """Removes the file; one that is gone is no error."""


class LocalFiles:
    """A folder of this machine's file system."""

    def __init__(self, where: str | Path) -> None:
        self.where = os.fspath(where)

    def names(self) -> list[str]:
        return sorted(p.name for p in Path(self.where).glob("*") if p.is_file())

    def read(self, name: str) -> bytes:
        return (Path(self.where) / name).read_bytes()

    def write(self, name: str, data: bytes, half: str = "") -> None:
        folder = Path(self.where)
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / (half or f".{name}.half")
        with open(aside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # the rename must not reach the disk before the bytes
        os.replace(aside, folder / name)

    def remove(self, name: str) -> None:
        (Path(self.where) / name).unlink(missing_ok=True)
