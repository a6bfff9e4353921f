"""What ``sparkdl doctor`` looks at: everything that training on Spark needs, each with its remedy, in some seconds."""

from __future__ import annotations

import contextlib
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
from sparkdl.errors import UnsupportedError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OLDEST_JAVA = 17
QUICK = " ".join((
    "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:+UnlockDiagnosticVMOptions", "-XX:-BytecodeVerificationRemote",
    "-Dorg.sparkdl.bridge.cold=true",
))  # fmt: skip
"""For JVMs that live for seconds and run Spark's own classes: they compile once and lightly, check no byte code, and do
not rehearse exchanges until these are fast, so that they take half the processor time.
"""
OWN = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.codegen.wholeStage": "false",  # compiling queries of a few rows takes longer than interpreting them
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.driver.defaultJavaOptions": QUICK,  # the options that users and clusters set come after these
    "spark.executor.defaultJavaOptions": QUICK,
}
"""Settings of a session that is started for an examination."""
PATIENCE = 13.5
"""Seconds after which an examination that still waits for Spark is given up; with leaving, all is over within 15."""
LEAVING = 0.3  # seconds that an examination that was given up waits for Spark to stop
NEEDED_BY_TASKS = ("numpy", "numba", "pyarrow")
MOST = 8  # tasks that meet
SIZE = 1 << 20  # bytes that each sends


class Finding(NamedTuple):
    """``state`` is ``ok``, ``warn`` (works, but worse) or ``fail``; ``remedy`` is empty where all is well."""

    name: str
    state: str
    what: str
    remedy: str = ""


def examine(
    spark: SparkSession | None = None, master: str | None = None, patience: float = PATIENCE
) -> Iterator[Finding]:
    """Look at everything in turn; with ``spark`` in that session, else in the running one or one started for it."""
    deadline = time.monotonic() + patience
    spark = spark or _running()
    found = list(java())
    starting = None if spark or any(finding.state == "fail" for finding in found) else Started(lambda: _session(master))
    for check in (python, namesake, packages, kernels, threads, cache):  # while Spark starts
        yield from check()
    yield from found
    yield from cluster(spark or starting, deadline - time.monotonic())


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
    version = _version("sparkdl")
    if version is not None:
        where = "installed here; installed into the same folder, its files and ours replace each other's"
        yield Finding("name", "warn", f"the package sparkdl {version} is {where}", f"{_AWAY}; then install ours again")
    elif not others:
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
    """The vector instructions in use."""
    isa, arithmetic = computing()
    if isa == "none":
        yield Finding("kernels", "fail", arithmetic, "set SPARKDL_ISA to one that this machine has, or leave it unset")
    else:
        yield Finding("kernels", "ok", f"instructions: {isa}")


def threads() -> Iterator[Finding]:
    """The pool that kernels share."""
    from sparkdl.kernel import num_threads, numba

    numba()
    try:
        importlib.import_module("numba.np.ufunc.tbbpool")
    except ImportError as error:
        remedy = "pip install 'sparkdl-native[tbb]' brings TBB"
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


def cluster(spark: SparkSession | Started | None, patience: float = PATIENCE) -> Iterator[Finding]:
    """The session (or one that is being started), its slots, what its tasks see, the door to its block manager."""
    deadline = time.monotonic() + patience
    if spark is None:
        yield Finding("Spark", "fail", "cannot start without Java", "see Java above")
        return
    try:
        session = spark.result(deadline) if isinstance(spark, Started) else spark
    except Exception as error:
        remedy = "look at Java above, at the master's address, at Spark's log"
        yield Finding("Spark", "fail", _line(error), remedy)
        return
    try:
        yield from _session_findings(session, deadline)
    finally:
        if isinstance(spark, Started):
            with contextlib.suppress(TimeoutError):  # it stops by itself then, or with this process
                _until(max(deadline, time.monotonic() + LEAVING), session.stop)


def _running() -> SparkSession | None:
    """This process's session, if there is one."""
    if "pyspark.sql" not in sys.modules:
        return None
    from pyspark.sql import SparkSession

    from sparkdl.blockmanager.bridge.session import is_stopped

    session = SparkSession.getActiveSession() or getattr(SparkSession, "_instantiatedSession", None)  # another thread's
    return None if session is None or is_stopped(session) else session


def _session(master: str | None) -> SparkSession:
    """A session for this examination, where none is running."""
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("sparkdl doctor")
    for name, value in OWN.items():
        builder = builder.config(name, value)
    session = (builder.master(master) if master else builder).getOrCreate()
    if hasattr(session, "_jsc"):
        session.sparkContext.setLogLevel("OFF")  # what fails is a finding
    return session


def _session_findings(spark: SparkSession, deadline: float) -> Iterator[Finding]:
    from sparkdl.blockmanager.bridge.session import count_slots, open_door

    remote = not hasattr(spark, "_jsc")
    where = f"{spark.version}, {'Spark Connect, ' * remote}{spark.conf.get('spark.master', 'a remote session')}"
    try:
        doors = _until(deadline, lambda: open_door(spark))
        slots = _until(deadline, lambda: count_slots(spark))
    except Exception as error:
        yield Finding("Spark", "ok", where)
        remedy = "do executors start, and are their slots free (Spark's page)? The jar came by ADD JAR: see their logs"
        yield Finding("door", "fail", _line(error), remedy)
        return
    if slots.dynamic:
        where += ", dynamic allocation (tasks then meet by themselves, without a barrier)"
    yield Finding("Spark", "ok", f"{where}, {slots.total} slots in {len(doors)} executor{'s' * (len(doors) > 1)}")
    yield Finding("security", "ok", _security(spark))
    yield Finding("door", "ok", f"open in executor {', '.join(door.executor for door in doors)}")
    try:
        seen = _until(deadline, lambda: _ask_tasks(spark, slots.total))
    except Exception as error:
        spark.interruptAll()
        remedy = "are all slots busy with other jobs (Spark's page), has each executor Python with pyarrow?"
        yield Finding("tasks", "fail", _line(error), remedy)
        return
    yield from _task_findings(seen)
    tasks = min(slots.total, MOST)
    try:
        met = _until(deadline, lambda: _exchange(spark, tasks, barrier=not slots.dynamic))
    except Exception as error:
        spark.interruptAll()
        remedy = "can the executors reach each other (spark.blockManager.port, a firewall)? See their logs (stderr)"
        yield Finding("exchange", "fail", _line(error), remedy)
        return
    what = f"{tasks} tasks met, and each had {SIZE >> 10} KiB from another one"
    yield Finding("exchange", "ok", f"{what}, in {1e3 * max(one.seconds for one in met):.0f} ms at most, cold")
    yield from _kernel_findings({(one.isa, one.arithmetic) for one in met})


def _security(spark: SparkSession) -> str:
    """Blocks travel as Spark's own do."""
    settings = {
        "authentication": "spark.authenticate",
        "encryption of what travels": "spark.network.crypto.enabled",
        "of local files": "spark.io.encryption.enabled",
    }
    states = (f"{name} {'on' if spark.conf.get(key, 'false') == 'true' else 'off'}" for name, key in settings.items())
    return f"Spark's own: {', '.join(states)}"


def _exchange(spark: SparkSession, tasks: int, barrier: bool) -> list[Any]:
    """Seconds that each of ``tasks`` tasks waited for a block of another one, and how it computes: training's way,
    package and all.
    """
    from sparkdl.blockmanager.bridge.session import drop_everywhere, new_run
    from sparkdl.carry import carry

    run = new_run()

    def meet(batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow
        from pyspark import TaskContext

        from sparkdl.blockmanager.spark import connect
        from sparkdl.blockmanager.store import Block
        from sparkdl.doctor import computing

        for _ in batches:
            pass
        context = TaskContext.get()
        assert context is not None, "runs inside a Spark task"
        rank = context.partitionId()
        with connect(run, rank, tasks) as store:
            began = time.perf_counter()
            store.put(Block("a", 1, rank), bytes(SIZE))
            store.read(Block("a", 1, (rank + 1) % tasks))
            seconds = time.perf_counter() - began
            store.put(Block("end", 1, rank), b"1")
            store.wait("end", 1, range(tasks))  # nobody leaves before all have read
        isa, arithmetic = computing()
        yield pyarrow.RecordBatch.from_pydict({"seconds": [seconds], "isa": [isa], "arithmetic": [arithmetic]})

    try:
        schema = "seconds double, isa string, arithmetic string"
        return list(spark.range(0, tasks, 1, tasks).mapInArrow(carry(meet), schema, barrier=barrier).collect())
    finally:
        drop_everywhere(spark, run)


def computing() -> tuple[str, str]:
    """This process's vector instructions, and what decides the bits of its results; the error, if it is told wrong."""
    from sparkdl.kernel import arithmetic, isa

    try:
        return isa(), arithmetic()
    except (ValueError, UnsupportedError) as error:
        return "none", str(error)


def _kernel_findings(there: set[tuple[str, str]]) -> Iterator[Finding]:
    """Of the tasks' instructions and arithmetics, beside this process's."""
    isas, ways = (", ".join(sorted(set(each))) for each in zip(*there, strict=True))
    if len({way for _, way in there}) > 1:
        what = f"the tasks compute in different ways ({ways}), and training is refused: they would have different bits"
        remedy = "use machines of one kind; SPARKDL_ISA=plain, set for all executors, may make them alike"
        yield Finding("kernels", "fail", what, remedy)
    elif ways != computing()[1]:
        what = f"instructions in the tasks: {isas} ({ways}); the driver's results have other bits ({computing()[1]})"
        yield Finding("kernels", "warn", what, "set the same SPARKDL_ISA on driver and executors, or bear it")
    else:
        yield Finding("kernels", "ok", f"instructions in the tasks: {isas}; the same numbers as here")


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
        for name in ("numpy", "numba", "pyarrow"):
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
            "local": os.access(os.environ.get("SPARK_LOCAL_DIRS", "").split(",")[0], os.W_OK | os.X_OK),
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
        if facts["sparkdl"] and not facts["ours"]:
            wrong = True
            what = f"{where}: another package called sparkdl in {facts['sparkdl']}; training brings its own along"
            yield Finding("tasks", "warn", what, _AWAY)
        if not facts["local"]:
            wrong = True
            what = f"{where}: Spark's local folder (SPARK_LOCAL_DIRS) cannot be written"
            yield Finding("tasks", "fail", what, "point spark.local.dir to a folder that executors can write to")
        if facts["python"] != list(sys.version_info[:2]):
            wrong = True
            what = f"{where}: Python {'.'.join(map(str, facts['python']))}, the driver runs another one"
            yield Finding("tasks", "fail", what, "set PYSPARK_PYTHON to the same Python on driver and executors")
    if not wrong:
        bare = sum(not facts["ours"] for facts in seen)
        travels = f"; sparkdl itself travels to {bare} of them" if bare else ""
        what = f"{len(seen)} on {', '.join(hosts)}, same Python and packages as the driver{travels}"
        yield Finding("tasks", "ok", what)


class Started:
    """A call that goes on in a thread of its own."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call, self._began = call, time.monotonic()
        self._done: list[Any] = []
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._done.append(self._call())
        except BaseException as error:  # raised by `result`
            self._failed.append(error)

    def result(self, deadline: float) -> Any:
        """What the call returns or raises; TimeoutError at ``deadline``."""
        self._thread.join(max(deadline - time.monotonic(), 0.0))
        if self._failed:
            raise self._failed[0]
        if not self._done:
            waited = f"no answer within {time.monotonic() - self._began:.1f} s"
            raise TimeoutError(f"{waited}, and none is waited for any longer; a busy machine may need --patience 60")
        return self._done[0]


def _until(deadline: float, call: Callable[[], Any]) -> Any:
    """The value of ``call``, or TimeoutError at ``deadline``."""
    return Started(call).result(deadline)


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
