"""On a standalone cluster with authentication and encryption, under spark-submit, LeNet has the weights that it has
anywhere else, although a cached DataFrame fills the executors' storage memory in the middle of training."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from . import samebits, submitted
from .standalone import standalone


@pytest.mark.skipif(shutil.which("java") is None, reason="no Java found: `make test` brings one")
def test_a_standalone_cluster_that_asks_for_secrets_gives_the_same_weights(tmp_path, spark_processes):
    import pyspark

    settings = {
        "spark.memory.fraction": "0.2",  # so that there is less to fill
        "spark.ui.enabled": "false",
        "spark.local.dir": tmp_path,
    }
    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    more = [word for key, value in settings.items() for word in ("--conf", f"{key}={value}")]
    env = {**os.environ, "PYSPARK_PYTHON": sys.executable}
    with standalone(str(tmp_path), cores=4) as options:  # one core trains, the other one fills
        command = [submit, *options, *more, submitted.__file__, tmp_path]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=400, env=env)
    said = done.stderr[done.stderr.find("Traceback") :]  # executors that are ended say much more
    assert done.returncode == 0, said[:3000]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["left_out"] > 0, "the storage was not full"
    assert told["master"].startswith("spark://") and told["secured"] == ["true"] * 3
    assert told["weights"] == samebits.train("lenet", samebits.oracle.data(samebits.ROWS))
