"""One fault after another on ``local-cluster[3,1,1024]``: training goes on, to the weights of an undisturbed run.

Where a fault ends training, as a mistake of the user does, these are the weights of a second fit from its checkpoint.
With ``-s`` a line per fault tells what became of it, the seconds lost (see faults.py), and whether weights are equal.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from . import faults

pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="no Java found: `make test` brings one")


@pytest.fixture(scope="module")
def told(tmp_path_factory, spark_processes, undisturbed):
    """What became of each run, by fault; see faults.py."""
    return strike(tmp_path_factory, undisturbed, "barrier")


def strike(tmp_path_factory, undisturbed, *arguments):
    command = [sys.executable, str(Path(faults.__file__)), str(tmp_path_factory.mktemp("faults")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for line in lines:
        same = "weights equal" if line.get("weights") == undisturbed else "no equal weights"
        print(f"{line['fault']}: {outcome(line)}; {line['lost']:.1f} seconds lost; {same}")
    return {line["fault"]: line for line in lines}


def outcome(run) -> str:
    if "error" in run:
        ended = f"ends with {run['error'].rstrip(': ')}"
        return f"{ended}, goes on from its checkpoint" if "weights" in run else ended
    went = [f"goes on from step {r['step']} on {r['tasks']} tasks" for r in run["restarts"]]
    return ", then ".join(went) or "goes on without a restart"


@pytest.fixture(scope="module")
def undisturbed():
    return faults.train(faults.oracle.data(faults.ROWS))[0]


ENDS = "raise in user code", faults.INTERRUPT


@pytest.mark.parametrize("fault", [fault for fault in faults.FAULTS if fault not in (*ENDS, faults.FILLING)])
def test_training_goes_on_to_the_same_weights(told, undisturbed, fault):
    run = told[fault]
    assert run.get("weights") == undisturbed, run
    restart = run["restarts"][0]
    newest = faults.STEP // faults.EVERY * faults.EVERY
    later = {"corrupt the newest checkpoint": -faults.EVERY, faults.WRITING: faults.EVERY}  # kept by others
    assert restart["step"] == newest + later.get(fault, 0)
    assert run["visits"]["more"] == 0
    assert run["left"] == []


def test_executors_that_come_later_take_part(told):
    """In place of two that were killed at once."""
    check_grown(told["kill two executors, then slow"]["restarts"])


def check_grown(restarts):
    first, *later = restarts
    assert first["tasks"] < 3 and later and later[-1]["tasks"] > first["tasks"]
    for before, after in itertools.pairwise([first, *later]):
        assert "slots are free again" in after["error"]
        assert before["step"] < after["step"] < faults.STEPS


@pytest.mark.parametrize("fault", ["stop a worker", "stop an executor"])
def test_a_peer_that_does_not_answer_is_named(told, fault):
    restart = told[fault]["restarts"][0]
    assert "did not come from task 2 (executor" in restart["error"] and f"within {faults.TIMEOUT} s" in restart["error"]
    if fault == "stop an executor":
        assert restart["tasks"] == 2  # the slots that are left


def test_a_checkpoint_that_was_half_written_is_gone(told):
    found = told[faults.WRITING]["files"]
    assert found == [f"step-{step:010d}.ckpt" for step in (40, 50, 60)]


def test_the_page_of_a_run_that_was_restarted_is_whole(told):
    """It shows the steps that were made a second time once more, and the end."""
    text = told[faults.WRITING]["page"]
    record = json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.S)[1])
    events = record["events"]
    steps = [event["step"] for event in events if event["kind"] == "look"]
    assert all(step <= faults.STEPS for step in steps)  # how many are seen depends on how long they take
    ends = [event["line"]["iteration"] for event in events if event["kind"] == "epoch"]
    assert ends == [13, 26, 39, 52, 60]  # each epoch once, and what there was of the last
    assert events[-1]["kind"] == "end" and events[-1]["state"] == "finished"


def test_storage_that_is_full_costs_no_restart(told, undisturbed):
    """Both tasks trained while their executors' memory was filled."""
    run = told[faults.FILLING]
    assert len(run["free"]) == 3 and max(run["free"]) < 0.1, run["free"]
    assert run["weights"] == undisturbed and run["restarts"] == [] and run["left"] == []


def test_a_fault_of_the_user_is_not_retried(told, undisturbed):
    run = told["raise in user code"]
    assert run["error"] == "ClusterError: Mine: the user's own fault"
    assert "in __call__" in "\n".join(run["notes"]) and run["left"] == []
    assert run["weights"] == undisturbed  # of the fit that goes on from the checkpoint


def test_an_interrupt_of_the_driver_leaves_nothing_behind(told, undisturbed):
    run = told[faults.INTERRUPT]
    assert run["error"].startswith("KeyboardInterrupt")
    assert run["left"] == run["running"] == run["stepping"] == []
    assert run["weights"] == undisturbed


def test_dynamic_allocation_and_speculation(tmp_path_factory, spark_processes, undisturbed):
    """From no executor at all; Spark refuses barrier stages there, and starts copies of tasks that are slow. What was
    lost it replaces only for tasks that wait.
    """
    faults = "kill two executors, then slow", "raise in user code", "end the session"
    told = strike(tmp_path_factory, undisturbed, "dynamic", *faults)
    run = told["kill two executors, then slow"]
    assert run.get("weights") == undisturbed, run
    check_grown(run["restarts"])
    assert run["left"] == []
    assert told["raise in user code"]["error"] == "ClusterError: Mine: the user's own fault"
    assert told["end the session"]["error"].startswith("ClusterError: the Spark session was stopped while training")
