"""What the driver decides after a fault, without Spark: where to go on, when to grow, when to copy, when to give up."""

from __future__ import annotations

import pytest

from sparkdl.blockmanager.bridge.session import Slots
from sparkdl.errors import BlockError
from sparkdl.optim.cluster import recovery as module
from sparkdl.optim.cluster import stage
from sparkdl.optim.cluster.failure import Lost, as_elsewhere, is_fault
from sparkdl.optim.cluster.recovery import SETTLED, Recovery
from sparkdl.optim.cluster.start import Start


class Cluster:
    """What the session's functions would say; notes what they were asked to do."""

    def __init__(self):
        self.names, self.free, self.now, self.done = [], 0, 0.0, []
        self.total, self.dynamic = 3, False

    def keep(self, step, copies=2, attempt=7):
        self.names = [f"kept_{step}_{attempt}_0_1"] * copies


@pytest.fixture
def cluster(monkeypatch):
    it = Cluster()
    monkeypatch.setattr(module, "kept_blocks", lambda spark, run: it.names)
    monkeypatch.setattr(module, "count_slots", lambda spark: Slots(it.total, it.free, it.dynamic))
    monkeypatch.setattr(module, "new_run", lambda: 1)
    for name in ("copy_kept", "prune_kept", "drop_everywhere"):
        monkeypatch.setattr(module, name, lambda *a, name=name, **k: it.done.append((name, *a[1:])))
    monkeypatch.setattr(module.time, "monotonic", lambda: it.now)
    return it


class Job:
    """Tasks that wait for an executor."""

    cancelled = False

    def cancel(self, wait):
        self.cancelled = True


def test_where_nothing_is_restarted_the_loss_is_raised_as_it_is(monkeypatch):
    def lose(*args, **options):
        raise Lost(BlockError("its executor has gone"))

    monkeypatch.setattr(stage, "run_stage", lose)
    with pytest.raises(BlockError, match="its executor has gone"):
        stage.run_plain_stage(None, None, None)


def begun(limit=2):
    one = Recovery(None, Start(99), limit, None)
    one.new_run()
    return one


def fault():
    return Lost(BlockError("block g_3 cannot be had"))


BARRIER = (
    "An error occurred while calling o69.collectToPython.\n: org.apache.spark.SparkException: Job aborted due to stage "
    "failure: Could not recover from a failed barrier ResultStage. Most recent failure reason: Stage failed because "
    "barrier task ResultTask(6, 1) finished unsuccessfully.\n"
)
PLAIN = "Job aborted due to stage failure: Task 1 in stage 7.0 failed 4 times, most recent failure: Lost task 1.3: "
PYTHON = "org.apache.spark.api.python.PythonException: "
EOF = "org.apache.spark.SparkException: [FAILED_READ_FILE] SQLSTATE: KD001\n\tat org\nCaused by: java.io.EOFException"
TRACEBACK = 'Traceback (most recent call last):\n  File "own.py", line 1, in f\n'


@pytest.mark.parametrize("preface", [BARRIER, PLAIN])
@pytest.mark.parametrize(
    "text, fault",
    [
        ("ExecutorLostFailure (executor 0 exited caused by one of the running tasks) Reason: code 137", True),
        ("org.apache.spark.SparkException: Python worker exited unexpectedly (crashed).\n\tat ...", True),
        ("java.lang.IllegalStateException: a task of this stage ended by FetchFailed, with an executor", True),
        ("org.apache.spark.shuffle.FetchFailedException: Connection reset by peer", True),
        ("TaskResultLost (result lost from block manager)", True),
        (f"{PYTHON}{TRACEBACK}TaskFailure: BlockError: block g_3\nsparkdl-failure:cut off", True),
        (f"{PYTHON}{TRACEBACK}TaskFailure: KeyError: Connection reset\nsparkdl-failure:cut off", False),
        (f"{PYTHON}{TRACEBACK}ConnectionResetError: Connection reset by peer", False),
        ("org.apache.spark.SparkNumberFormatException: 'Connection reset' is malformed. SQLSTATE: 22018", False),
        ("java.io.FileNotFoundException: File file:/rows/part-0 does not exist", False),
        (f"{EOF}\n\tat java.base/java.io.DataInputStream.readInt(D.java:1)\n\tat org.apache.spark.api.python.X", True),
        (f"{EOF}\n\tat org.apache.hadoop.hdfs.protocolPB.PBHelperClient.vintPrefixed(P.java:5)", True),
        (f"{EOF}: Unexpected end of input stream\n\tat org.apache.hadoop.io.compress.DecompressorStream.read()", False),
        (f"{EOF}\n\tat java.base/java.util.zip.GZIPInputStream.readUByte(G.java:2)", False),
        (f"{EOF}\n\tat java.io.DataInputStream.readFully()\n\tat org.apache.hadoop.io.SequenceFile$Reader.x()", False),
    ],
)
def test_what_spark_says_is_a_fault_or_the_users(preface, text, fault):
    assert is_fault(RuntimeError(preface + text), None) == fault


def test_a_users_error_in_a_barrier_stage_is_spark_s_own_class():
    from pyspark.errors import ArithmeticException

    text = "org.apache.spark.SparkArithmeticException: [DIVIDE_BY_ZERO] Division: by zero.\n\tat org.apache"
    error = as_elsewhere(RuntimeError(BARRIER + text))
    assert type(error) is ArithmeticException and str(error) == "[DIVIDE_BY_ZERO] Division: by zero."
    for other in (PLAIN + text, BARRIER + "java.lang.Odd: thing", BARRIER + "TaskKilled (stage)", BARRIER):
        assert as_elsewhere(given := RuntimeError(other)) is given


def test_the_newest_whole_snapshot_is_gone_on_from(cluster):
    one = begun()
    cluster.names = ["kept_20_7_0_2", "kept_10_7_0_1"]  # of step 20 one of two parts
    one.after(fault(), 3)
    assert one.start.again and [kept.step for kept in one.start.kept] == [10]
    assert ("prune_kept", 99, "kept_10_7_") in cluster.done
    one.stepped(10, 2)
    assert (one.restarts[0]["step"], one.restarts[0]["tasks"]) == (10, 2)
    assert one.restarts[0]["error"] == "block g_3 cannot be had"


def test_restarts_without_a_newer_snapshot_are_limited_and_the_cause_is_raised(cluster):
    one = begun(limit=2)
    for step in (10, 20, 20):
        cluster.keep(step)
        one.after(fault(), 3)
    with pytest.raises(BlockError, match="g_3") as error:
        one.after(fault(), 3)
    assert "did not get to a snapshot after step 20 (restarts=2)" in error.value.__notes__[0]


def test_checkpoints_that_attempts_begin_with_are_progress_too(cluster):
    one = begun(limit=2)
    for step in (0, 10, 20, 30, 40, 40):  # no executor keeps a snapshot
        one.stepped(step, 3)
        one.after(fault(), 3)
    with pytest.raises(BlockError, match="g_3") as error:
        one.after(fault(), 3)  # before its first step
    assert "the last 2 restarts did not get to a snapshot after step 40" in error.value.__notes__[0]


def test_it_grows_right_after_a_snapshot_and_not_at_once(cluster):
    one, never = begun(), lambda: False
    one.stepped(0, 2)
    cluster.free = 1

    def look(step):
        cluster.now += 5.0
        cluster.keep(step)
        one.spread()

    look(10)
    one.grow(2, 3, 10, never)  # too early
    cluster.now = SETTLED
    look(20)
    one.grow(3, 3, 20, never)  # it has what it wanted
    one.grow(2, 3, 19, never)  # a snapshot that training has not told of yet may be its last
    one.grow(2, 3, 20, lambda: True)  # it has ended
    one.grow(2, 3, 20, never)  # nothing new since
    look(30)
    with pytest.raises(Lost, match="slots are free again"):
        one.grow(2, 3, 30, never)
    cluster.free = 0
    look(40)
    one.grow(2, 3, 40, never)
    cluster.free = 1
    one.after(fault(), 2)
    cluster.now += 2 * SETTLED
    look(50)
    one.grow(2, 3, 50, never)  # no step of the new attempt was seen


def test_the_driver_copies_a_snapshot_that_is_still_alone_at_the_second_look(cluster):
    one = begun()
    cluster.now = 10.0
    cluster.keep(10, copies=1)
    one.spread()
    one.spread()  # too soon to look again
    assert cluster.done == []
    cluster.now += 3
    one.spread()
    assert cluster.done == [("copy_kept", 99, "kept_10_7_")]
    cluster.now += 3
    cluster.keep(20, copies=2)
    one.spread()
    cluster.now += 3
    one.spread()
    assert len(cluster.done) == 1


def test_a_copy_that_cannot_be_had_ends_nothing(cluster, monkeypatch):
    def gone(*given):
        cluster.done.append(given)
        raise RuntimeError("no executor has block kept_10_7_0_1")

    monkeypatch.setattr(module, "copy_kept", gone)
    one = begun()
    cluster.keep(10, copies=1)
    for cluster.now in (10.0, 20.0, 30.0):
        one.spread()
    assert len(cluster.done) == 2


def test_dynamic_allocation_is_asked_once_for_what_is_missing_and_nothing_waits_afterwards(cluster, monkeypatch):
    jobs = []

    def knock(spark, tasks, pause):
        jobs.append(Job())
        cluster.done.append(("knock", tasks))
        return jobs[-1]

    monkeypatch.setattr(module, "knock", knock)
    one, never = begun(), lambda: False
    cluster.total = 1
    one.stepped(0, 1)
    cluster.now = SETTLED
    one.grow(1, 3, 0, never)  # executors do not come and go here
    assert cluster.done == []
    cluster.dynamic = True
    one.after(fault(), 1)
    one.stepped(0, 1)
    one.grow(1, 3, 0, never)  # too early
    cluster.now += SETTLED
    cluster.done.clear()
    one.grow(1, 3, 0, never)
    one.grow(1, 3, 0, never)
    assert cluster.done == [("knock", 2)] and not jobs[0].cancelled
    one.drop()
    assert jobs[0].cancelled
