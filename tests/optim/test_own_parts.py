"""Layers, losses, rules, schedules and metrics that a script defines train on executors that do not have the script."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not (os.environ.get("JAVA_HOME") or shutil.which("java")), reason="no Java found")
def test_what_a_script_defines_trains_on_a_cluster_with_the_same_bits(tmp_path):
    script = tmp_path / "own_parts.py"  # a folder that is on nobody's path but the script's own process
    shutil.copy(ROOT / "examples" / "own_parts.py", script)
    done = subprocess.run(
        [sys.executable, script, "--master", "local-cluster[2,1,1024]"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "SPARK_LOCAL_IP": "127.0.0.1"},
        cwd=tmp_path, capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stdout.splitlines()
    assert lines[-1] == "the same weights"
    assert lines[0].partition("[")[2].startswith(lines[1].partition("[")[2])  # the same figures on Spark as here
