"""``.keras`` files: a zip with ``config.json``, ``metadata.json`` and ``model.weights.h5``."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from sparkdl.errors import FormatError, SparkDLError
from sparkdl.importers.limits import current, unpacked, within

MEMBERS = ("config.json", "metadata.json", "model.weights.h5")


def read_archive(path: Path) -> dict[str, bytes]:
    """The three known members; others (assets) are not looked at, and nothing is written to disk."""
    within(f"{path.name}: size in bytes", path.stat().st_size, current().file)
    try:
        with zipfile.ZipFile(path) as archive:
            within("members of the archive", len(archive.infolist()), 10_000)
            return {name: _member(archive, name, path) for name in MEMBERS if name in archive.NameToInfo}
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, ValueError, RuntimeError) as error:
        if isinstance(error, SparkDLError):
            raise
        raise FormatError(f"{path}: the archive cannot be read ({error}); it is corrupt or truncated.") from error


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    info = archive.getinfo(name)
    limit = current().text if name.endswith(".json") else unpacked(info.compress_size)
    within(f"{path.name}: {name} unpacked", info.file_size, limit)
    with archive.open(info) as file:
        data = file.read(info.file_size + 1)  # an archive may lie about sizes
    if len(data) != info.file_size:
        raise FormatError(f"{path}: {name} holds {len(data):,} bytes, the archive says {info.file_size:,}.")
    return data
