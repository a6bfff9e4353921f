"""One hash of the weights for any number of tasks and threads, arrays and DataFrames, before and after a shuffle."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from . import oracle, samebits


@pytest.mark.skipif(shutil.which("java") is None, reason="no Java found: `make test` brings one")
def test_tasks_threads_and_shuffles_change_no_bit(tmp_path, spark_processes):
    env = {**os.environ, "NUMBA_NUM_THREADS": "2"}
    command = [sys.executable, str(Path(samebits.__file__)), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    for net in samebits.NETS:
        expected = samebits.train(net, oracle.data(samebits.ROWS), threads=1)
        assert samebits.train(net, oracle.data(samebits.ROWS), threads=2) == expected
        assert {way: hash_ for way, hash_ in found.items() if way.startswith(net)} == {
            f"{net} {tasks} {threads} {shuffled}": expected for tasks, threads, shuffled in samebits.WAYS
        }
