"""Blocks of a run outlive a cached DataFrame that fills the executors' storage memory in the middle of it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from . import filled_storage


@pytest.mark.skipif(shutil.which("java") is None, reason="no Java found: `make test` brings one")
def test_training_goes_on_with_the_same_weights(tmp_path, spark_processes):
    done = subprocess.run(
        [sys.executable, str(Path(filled_storage.__file__)), str(tmp_path)], capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["left_out"] > 0, "the storage was not full"
    assert told["weights"] == filled_storage.train(filled_storage.oracle.data(800))
