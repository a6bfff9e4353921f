"""The driver's side of the door. Works in classic and in Spark Connect sessions; sets no configuration."""

from __future__ import annotations

import base64
import secrets
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from sparkdl.blockmanager.bridge.background import Background
from sparkdl.blockmanager.bridge.build import BuildError, jar
from sparkdl.errors import ClusterError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FUNCTION = "sparkdl_door"
_CLASS = "org.sparkdl.bridge.Door"
UNKNOWN = "?"  # among names of blocks: not every executor has answered
TIMES = 6  # to ask, each for a few seconds, before that is an error
_FIRST_RUN = 1 << 61  # far above the numbers that Spark gives to broadcasts, whose names blocks of ours carry


class Door(NamedTuple):
    """One executor's door."""

    executor: str
    host: str
    port: int
    address: str


class Slots(NamedTuple):
    """Tasks that the executors that are there now can run at once, and how many more they could take at this moment.

    ``dynamic``: whether dynamic allocation is on, so that executors come and go and barrier stages are refused.
    """

    total: int
    free: int
    dynamic: bool


def open_door(
    spark: SparkSession, timeout: float = 60.0, everyone: bool = True, pause: float = 0.0, tasks: int = 8
) -> list[Door]:
    """Loads the door into the session and starts it in every executor that is there now; again costs little.

    An executor that does not answer within ``timeout`` seconds is a ClusterError; unless ``everyone`` is False: then it
    is left out. (The tasks that were sent to it stay there, so its slots do not count as free any more.) Each of
    ``tasks`` (more, if they miss an executor) pauses for ``pause`` seconds: dynamic allocation starts executors for
    tasks that wait.
    """
    _register(spark)
    deadline = time.monotonic() + timeout
    doors: dict[str, Door] = {}
    while True:
        wanted = set(_look(spark, "executors").split("\n"))
        wanted = wanted - {"driver"} or wanted  # in local mode the driver is the executor
        if wanted and wanted <= doors.keys():
            return [doors[name] for name in sorted(wanted, key=lambda name: (len(name), name))]
        if time.monotonic() > deadline:
            if not everyone:
                return list(doors.values())
            late = wanted - doors.keys() - {"driver"}
            who = f"executors {', '.join(sorted(late))} did not open their door" if late else "no executor has come"
            raise ClusterError(
                f"{who} within {timeout:.0f} s. Does another job hold all slots, or has the cluster none to give? (See "
                "Spark's page.) Executors' logs (stderr) say whether the class could not be loaded."
            )
        job = knock(spark, tasks, pause)
        if not job.done.wait(max(deadline - time.monotonic(), 0.1)):
            job.cancel(5.0)
            continue
        for row in job.result():
            name, host, port, address = row.door.split("\t")
            doors[name] = Door(name, host, int(port), address)
        tasks = min(4 * tasks, 2048)


def knock(spark: SparkSession, tasks: int, pause: float) -> Background:
    """A job of so many tasks, each of which opens its executor's door and pauses; those that find no slot wait."""
    words = f"concat('open ', id, ' {int(pause * 1000)}')"
    return Background(spark, spark.range(0, tasks, 1, tasks).selectExpr(f"{FUNCTION}({words}) as door").collect)


def at_the_door(frame: Any) -> Any:
    """The same rows; whichever executor they come to has an open door then, also one that has just been started.

    (The partition's number keeps Spark from evaluating the function once, in the driver.)
    """
    from pyspark.sql import functions as F

    return frame.where(F.expr(f"{FUNCTION}(concat('here ', spark_partition_id())) is not null"))


def driver_door(spark: SparkSession) -> str:
    """The socket of a door in the driver's own JVM (of this machine, so in classic sessions only)."""
    _register(spark)
    return _ask(spark, "open driver").split("\t")[-1]


def hadoop_settings(spark: SparkSession) -> str:
    """What the driver's Hadoop configuration has more than the executors', as the door's verb for files takes it."""
    _register(spark)
    return _ask(spark, "hadoop")


def count_slots(spark: SparkSession) -> Slots:
    """The slots of the executors that are there (the total is what Spark checks a barrier stage against)."""
    total, free, dynamic = _look(spark, "slots").split()
    return Slots(int(total), int(free), dynamic == "true")


def is_stopped(spark: SparkSession) -> bool:
    """Whether the session has been stopped: its executors have gone then, and nobody is there to ask."""
    if not hasattr(spark, "_jsparkSession"):
        return bool(getattr(spark, "is_stopped", False))  # Spark Connect
    context = spark.sparkContext._jsc
    return context is None or bool(context.sc().isStopped())


def new_run() -> int:
    """A number for a run; every attempt is a run of its own."""
    return _FIRST_RUN + secrets.randbits(60)


def drop_everywhere(spark: SparkSession, *runs: int, wait: bool = True) -> None:
    """Removes every block of the runs from every block manager. Call it when their tasks have ended, however they did.

    Unless ``wait`` is False it returns when they are gone, or after some seconds if an executor does not answer.
    """
    _look(spark, f"{'drop' if wait else 'leave'} {' '.join(map(str, runs))}")


def enumerate_blocks(spark: SparkSession, partial: bool = False) -> list[str]:
    """The name of every block that any block manager holds, whoever put it.

    An executor that does not answer is an error, unless ``partial``: then the names are those that the driver was told.
    """
    for _ in range(1 if partial else TIMES):
        names = _look(spark, "blocks").split()
        if partial or UNKNOWN not in names:
            return [name for name in names if name != UNKNOWN]
    raise ClusterError(
        "not every executor says which blocks it holds: one is stopped or overloaded. Ask again, or look at its log."
    )


def blocks_of(spark: SparkSession, run: int, partial: bool = False) -> list[str]:
    """The names of the blocks of one run, wherever they are; ``partial`` as above."""
    return [name for name in enumerate_blocks(spark, partial) if name.startswith(f"broadcast_{run}_")]


def kept_blocks(spark: SparkSession, run: int) -> list[str]:
    """The names of a run's kept blocks (see `KeptBlocks`), one per copy; asks no executor."""
    return _look(spark, f"kept {run}").split()


def prune_kept(spark: SparkSession, run: int, start: str) -> None:
    """Removes, everywhere, a run's kept blocks whose names do not begin so."""
    _ask(spark, f"prune {run} {start}")


def copy_kept(spark: SparkSession, run: int, start: str) -> None:
    """Has the driver's block manager take copies of the kept blocks whose names begin so, and forget its others."""
    _ask(spark, f"copy {run} {start}")


def read_notes(spark: SparkSession, run: int, size: int) -> list[str | None]:
    """The newest note of each task of a run that is going on; None where there is none (yet).

    Costs no task: it is evaluated in the driver, which asks the executors' block managers.
    """
    lines = _look(spark, f"notes {run} {size}").split("\n")
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


def _look(spark: SparkSession, command: str) -> str:
    """`_ask`, in classic sessions without SQL: a query costs a tenth of a second, the first half a one."""
    door = _driver_object(spark)
    return _ask(spark, command) if door is None else str(door.call(command))


def _driver_object(spark: Any) -> Any:
    """A Door in the JVM that this process talks to; None where there is none (Spark Connect) or it is not found."""
    if not hasattr(spark, "_jsparkSession"):
        return None
    if "_sparkdl_door" not in spark.__dict__:
        from py4j.protocol import Py4JError

        new_array, lang = spark.sparkContext._gateway.new_array, spark._jvm.java.lang
        try:
            loader = spark._jsparkSession.sharedState().jarClassLoader()
            constructor = lang.Class.forName(_CLASS, True, loader).getDeclaredConstructor(new_array(lang.Class, 0))
            spark.__dict__["_sparkdl_door"] = constructor.newInstance(new_array(lang.Object, 0))
        except Py4JError:  # the jar is not loaded yet, or another Spark keeps it elsewhere: SQL knows the way
            return None
    return spark.__dict__["_sparkdl_door"]
