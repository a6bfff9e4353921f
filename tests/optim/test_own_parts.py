"""Layers, losses, rules, schedules and metrics that a script defines train on executors that do not have the script."""

import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sparkdl import nn, optim

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


def test_the_guides_parts_work_together():
    text = (ROOT / "docs" / "extending.md").read_text()
    parts = {"nn": nn, "optim": optim, "np": np, "math": math}
    for code in re.findall(r"```python\n(.*?)```", text, re.S):
        exec(code, parts)
    x = np.random.default_rng(0).standard_normal((40, 4)).astype(np.float32)
    nn.gradcheck(parts["Gate"](4), x[:5])
    nn.gradcheck(parts["LogCosh"](), x[:5], x[5:10])
    nn.gradcheck(parts["net"], x[:5])
    trainer = optim.Trainer(
        nn.Sequential(parts["Gate"](4), nn.Linear(4, 1)), parts["LogCosh"](),
        parts["SignMomentum"](schedule=parts["Harmonic"]()), end=optim.max_epoch(3) | parts["Calm"](), progress=False,
    )  # fmt: skip
    history = trainer.fit((x, x[:, 0]), validation=(x, x[:, 0]), metrics=[parts["Within"]()])
    assert history["lr"] == pytest.approx([0.01, 0.005, 0.01 / 3])
    assert history[-1]["Within"] == np.mean(np.abs(trainer.model.predict(x)[:, 0] - x[:, 0]) < 0.5)
