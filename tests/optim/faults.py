"""Run by test_faults.py: one fault after another on three executors, and what became of each training run.

The executors have neither this package nor others that tasks can do without. Prints a line of JSON per fault: the hash
of the weights, restarts, and the seconds lost: from the fault to the next step or, where the fault ends training, until
`fit` has ended. Training goes on from its checkpoint then, and the weights are those of the second fit.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent))

import oracle
import pandas as pd

from sparkdl import nn, optim
from sparkdl.data import Column

STEPS, STEP, EVERY, ROWS = 60, 27, 10, 400
LOOK = 0.5  # seconds between the driver's looks at snapshots, here
TIMEOUT = 5.0


def jvm() -> int:
    """The executor's process: the parent of the daemon that this worker was forked from."""
    pid = os.getpid()
    while b"java" not in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid


def held(folder: str) -> Path:
    """While this file is there no executor starts, however fast Spark is in replacing those that were lost."""
    return Path(folder) / "no executor starts"


def java_that_waits(folder: str) -> str:
    """A home of Java whose virtual machine starts once ``held`` is not there."""
    found = os.path.join(os.environ["JAVA_HOME"], "bin", "java") if "JAVA_HOME" in os.environ else shutil.which("java")
    java = Path(folder) / "java" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\nwhile [ -e '{held(folder)}' ]; do sleep 0.1; done\nexec '{found}' \"$@\"\n")
    java.chmod(0o755)
    return str(java.parents[1])


def tasks() -> int:
    """How many there are in this attempt."""
    from sparkdl.blockmanager.spark import SparkStore

    return next(sum(map(len, o.teams)) for o in gc.get_objects() if isinstance(o, SparkStore))


PARTS, PART = 32, 6 << 20  # of data for which no executor has the room (its storage takes 23 of them); bytes of each


def noise(i: int) -> bytes:
    return random.Random(i).randbytes(PART)


class Driver(threading.Thread):
    """Does at the driver what is to be done there, once the step has come at which tasks go on slowly."""

    def __init__(self, spark, folder: str, what: str) -> None:
        super().__init__(daemon=True)
        self.spark, self.folder, self.what = spark, Path(folder), what
        self.told: dict = {}
        self.start()

    def run(self) -> None:
        while not list(self.folder.glob(f"{self.what} ?")):
            time.sleep(0.05)
        if self.what == FILLING:
            self.fill()
        (self.folder / f"{self.what}, done").write_text(str(time.time()))
        if self.what == INTERRUPT:
            os.kill(os.getpid(), signal.SIGINT)

    def fill(self) -> None:
        """The slot that is free makes parts that every executor is to hold in memory, until they do not fit."""
        from pyspark import StorageLevel

        everywhere = StorageLevel(False, True, False, False, replication=3)
        filler = self.spark.sparkContext.parallelize(range(PARTS), PARTS).map(noise).persist(everywhere)
        filler.count()
        status = self.spark.sparkContext._jsc.sc().getExecutorMemoryStatus().values().iterator()
        free = []
        while status.hasNext():
            most, remaining = (each := status.next())._1(), each._2()
            free.append(remaining / most)
        self.told["free"] = sorted(free)[:-1]  # but for the driver's
        self.filler = filler

    def settled(self) -> dict:
        """What is left of a run that was interrupted, once Spark has had the time to end its tasks."""
        tracker, deadline = self.spark.sparkContext.statusTracker(), time.monotonic() + 20
        while tracker.getActiveJobsIds() + tracker.getActiveStageIds() and time.monotonic() < deadline:
            time.sleep(0.1)
        running = tracker.getActiveJobsIds() + tracker.getActiveStageIds()
        before = time.time()
        time.sleep(1.5)
        steps = self.folder.glob(f"{self.what}, step of *")
        return {"running": running, "stepping": [step.name for step in steps if step.stat().st_mtime > before]}


class Mine(Exception):
    """A class that the driver does not know."""


class Strike:
    """A trigger that never fires; once, at one step, it does something to the last task, or to the last two.

    Or, as the fault says: it has the first task die when it writes a checkpoint next; it fires, and has the last one
    die in the middle of validating.
    """

    def __init__(self, folder: str, what: str, tasks: int = 3, step: int = STEP) -> None:
        self.folder, self.what, self.step = folder, what, step
        first, stop = (0, 1) if "writing" in what else (tasks - 1 - ("two" in what), tasks)
        self.struck = range(first, stop) if "session" not in what else range(0)
        self.armed = False

    def __call__(self, progress) -> bool:
        from pyspark import TaskContext

        rank = TaskContext.get().partitionId()
        mark = Path(self.folder) / f"{self.what} {rank}"
        if self.what in SLOWLY:
            return self.go_on(progress.iteration, rank, mark)
        validate = "validating" in self.what and progress.iteration == self.step
        if progress.iteration != self.step or rank not in self.struck or mark.exists():
            if progress.iteration > self.step and "slow" in self.what and tasks() < 3:
                held(self.folder).unlink(missing_ok=True)
                time.sleep(1.0)  # so that those that come in place of the lost ones find training going on
            return validate
        if "two" in self.what or "stop" in self.what:
            time.sleep(0.5)  # until the others have what they need of these to get here too
        if "only" in self.what:
            time.sleep(6 * LOOK)  # meanwhile the driver takes a copy of the snapshot that only this executor has
        if "slow" in self.what:
            held(self.folder).touch()
        mark.write_text(str(time.time()))
        if self.what == "corrupt the newest checkpoint":
            newest = max(Path(self.folder, f"checkpoints of {self.what}").glob("step-*"))
            newest.write_bytes(newest.read_bytes()[:-100])
        if self.what == "raise in user code":
            raise Mine("the user's own fault")
        if "validating" in self.what:
            self.armed = True
        elif "writing" in self.what:
            os.replace = self.kill  # what makes a written file the checkpoint
        else:
            self.kill()
        return validate

    def go_on(self, step: int, rank: int, mark: Path) -> bool:
        """Steps follow each other slowly until the driver has done what it does meanwhile."""
        done = Path(self.folder) / f"{self.what}, done"
        if step == self.step and rank in self.struck:
            mark.write_text(str(time.time()))
        if done.exists() and self.what == FILLING:
            with contextlib.suppress(FileExistsError), open(f"{self.folder}/{self.what}, next step", "x") as file:
                file.write(str(time.time()))
        deadline = time.monotonic() + (60 if step == LATEST else 0.2)
        while step >= self.step and time.monotonic() < deadline and not (done.exists() and self.what == FILLING):
            time.sleep(0.02)
        (Path(self.folder) / f"{self.what}, step of {rank}").touch()
        return False

    def kill(self, *_) -> None:
        number = signal.SIGSTOP if "stop" in self.what else signal.SIGKILL
        os.kill(jvm() if "executor" in self.what else os.getpid(), number)
        time.sleep(600)


class Stop(optim.Callback):
    """Stops the session when it hears of a step."""

    def __init__(self, spark) -> None:
        self.spark = spark

    def on_step(self, progress, figures) -> None:
        self.spark.stop()


class Fatal(optim.Top1Accuracy):
    """Strikes in the middle of validating."""

    def __init__(self, strike: Strike | None) -> None:
        super().__init__()
        self.strike = strike

    def update(self, state, output, target, weight):
        if self.strike is not None and self.strike.armed:
            self.strike.kill()
        return super().update(state, output, target, weight)


def digest(model) -> str:
    return hashlib.sha256(b"".join(a.tobytes() for a in model.state_dict().values())).hexdigest()


def train(data, strike=None, columns=None, resume=None, **options):
    options = {"snapshot_every": optim.several_iteration(EVERY), **options}
    model = oracle.model()
    trainer = optim.Trainer(
        model, nn.NLLLoss(), optim.Adam(lr=0.01), batch_size=32, seed=5, progress=False, validate=strike,
        **{"end": optim.max_iteration(STEPS), **options},
    )  # fmt: skip
    history = trainer.fit(data, validation=data, metrics=[Fatal(strike)], resume=resume, **(columns or {}))
    return digest(model), history


WRITING = "kill a worker that is writing a checkpoint"
FILLING, INTERRUPT = SLOWLY = "fill the block store", "interrupt the driver"
LATEST = 45  # the step that waits for the driver if it takes long
FILES = {"checkpoint_every": optim.several_iteration(EVERY)}
FAULTS = {
    FILLING: {"tasks": 2},
    "kill a worker": {},
    "kill an executor that is validating": {},
    "kill two executors, then slow": {},
    "kill the only executor of a task": {"tasks": 1},
    WRITING: {**FILES, "watch": True},
    "corrupt the newest checkpoint": {**FILES, "snapshot_every": None},
    "raise in user code": FILES,
    INTERRUPT: FILES,
    "stop a worker": {"timeout": TIMEOUT},
    "stop an executor": {"timeout": TIMEOUT},
}


def session(folder: str, master: str = "local-cluster[3,1,1024]", **more: str):
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(master)
    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": folder,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "4",
        "spark.scheduler.minRegisteredResourcesRatio": "1.0",
        **more,
    }
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    return spark


def bare(folder: str) -> dict[str, str]:
    """Has executors find no pandas, no SciPy, and another package of this one's name: they need none of them."""
    for name in ("pandas", "scipy", "sparkdl"):
        package = Path(folder) / "bare" / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"raise ImportError('{name} is not needed here')\n")
    return {"spark.executorEnv.PYTHONPATH": str(Path(folder) / "bare")}


def rows(spark, x, y):
    return spark.createDataFrame(pd.DataFrame({"x": [row.ravel().tolist() for row in x], "label": y}))


COLUMNS = {"features": Column("x", shape=(1, 8, 8)), "label": "label"}


DYNAMIC = {
    "spark.dynamicAllocation.enabled": "true",
    "spark.dynamicAllocation.shuffleTracking.enabled": "true",
    "spark.dynamicAllocation.minExecutors": "0",
    "spark.dynamicAllocation.maxExecutors": "3",
    "spark.scheduler.minRegisteredResourcesRatio": "0.0",
    "spark.speculation": "true",
    "spark.speculation.interval": "100ms",
    "spark.speculation.quantile": "0.1",
    "spark.speculation.multiplier": "1.0",
    "spark.speculation.minTaskRuntime": "0ms",
}
"""Executors come and go, and Spark starts copies of tasks as eagerly as it can be told to."""


def lost(folder: Path, what: str, restarts, ended: float) -> float:
    """Seconds; see the top."""
    marks = [f"{what}, done"] if what in SLOWLY else [mark.name for mark in folder.glob(f"{what} ?")]
    struck = min((float((folder / mark).read_text()) for mark in marks), default=ended)
    stepped = [restart["at"] for restart in restarts if restart["at"]]
    if what == FILLING:
        stepped.append(float((folder / f"{what}, next step").read_text()))
    return next(iter(stepped), ended) - struck


def main(folder: str, how: str, *chosen: str) -> None:
    from pyspark import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with mock.patch.dict(os.environ, JAVA_HOME=java_that_waits(folder)):
        more = DYNAMIC if how == "dynamic" else {"spark.memory.fraction": "0.2"}  # so that there is less to fill
        spark = session(folder, **bare(folder), **more)
    frame = rows(spark, *oracle.data(ROWS))
    from sparkdl.blockmanager.bridge.session import count_slots, enumerate_blocks, open_door
    from sparkdl.optim.cluster import recovery

    open_door(spark)

    recovery.SETTLED, recovery.LOOK = 1.0, LOOK
    for what in chosen or FAULTS:
        options = {"tasks": 3, **FAULTS.get(what, {})}
        while how != "dynamic" and count_slots(spark).total < options["tasks"]:  # whoever was lost before is replaced
            time.sleep(0.2)
        if "checkpoint_every" in options:
            options["checkpoint"] = str(Path(folder) / f"checkpoints of {what}")
        if "watch" in options:
            options["watch"] = page = Path(folder) / "page.html"
        if what == "end the session":
            options |= {"callbacks": Stop(spark), "end": optim.max_iteration(10**6)}
        driver = Driver(spark, folder, what) if what in SLOWLY else None
        told = {"fault": what}
        try:
            told["weights"], history = train(frame, Strike(folder, what, options["tasks"]), COLUMNS, **options)
            told["restarts"], told["visits"] = history.restarts, history.visits
        except (Exception, KeyboardInterrupt) as error:
            told["error"] = f"{type(error).__name__}: {error}"
            told["notes"] = getattr(error, "__notes__", [])
        ended = time.time()
        if driver is not None:
            driver.join(60)
            told |= driver.told
        if "checkpoint" in options and Path(options["checkpoint"]).exists():
            told["files"] = sorted(os.listdir(options["checkpoint"]))
        if "watch" in options:
            told["page"] = page.read_text()
        told["lost"] = lost(Path(folder), what, told.get("restarts", ()), ended)
        left = [] if what in ("stop an executor", "end the session") else enumerate_blocks(spark)
        told["left"] = [n for n in left if n.startswith("broadcast_") and len(n.split("_")[1]) > 15]
        if what == FILLING:
            driver.filler.unpersist(blocking=True)
        if what == INTERRUPT:
            told |= driver.settled()
        if "error" in told and "checkpoint" in options:
            told["weights"] = train(frame, None, COLUMNS, **options, resume=options["checkpoint"])[0]
        print(json.dumps(told), flush=True)
    os._exit(0)  # an executor that is stopped cannot be asked to end


if __name__ == "__main__":
    main(*sys.argv[1:])
