"""What a model file may ask for: every size is checked before memory is taken for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sparkdl.errors import FormatError


@dataclass(frozen=True)
class Limits:
    """Upper bounds for one file. ``with limits(unbacked=1 << 24): ...`` sets others for a while."""

    file: int = 16 << 30  # bytes of a weight file
    text: int = 64 << 20  # bytes of a description: prototxt, JSON, YAML
    yaml: int = 2 << 20  # bytes of a description in YAML, which is read slowly
    depth: int = 64  # nested messages, groups or models
    fields: int = 4 << 20  # fields, tokens or objects of a description
    layers: int = 20_000
    rank: int = 32  # axes of one array
    inflate: int = 100  # bytes that one byte of an archive may become, where that is more than ``unpacked``
    unpacked: int = 1 << 28  # bytes that an archive may become in any case
    unbacked: int = 1 << 28  # weights that no file holds, for models loaded without weights


_current = Limits()


def current() -> Limits:
    return _current


@contextmanager
def limits(**changes: int) -> Iterator[Limits]:
    """Other limits inside the ``with`` block, for all threads."""
    global _current
    before, _current = _current, replace(_current, **changes)
    try:
        yield _current
    finally:
        _current = before


def unpacked(packed: int) -> int:
    """How many bytes ``packed`` ones of an archive may become; weights hardly shrink when they are packed."""
    return min(_current.file, max(_current.unpacked, _current.inflate * packed))


def within(what: str, size: int, limit: int) -> int:
    """``size``, if it is not above ``limit``."""
    if not 0 <= size <= limit:
        raise FormatError(f"{what}: {size:,} is beyond the limit of {limit:,}; see sparkdl.importers.limits.")
    return size


def read_file(path: str | Path, limit: int) -> bytes:
    """The bytes of a plain file of at most ``limit`` bytes."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}.")
    if not path.is_file():
        raise FormatError(f"{path} is not a plain file.")
    within(f"{path.name}: size in bytes", path.stat().st_size, limit)
    return path.read_bytes()


@contextmanager
def reading(path: object) -> Iterator[None]:
    """Names the file in format errors, and turns what readers meet in corrupt data into one."""
    try:
        yield
    except FormatError as error:
        error.add_note(f"in file {path}")
        raise
    except (RecursionError, MemoryError, OverflowError) as error:
        raise FormatError(f"{path}: nested too deeply or too large to read ({type(error).__name__}).") from error
