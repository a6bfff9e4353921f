"""What ``sparkdl doctor`` looks at: everything that training on Spark needs, each with its remedy, in some seconds."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import sparkdl

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OLDEST_JAVA = 17
PATIENCE = 14.0
"""Seconds after which an examination that still waits for Spark is given up."""
NEEDED_BY_TASKS = ("numpy", "numba", "pyarrow", "pandas")


class Finding(NamedTuple):
    """``state`` is ``ok``, ``warn`` (works, but worse) or ``fail``; ``remedy`` is empty where all is well."""

    name: str
    state: str
    what: str
    remedy: str = ""


def examine(
    spark: SparkSession | None = None, master: str | None = None, patience: float = PATIENCE
) -> Iterator[Finding]:
    """Look at everything in turn; with ``spark`` in that session, else in the active one or one started for it."""
    deadline = time.monotonic() + patience
    for check in (python, namesake, packages, kernels, threads, cache, java):
        yield from check()
    yield from cluster(spark, master, deadline - time.monotonic())


def report(findings: Iterable[Finding]) -> list[Finding]:
    """Print findings as they come, and return them."""
    seen = []
    for finding in findings:
        print(f"{finding.state:5}{finding.name:10}{finding.what}", flush=True)
        if finding.remedy:
            print(f"{'':15}-> {finding.remedy}", flush=True)
        seen.append(finding)
    return seen


def python() -> Iterator[Finding]:
    """The interpreter and where the library lies."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("Python", "ok", f"{version} ({sys.executable}); sparkdl {sparkdl.__version__} in {_home()}")


def namesake() -> Iterator[Finding]:
    """Another package called sparkdl, which hides this one, or would with another order of the path."""
    others = [Path(entry or ".", "sparkdl") for entry in sys.path]
    others = [folder for folder in others if (folder / "__init__.py").exists() and folder.resolve() != _home()]
    if not others:
        yield Finding("name", "ok", "no other package called sparkdl in the way")
    for folder in dict.fromkeys(others):
        yield Finding("name", "warn", f"another package called sparkdl lies in {folder}", _AWAY)


_AWAY = (
    "pip uninstall sparkdl (the package of that name is an unrelated one; this is sparkdl-native), "
    "or use an environment or runtime without it"
)


def packages() -> Iterator[Finding]:
    """The versions of what the library stands on."""
    pandas = _version("pandas")
    if pandas is None or int(pandas.split(".")[0]) >= 3:
        yield Finding("pandas", "warn", f"{pandas}; pyspark does not support 3 yet", "pip install 'pandas>=2.2,<3'")
    spark = _version("pyspark")
    if spark is None or int(spark.split(".")[0]) < 4:
        yield Finding("pyspark", "fail", f"{spark or 'not installed'}", "pip install 'pyspark[sql]>=4.0'")


def kernels() -> Iterator[Finding]:
    """The matrix products and the vector instructions in use."""
    from sparkdl.kernel import kernel_table

    table = kernel_table()
    what = f"{table['blas']}; instructions: {table['isa']}"
    if table["blas"] != "mkl" and sys.platform == "linux" and os.uname().machine == "x86_64":
        yield Finding("BLAS", "warn", what, "pip install 'sparkdl-native[mkl]' for faster matrix products")
    else:
        yield Finding("BLAS", "ok", what)


def threads() -> Iterator[Finding]:
    """The pool that kernels share."""
    from sparkdl.kernel import num_threads, numba

    numba()
    try:
        importlib.import_module("numba.np.ufunc.tbbpool")
    except ImportError as error:
        remedy = "pip install 'sparkdl-native[mkl]' brings TBB"
        yield Finding("threads", "warn", f"{num_threads()}, in Numba's work queue; no TBB: {error}", remedy)
    else:
        yield Finding("threads", "ok", f"{num_threads()}, in a pool of TBB")


def cache() -> Iterator[Finding]:
    """Where compiled kernels are kept."""
    from sparkdl.kernelcache import folder

    try:
        yield Finding("cache", "ok", f"compiled kernels in {folder()}")
    except OSError as error:
        yield Finding("cache", "fail", str(error), "set SPARKDL_CACHE_DIR to a folder that you can write to")


def java() -> Iterator[Finding]:
    """The Java that Spark would start here."""
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home, "bin", "java")) if home else shutil.which("java")
    remedy = f"install a JDK of Java {OLDEST_JAVA} or 21 (Debian, Ubuntu: apt-get install openjdk-17-jdk-headless)"
    if program is None or not os.access(program, os.X_OK):
        where = f"JAVA_HOME={home} has no bin/java" if home else "no java on the path and JAVA_HOME is not set"
        yield Finding("Java", "fail", where, f"{remedy} and set JAVA_HOME")
        return
    answer = subprocess.run([program, "-version"], capture_output=True, text=True)
    found = re.search(r'version "(\d+)[^"]*"', answer.stderr)
    if not found or int(found[1]) < OLDEST_JAVA:
        yield Finding("Java", "fail", f"{program}: {answer.stderr.strip()}", f"{remedy} and set JAVA_HOME")
    else:
        yield Finding("Java", "ok", f"{found[0]} ({program})")


def cluster(
    spark: SparkSession | None = None, master: str | None = None, patience: float = PATIENCE
) -> Iterator[Finding]:
    """The session, its slots, what its tasks see, and the door to its block manager."""
    from pyspark.sql import SparkSession

    deadline = time.monotonic() + patience
    own = spark is None and SparkSession.getActiveSession() is None
    try:
        spark = spark or _until(deadline, lambda: _session(master))
    except Exception as error:
        remedy = "look at Java above, at the master's address, at Spark's log; on a busy machine, --patience 60"
        yield Finding("Spark", "fail", _line(error), remedy)
        return
    try:
        yield from _session_findings(spark, deadline)
    finally:
        if own:
            spark.stop()


def _session(master: str | None) -> SparkSession:
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("sparkdl doctor")
    return (builder.master(master) if master else builder).getOrCreate()


def _session_findings(spark: SparkSession, deadline: float) -> Iterator[Finding]:
    from sparkdl.blockmanager.bridge.session import count_slots, open_door

    where = f"{spark.version}, {spark.conf.get('spark.master', 'a remote session')}"
    try:
        doors = _until(deadline, lambda: open_door(spark))
        slots = _until(deadline, lambda: count_slots(spark).total)
    except Exception as error:
        yield Finding("Spark", "ok", where)
        remedy = "do executors start, and are their slots free (Spark's page)? The jar came by ADD JAR: see their logs"
        yield Finding("door", "fail", _line(error), remedy)
        return
    if spark.conf.get("spark.dynamicAllocation.enabled", "false") == "true":
        where += ", dynamic allocation"
    yield Finding("Spark", "ok", f"{where}, {slots} slots in {len(doors)} executor{'s' * (len(doors) > 1)}")
    yield Finding("door", "ok", f"open in executor {', '.join(door.executor for door in doors)}")
    try:
        seen = _until(deadline, lambda: _ask_tasks(spark, slots))
    except Exception as error:
        spark.interruptAll()
        remedy = "are all slots busy with other jobs (Spark's page), has each executor Python with pyarrow and pandas?"
        yield Finding("tasks", "fail", _line(error), remedy)
        return
    yield from _task_findings(seen)


def _ask_tasks(spark: SparkSession, slots: int) -> list[dict[str, Any]]:
    def describe(batches: Iterable[Any]) -> Iterator[Any]:
        """Defined in here, it travels by value: a task may not have this library, or another one of its name."""
        import importlib.metadata
        import importlib.util
        import json
        import os
        import socket
        import sys

        import pyarrow

        for _ in batches:
            pass
        versions: dict[str, str | None] = {}
        for name in ("numpy", "numba", "pyarrow", "pandas"):
            try:
                versions[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                versions[name] = None
        spec = importlib.util.find_spec("sparkdl")
        folder = os.path.dirname(spec.origin) if spec and spec.origin else None
        facts = {
            "host": socket.gethostname(),
            "python": list(sys.version_info[:2]),
            "executable": sys.executable,
            "versions": versions,
            "sparkdl": folder,
            "ours": folder is not None and os.path.isdir(os.path.join(folder, "blockmanager")),
        }
        yield pyarrow.RecordBatch.from_pydict({"facts": [json.dumps(facts)]})

    rows = spark.range(0, slots, 1, slots).mapInArrow(describe, "facts string").collect()
    return [json.loads(row["facts"]) for row in rows]


def _task_findings(seen: list[dict[str, Any]]) -> Iterator[Finding]:
    here = {name: _version(name) for name in NEEDED_BY_TASKS}
    hosts = sorted({facts["host"] for facts in seen})
    wrong = False
    for facts in {json.dumps(facts, sort_keys=True): facts for facts in seen}.values():
        where = f"{facts['host']}, {facts['executable']}"
        for name, version in facts["versions"].items():
            if version is None:
                wrong = True
                yield Finding("tasks", "fail", f"{where}: no {name}", f"install {name} there")
            elif version != here[name]:
                wrong = True
                what = f"{where}: {name} {version}, the driver has {here[name]}"
                yield Finding("tasks", "warn", what, "install the same versions, if the same numbers are to come out")
        if not facts["ours"]:
            wrong = True
            what = f"another package called sparkdl in {facts['sparkdl']}" if facts["sparkdl"] else "no sparkdl"
            yield Finding("tasks", "fail", f"{where}: {what}", _AWAY if facts["sparkdl"] else "install sparkdl-native")
        if facts["python"] != list(sys.version_info[:2]):
            wrong = True
            what = f"{where}: Python {'.'.join(map(str, facts['python']))}, the driver runs another one"
            yield Finding("tasks", "fail", what, "set PYSPARK_PYTHON to the same Python on driver and executors")
    if not wrong:
        yield Finding("tasks", "ok", f"{len(seen)} on {', '.join(hosts)}, same Python and packages as the driver")


def _until(deadline: float, call: Callable[[], Any]) -> Any:
    """The value of ``call``, or TimeoutError at ``deadline``; the call then goes on in a thread of its own."""
    done: list[Any] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(call())
        except BaseException as error:  # handed to the caller below
            failed.append(error)

    began = time.monotonic()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(max(deadline - began, 0.0))
    if failed:
        raise failed[0]
    if not done:
        raise TimeoutError(f"no answer within {time.monotonic() - began:.1f} s")
    return done[0]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _home() -> Path:
    return Path(sparkdl.__file__).resolve().parent


def _line(error: BaseException) -> str:
    """An error's first line."""
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
