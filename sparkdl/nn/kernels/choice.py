"""Which of several ways a kernel goes at a shape: the first, which rules put there, or the fastest when timed.

With ``SPARKDL_TIMED=1`` every new shape is timed once, on its first arrays, and the choice is kept on disk beside the
compiled kernels of this machine's kind. A driver's choices hold for all its tasks (``in_force``, ``take``), which time
nothing themselves: shapes that the driver has not met, in an earlier run on arrays, go by the rules there. Other ways give other bits, so a choice never depends on the batch.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Hashable
from functools import cache
from pathlib import Path

from sparkdl import kernelcache
from sparkdl.kernel import choices, isa

_TIMES = 3


def pick(what: Hashable, ways: tuple[str, ...], run: Callable[[str], object] | None) -> str:
    """One of ``ways`` for ``what``, a tuple of plain values; ``run(way)``, if given, does the work that way."""
    if len(ways) == 1:
        return ways[0]
    timing = _timing()
    if timing:
        _load()
    known = choices()
    found = known.get(repr(what)) if known else None
    if found in ways:
        return str(found)
    if not timing or run is None:
        return ways[0]
    seconds = {way: min(_seconds(run, way) for _ in range(_TIMES)) for way in ways}
    known[repr(what)] = best = min(ways, key=seconds.__getitem__)
    _save(known)
    return best


def _timing() -> bool:
    """Whether shapes are timed here: not in a Spark task, which computes as its driver says."""
    return os.environ.get("SPARKDL_TIMED") == "1" and "pyspark.worker" not in sys.modules


def in_force() -> dict[str, str]:
    """The choices of this process, for ``take`` in others."""
    if _timing():
        _load()
    return dict(choices())


def take(found: dict[str, str]) -> None:
    """Goes by another process' choices, and by no others, from here on."""
    known = choices()
    known.clear()
    known.update(found)


def _seconds(run: Callable[[str], object], way: str) -> float:
    began = time.perf_counter()
    run(way)
    return time.perf_counter() - began


def _path() -> Path:
    import llvmlite.binding as llvm

    return kernelcache.folder() / f"choices-{isa()}-{llvm.get_host_cpu_name()}-{kernelcache.sources(__name__)}.json"


@cache
def _load() -> None:
    try:
        kept = json.loads(_path().read_text())
    except (FileNotFoundError, ValueError):
        return  # none yet, or a file that something else damaged: shapes are timed again
    for what, way in kept.items():
        choices().setdefault(what, way)


def _save(known: dict[str, str]) -> None:
    path = _path()
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False) as file:
        json.dump(known, file, indent=1)
    os.replace(file.name, path)
