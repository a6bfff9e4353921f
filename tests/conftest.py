"""Spark sessions for the tests, and the proof that no process of theirs outlives them.

One process can hold one SparkContext at a time. So tests are sorted by the session they ask for: first those that need
none, then ``local``, then ``cluster``; the session is switched once.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MASTERS = {"local": "local[2]", "cluster": "local-cluster[2,1,1024]"}
RUN = f"SPARKDL_TEST_RUN={uuid.uuid4().hex}"
"""Inherited by every process that the tests start, JVMs, executors and Python workers alike: so they can be found."""

os.environ.update([RUN.split("=")])
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
# JVMs that live for a minute: compiling their code lightly halves the processor time of a session's tests
os.environ["JAVA_TOOL_OPTIONS"] = f"{os.environ.get('JAVA_TOOL_OPTIONS', '')} -XX:TieredStopAtLevel=1".strip()
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the session it asks for, and sort by it; the order is otherwise kept."""
    for item in items:
        asked = [name for name in MASTERS if name in getattr(item, "fixturenames", ())]
        for name in asked:
            item.add_marker(name)
        if sum(item.get_closest_marker(name) is not None for name in MASTERS) > 1:
            raise pytest.UsageError(f"{item.nodeid} asks for two Spark sessions; one process can hold one at a time.")
    names = list(MASTERS)
    items.sort(key=lambda item: next((1 + names.index(n) for n in names if item.get_closest_marker(n)), 0))


@pytest.fixture(scope="session")
def local(spark_processes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A session on ``local[2]``: driver and both task slots in one JVM."""
    yield from _session("local", tmp_path_factory)


@pytest.fixture(scope="session")
def cluster(spark_processes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A session on ``local-cluster[2,1,1024]``: two executor JVMs with one slot each."""
    yield from _session("cluster", tmp_path_factory)


@pytest.fixture(scope="session")
def spark_processes() -> Iterator[None]:
    """Ends the JVM after the last session and fails if a process that the tests started is still there."""
    yield
    from pyspark import SparkContext

    deadline = time.monotonic() + 20
    gateway = SparkContext._gateway
    if gateway is not None:
        gateway.shutdown()
        gateway.proc.stdin.close()  # the JVM ends itself when this closes
        gateway.proc.wait(timeout=20)
        SparkContext._gateway = SparkContext._jvm = None
    left = _processes()
    while left and time.monotonic() < deadline:
        time.sleep(0.2)
        left = _processes()
    assert not left, f"processes started by the tests are still there: {left}"


def _session(name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        pytest.skip("no Java found: `make test` brings one, or set JAVA_HOME")
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    if running is not None:
        running.stop()
    folder = tmp_path_factory.mktemp("spark")
    session = (
        SparkSession.builder.master(MASTERS[name])
        .appName(f"sparkdl tests, {name}")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.local.dir", str(folder / "local"))
        .config("spark.sql.warehouse.dir", str(folder / "warehouse"))
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.scheduler.minRegisteredResourcesRatio", "1.0")  # no job starts before both executors are there
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    session.sparkContext.parallelize(range(2), 2).count()  # the executors are up before any test's time runs
    yield session
    session.stop()


def _processes() -> dict[int, str]:
    """``{process id: command line}`` of the living processes of this test run, but for this one."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
            command = (folder / "cmdline").read_bytes()
        except OSError:  # it ended meanwhile, or belongs to another user
            continue
        if b"multiprocessing.resource_tracker" in command:  # Python's own helper: it ends with this process
            continue
        if RUN.encode() in environment and int(folder.name) != os.getpid():
            found[int(folder.name)] = command.replace(b"\0", b" ").decode(errors="replace")[:200]
    return found
