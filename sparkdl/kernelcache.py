"""Where compiled kernels of this package are kept between processes, and when a kept one may be used again.

Numba names cached code after a function's own file, so a change in a function that it *calls* goes unnoticed, and two
processes that compile different signatures at the same moment can swap them. Here each entry is a file of its own,
``<folder>/<module>-<sources>/<function>-<key>.nbc``: ``sources`` hashes the module and every kernel module that it
imports, directly or not, and ``key`` the argument types, the CPU, the byte code and the versions. Nothing depends on
where the package lies, files appear whole (write, then rename), and the folder is its owner's alone. Parsing a source
for its imports takes longer than loading its kernels, so ``imports.json`` keeps them by the hash of that source.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib.util
import json
import os
import pickle
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

_PACKAGE = __name__.partition(".")[0]
_FOREIGN = {"numba", "llvmlite", "numpy", "scipy"}  # their versions are part of every key


@cache
def folder() -> Path:
    """``$SPARKDL_CACHE_DIR``, else the user's cache folder, else one in the temporary folder, else (in a task whose
    container has neither) one in Spark's local folder, which goes with the application; the owner's alone.
    """
    given = os.environ.get("SPARKDL_CACHE_DIR")
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    candidates = [Path(given)] if given else [Path(home) / "sparkdl"]
    candidates.append(Path(tempfile.gettempdir()) / f"sparkdl-{os.getuid()}")
    candidates += [Path(each) / "sparkdl-kernels" for each in os.environ.get("SPARK_LOCAL_DIRS", "").split(",") if each]
    errors = []
    for path in candidates:
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = path.stat()
            if status.st_uid != os.getuid():
                raise PermissionError(f"{path} belongs to user {status.st_uid}")
            if status.st_mode & 0o022:
                path.chmod(0o700)
            tempfile.TemporaryFile(dir=path).close()
            return path
        except OSError as error:
            errors.append(str(error))
    raise OSError(f"no folder for compiled kernels: {'; '.join(errors)}; set SPARKDL_CACHE_DIR to a folder of yours.")


def _path_of(module: str) -> Path | None:
    """The source file of a module that is loaded, or of one of this package (found without importing it)."""
    loaded = sys.modules.get(module)
    if loaded is not None and getattr(loaded, "__file__", None):
        return Path(loaded.__file__)  # type: ignore[arg-type]
    root = importlib.util.find_spec(_PACKAGE) if module.partition(".")[0] == _PACKAGE else None
    if root is None or root.origin is None:
        return None
    path = Path(root.origin).parent.joinpath(*module.split(".")[1:])
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


def _imports(source: bytes) -> list[str]:
    """The modules that a source imports anywhere, and what it takes from them, which may be modules too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return sorted(names)


class _KnownImports:
    """``_imports`` by the hash of the source, kept in a file; a file that cannot be read or written costs time only."""

    limit = 2000  # sources; then those that this process met stay, so that old versions of them do not pile up

    def __init__(self) -> None:
        self._known: dict[str, list[str]] = {}
        self._used: dict[str, list[str]] = {}
        self._new = False
        try:
            found = json.loads((folder() / "imports.json").read_bytes())
        except (OSError, ValueError):
            return
        if isinstance(found, dict):
            self._known = found

    def of(self, source: bytes) -> list[str]:
        digest = hashlib.sha256(source).hexdigest()
        names = self._known.get(digest)
        if not isinstance(names, list):
            names, self._new = _imports(source), True
        self._used[digest] = names
        return names

    def keep(self) -> None:
        if not self._new:
            return
        self._new = False
        kept = {**self._known, **self._used}
        if len(kept) > self.limit:
            kept = self._used
        with contextlib.suppress(OSError):
            _write(folder() / "imports.json", json.dumps(kept).encode())


_known_imports = cache(_KnownImports)


@cache
def _kernel_source(module: str) -> bytes | None:
    """A kernel module's source; None for a module without kernels."""
    path = None if module.partition(".")[0] in _FOREIGN else _path_of(module)
    if path is None or path.suffix != ".py":
        return None
    source = path.read_bytes()
    return source if b"numba" in source or b"sparkdl.kernel" in source else None


@cache
def sources(module: str) -> str:
    """Hash over the source of ``module`` and of all kernel modules that it reaches by imports."""
    seen: dict[str, bytes] = {}
    todo, known = [module], _known_imports()
    while todo:
        name = todo.pop()
        source = None if name in seen else _kernel_source(name)
        if source is not None:
            seen[name] = source
            todo.extend(known.of(source))
    known.keep()
    digest = hashlib.sha256()
    for name in sorted(seen):
        digest.update(name.encode() + b"\0" + hashlib.sha256(seen[name]).digest())
    return digest.hexdigest()[:16]


def _write(path: Path, content: bytes) -> None:
    """The file appears whole, also where several processes write it at once."""
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        file.write(content)
    os.replace(file.name, path)


before_loading: list[Callable[[Any], None]] = []  # called with the argument types of kept code that is to be loaded


class KernelCache:
    """What a Numba dispatcher asks for compiled code (``load_overload``) and hands it to (``save_overload``)."""

    def __init__(self, function: Any, extra: str = "") -> None:
        self._function, self._extra = function, extra
        self._enabled = True

    @property
    def cache_path(self) -> str:
        module = self._function.__module__
        return str(folder() / f"{module}-{sources(module)}")

    def enable(self) -> None:
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def flush(self) -> None:
        for path in Path(self.cache_path).glob(f"{self._function.__qualname__}-*.nbc"):
            path.unlink(missing_ok=True)

    def _entry(self, sig: Any, codegen: Any) -> Path | None:
        import llvmlite
        import numba

        versions = (numba.__version__, llvmlite.__version__, sys.version_info[:2])
        key = repr((sig, codegen.magic_tuple(), versions, self._extra))
        if " at 0x" in key:  # a type known only by its address means nothing to another process
            return None
        digest = hashlib.sha256(key.encode() + self._function.__code__.co_code)
        return Path(self.cache_path) / f"{self._function.__qualname__}-{digest.hexdigest()[:24]}.nbc"

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        from numba.core.compiler import CompileResult

        if not self._enabled or _path_of(self._function.__module__) is None:
            return None
        target_context.refresh()
        path = self._entry(sig, target_context.codegen())
        if path is None:
            return None
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        for prepare in before_loading:
            prepare(sig)
        return CompileResult._rebuild(target_context, *pickle.loads(data))

    def save_overload(self, sig: Any, result: Any) -> None:
        from numba.core.serialize import dumps

        if not self._enabled or _path_of(self._function.__module__) is None:
            return
        if any(not loop.can_cache for loop in result.lifted) or result.library.has_dynamic_globals:
            raise TypeError(
                f"kernel {self._function.__module__}.{self._function.__qualname__} cannot be kept on disk: it captures "
                f"a pointer or a large array; pass it as an argument."
            )
        path = self._entry(sig, result.codegen)
        if path is None:
            return
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _write(path, dumps(result._reduce()))
