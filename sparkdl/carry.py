"""Functions for Spark's Python workers that bring this package along, where it is missing or of another version."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def carry(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``function``, for ``mapInArrow`` and its like, that finds this very package wherever it runs.

    A worker that has the same files uses its own; another unpacks the files, 0.7 MB that travel with the
    function, into the executor's local folder, once. The packages that this one needs must be there.
    """
    return Carried(function)


class Carried:
    """See `carry`."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __call__(self, argument: Any) -> Any:
        return self.function(argument)

    def __reduce__(self) -> Any:
        """Pickled when Spark pickles, so that broadcasts inside the function become known to it."""
        from pyspark import cloudpickle

        return _arrival(), (cloudpickle.dumps(self.function), archive(), fingerprint())


def _arrival() -> Callable[[bytes, bytes, str], Any]:
    """What a worker calls first. A function within a function travels by value, and needs nothing but Python."""

    def arrive(pickled: bytes, package: bytes, mark: str) -> Any:
        import importlib.util
        import io
        import os
        import pickle
        import shutil
        import sys
        import tempfile
        import zipfile

        spec = importlib.util.find_spec("sparkdl")  # which imports nothing: it may be another package of that name
        same = spec is not None and spec.origin is not None and os.path.exists(spec.origin.replace("__init__", "carry"))
        if same:
            from sparkdl.carry import fingerprint

            same = fingerprint() == mark
        if not same:
            local = os.environ.get("SPARK_LOCAL_DIRS", tempfile.gettempdir()).split(",")[0]
            folder = os.path.join(local, f"sparkdl-{mark}")
            if not os.path.isdir(folder):
                draft = tempfile.mkdtemp(dir=local)  # its owner's alone
                zipfile.ZipFile(io.BytesIO(package)).extractall(draft)
                try:
                    os.rename(draft, folder)
                except OSError:  # another worker was faster
                    shutil.rmtree(draft)
            for name in [name for name in sys.modules if name.partition(".")[0] == "sparkdl"]:
                del sys.modules[name]
            sys.path.insert(0, folder)
        return pickle.loads(pickled)

    return arrive


def _files() -> list[Path]:
    """What a worker needs: not the Java sources, and not the jar, which Spark brings."""
    kinds = {".java", ".jar", ".pyc"}
    return sorted(path for path in HERE.rglob("*") if path.is_file() and path.suffix not in kinds)


@cache
def fingerprint() -> str:
    """Of the names and the contents of all Python files."""
    digest = hashlib.sha256()
    for path in sorted(HERE.rglob("*.py")):
        digest.update(f"{path.relative_to(HERE).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


@cache
def archive() -> bytes:
    """The package as a zip file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as whole:
        for path in _files():
            whole.write(path, Path("sparkdl") / path.relative_to(HERE))
    return out.getvalue()
