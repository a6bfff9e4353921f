"""What is special about the door: who finds it, what it leaves behind, what it withstands."""

from __future__ import annotations

import os
import stat
import time

import numpy as np
import pytest
from members import as_tasks

from sparkdl.blockmanager.bridge import client, session
from sparkdl.blockmanager.store import Block
from sparkdl.errors import BlockError, ClusterError


def test_every_executor_has_a_door_of_its_own_and_its_tasks_find_it(cluster):
    doors = session.open_door(cluster)
    assert [door.executor for door in doors] == ["0", "1"]
    assert session.open_door(cluster) == doors

    def work(store):
        return client.address(), store.peers[store.rank].executor

    assert dict(as_tasks(cluster, work)) == {door.address: door.executor for door in doors}


def test_sockets_and_shared_files_are_their_owners_only(local):
    (door,) = session.open_door(local)
    assert stat.S_IMODE(os.stat(door.address).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(door.address)).st_mode) == 0o700
    assert len(door.address) < 100

    def work(store):
        store.share(1 << 16)
        store.put(Block("end", 1, store.rank), b"1")
        store.wait("end", 1, [0, 1], timeout=30)
        with open("/proc/self/maps") as maps:
            return [line.split(maxsplit=5)[5].strip() for line in maps if "sdl-" in line and "arena" in line]

    for mapped in as_tasks(local, work):
        assert mapped and all(path.endswith("(deleted)") for path in mapped)  # no name is left once all have it


def test_what_is_asked_all_the_time_goes_past_sql_in_a_session_of_this_process(local, monkeypatch):
    """Two questions a second, planned by Spark's SQL, slow training on the same machine by a tenth."""
    session.open_door(local)
    asked = []
    monkeypatch.setattr(session, "_ask", lambda spark, command: asked.append(command) or "9 9 true")
    assert session.count_slots(local) == session.Slots(2, 2, False)
    run = session.new_run()
    assert session.read_notes(local, run, 2) == [None, None] and session.kept_blocks(local, run) == []
    assert session.blocks_of(local, run) == [] and asked == []
    assert session.count_slots(object()).total == 9  # no JVM to talk to, as under Spark Connect


def test_a_run_that_fails_leaves_no_block(cluster):
    def work(store):
        store.put(Block("a", 1, store.rank), bytes(1000))
        store.wait("a", 1, [0, 1], timeout=30)
        if store.rank == 1:
            raise KeyError("on purpose")
        store.wait("b", 1, [1], timeout=300)

    run = session.new_run()
    with pytest.raises(Exception, match="on purpose|its task has ended"):  # whichever task's failure Spark hears first
        as_tasks(cluster, work, run=run)
    assert session.blocks_of(cluster, run) == []


def until_gone(spark, run):
    """The door notices by itself that a task's socket has closed."""
    for _ in range(50):
        if not session.blocks_of(spark, run):
            return
        time.sleep(0.2)
    raise AssertionError(session.blocks_of(spark, run))


def test_a_task_that_is_killed_leaves_no_block_even_if_nobody_drops_the_run(cluster, monkeypatch):
    def work(store):
        store.put(Block("a", 1, store.rank), bytes(1000))
        store.wait("a", 1, [0, 1], timeout=30)
        os.kill(os.getpid(), 9)

    run = session.new_run()
    with monkeypatch.context() as without:
        without.setattr(session, "drop_everywhere", lambda spark, run: None)
        without.setattr(session, "blocks_of", lambda spark, run: [])
        with pytest.raises(Exception, match="crashed|barrier"):
            as_tasks(cluster, work, run=run)
    until_gone(cluster, run)


def test_blocks_of_others_are_left_alone(cluster):
    frame = cluster.range(1000).persist()
    frame.count()
    before = {name for name in session.enumerate_blocks(cluster) if name.startswith("rdd_")}
    as_tasks(cluster, lambda store: store.put(Block("a", 1, store.rank), b"1"))
    assert before and before <= set(session.enumerate_blocks(cluster))
    frame.unpersist(blocking=True)


def test_under_memory_pressure_blocks_go_to_disk_and_pages_stay_alive(cluster):
    def work(store):
        mine = np.full(1 << 20, store.rank + 1, np.uint8)
        store.put(Block("a", 1, store.rank), mine)
        for step in range(1, 71):  # 560 MiB: more than the storage memory of an executor of 1 GiB
            store.put(Block("ballast", step, store.rank), np.zeros(8 << 20, np.uint8))
        store.put(Block("full", 1, store.rank), b"1")
        store.wait("full", 1, [0, 1], timeout=60)
        out = np.zeros(1 << 20, np.uint8)
        store.get(Block("a", 1, 1 - store.rank), out, timeout=60)
        held = store.stats().blocks_held
        store.put(Block("end", 1, store.rank), b"1")
        store.wait("end", 1, [0, 1], timeout=60)
        return held, bool((out == 2 - store.rank).all())

    assert as_tasks(cluster, work) == [(72, True), (72, True)]


def test_the_driver_reads_the_tasks_newest_notes_while_they_run(local):
    import threading

    def work(store):
        store.note("first")
        store.note(f"second of {store.rank}: \u00e4")
        time.sleep(4)
        return None

    run = session.new_run()
    session.open_door(local)
    stage = threading.Thread(target=as_tasks, args=(local, work), kwargs={"run": run})
    stage.start()
    seen = [None, None]
    for _ in range(100):
        seen = session.read_notes(local, run, 2)
        if seen == ["second of 0: \u00e4", "second of 1: \u00e4"]:
            break
        time.sleep(0.05)
    stage.join()
    assert seen == ["second of 0: \u00e4", "second of 1: \u00e4"]
    assert session.read_notes(local, run, 2) == [None, None]


def test_executors_do_not_log_a_line_per_block(cluster):
    def work(store):
        import glob

        for step in range(1, 51):
            store.put(Block("loud", step, store.rank), b"1")
        logs = glob.glob(os.path.join(os.getcwd(), "stderr"))
        return len(logs), sum(open(log).read().count("_loud_") for log in logs)

    for logs, lines in as_tasks(cluster, work):
        assert logs == 1
        assert lines == 0


def test_tasks_that_wait_in_vain_for_others_say_who_is_missing(local):
    run = session.new_run()
    (door,) = session.open_door(local)
    from sparkdl.blockmanager.spark import connect

    with pytest.raises(ClusterError, match=r"1 of 3 tasks met within 0 s; missing: 0, 2\. Are there 3 free slots"):
        connect(run, 1, 3, timeout=0.2, address=door.address)
    until_gone(local, run)


def test_joining_a_run_twice_is_refused(local):
    from sparkdl.blockmanager.spark import connect

    run = session.new_run()
    (door,) = session.open_door(local)
    with connect(run, 0, 1, address=door.address), pytest.raises(BlockError, match="every attempt is a run of its own"):
        connect(run, 0, 1, address=door.address)
    session.drop_everywhere(local, run)
    assert session.blocks_of(local, run) == []


def test_blocks_of_which_the_driver_was_not_told_are_listed_until_their_run_is_dropped(cluster, monkeypatch):
    def work(store):
        store.put(Block("a", 1, store.rank), b"1")
        store.wait("a", 1, [0, 1], timeout=30)

    run = session.new_run()
    with monkeypatch.context() as without:
        without.setattr(session, "drop_everywhere", lambda spark, run: None)
        without.setattr(session, "blocks_of", lambda spark, run: [])
        as_tasks(cluster, work, run=run)
    assert {f"broadcast_{run}_a_1_{rank}_all_0" for rank in (0, 1)} <= set(session.blocks_of(cluster, run))
    session.drop_everywhere(cluster, run)
    assert session.blocks_of(cluster, run) == []


def test_kinds_are_checked(local):
    from sparkdl.blockmanager.spark import connect

    run = session.new_run()
    (door,) = session.open_door(local)
    with connect(run, 0, 1, address=door.address) as store, pytest.raises(ValueError, match="1 to 8 letters"):
        store.put(Block("much too long", 1, 0), b"1")
    session.drop_everywhere(local, run)


def test_outside_a_task_there_is_no_door(monkeypatch, tmp_path):
    monkeypatch.delenv("SPARK_LOCAL_DIRS", raising=False)
    with pytest.raises(ClusterError, match="SPARK_LOCAL_DIRS is not set"):
        client.address()
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path))
    with pytest.raises(ClusterError, match=r"before a stage starts, by .*open_door\(spark\)"):
        client.address()


def test_a_door_whose_executor_has_ended_is_named(tmp_path):
    with pytest.raises(BlockError, match="its executor has ended"):
        client.Client(str(tmp_path / "door"))


def test_the_jar_is_compiled_anew_only_when_a_source_has_changed(tmp_path, monkeypatch):
    import shutil

    from sparkdl.blockmanager.bridge import build

    monkeypatch.setattr(build, "SOURCES", shutil.copytree(build.SOURCES, tmp_path / "java"))
    monkeypatch.setattr(build, "JAR", tmp_path / "door.jar")
    first = build.build(build.JAR).read_bytes()
    source = next(build.SOURCES.rglob("Counters.java"))
    os.utime(source)  # younger, and the same
    made = build.JAR.stat().st_mtime_ns
    assert build.jar().stat().st_mtime_ns == made
    source.write_text(source.read_text() + "// changed\n")
    assert build._is_current(build.JAR) is False
    assert build.build(tmp_path / "again.jar").read_bytes() != first


def test_without_a_compiler_the_remedy_is_named(monkeypatch, tmp_path):
    from sparkdl.blockmanager.bridge import build

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(build.BuildError, match="JDK, 17 or newer"):
        build.build(tmp_path / "x.jar")


