"""The driver's side of the door. Works in classic and in Spark Connect sessions; sets no configuration."""

from __future__ import annotations

import base64
import secrets
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from sparkdl.blockmanager.bridge.build import BuildError, jar
from sparkdl.errors import ClusterError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FUNCTION = "sparkdl_door"
_CLASS = "org.sparkdl.bridge.Door"
_FIRST_RUN = 1 << 61  # far above the numbers that Spark gives to broadcasts, whose names blocks of ours carry


class Door(NamedTuple):
    """One executor's door."""

    executor: str
    host: str
    port: int
    address: str


def open_door(spark: SparkSession, timeout: float = 60.0) -> list[Door]:
    """Loads the door into the session and starts it in every executor that is there now; again costs little.

    Raises ClusterError if an executor does not answer within ``timeout`` seconds.
    """
    _register(spark)
    deadline = time.monotonic() + timeout
    doors: dict[str, Door] = {}
    tasks = 8
    while True:
        wanted = set(_ask(spark, "executors").split("\n"))
        wanted = wanted - {"driver"} or wanted  # in local mode the driver is the executor
        if wanted and wanted <= doors.keys():
            return [doors[name] for name in sorted(wanted, key=lambda name: (len(name), name))]
        if time.monotonic() > deadline:
            raise ClusterError(
                f"executors {', '.join(sorted(wanted - doors.keys()))} did not open their door within {timeout:.0f} s. "
                "Does another job hold all their slots? Their logs (stderr) say whether the class could not be loaded."
            )
        rows = spark.range(0, tasks, 1, tasks).selectExpr(f"{FUNCTION}(concat('open ', id)) as door").collect()
        for row in rows:
            name, host, port, address = row.door.split("\t")
            doors[name] = Door(name, host, int(port), address)
        tasks = min(4 * tasks, 2048)


def count_slots(spark: SparkSession) -> int:
    """How many tasks the executors that are there now can run at once (what Spark checks a barrier stage against)."""
    return int(_ask(spark, "slots"))


def new_run() -> int:
    """A number for a run; every attempt is a run of its own."""
    return _FIRST_RUN + secrets.randbits(60)


def drop_everywhere(spark: SparkSession, run: int) -> None:
    """Removes every block of a run from every block manager. Call it when its tasks have ended, however they did."""
    _ask(spark, f"drop {run}")


def enumerate_blocks(spark: SparkSession) -> list[str]:
    """The name of every block that any block manager holds, whoever put it."""
    return _ask(spark, "blocks").split()


def blocks_of(spark: SparkSession, run: int) -> list[str]:
    """The names of the blocks of one run, wherever they are."""
    return [name for name in enumerate_blocks(spark) if name.startswith(f"broadcast_{run}_")]


def read_notes(spark: SparkSession, run: int, size: int) -> list[str | None]:
    """The newest note of each task of a run that is going on; None where there is none (yet).

    Costs no task: it is evaluated in the driver, which asks the executors' block managers.
    """
    lines = _ask(spark, f"notes {run} {size}").split("\n")
    return [base64.b64decode(line).decode() if line else None for line in lines[:size]]


def _register(spark: SparkSession) -> None:
    try:
        path = str(jar())
    except BuildError as error:
        raise ClusterError(str(error)) from error
    if hasattr(spark, "addArtifact") and not hasattr(spark, "_jsc"):
        _add_artifact(spark, path)
    else:
        spark.sql(f"ADD JAR '{path}'")
    spark.udf.registerJavaFunction(FUNCTION, _CLASS, "string")


def _add_artifact(spark: Any, path: str) -> None:
    """A session keeps an artifact that it has; adding the same name again is refused by some versions."""
    added: set[str] = spark.__dict__.setdefault("_sparkdl_artifacts", set())
    if path not in added:
        spark.addArtifact(path)
        added.add(path)


def _ask(spark: SparkSession, command: str) -> str:
    """Evaluates a command in the driver: over a VALUES row the optimiser does it, without a job."""
    (row,) = spark.sql(f"select {FUNCTION}(a) as answer from values ('{command}') t(a)").collect()
    return str(row.answer)
