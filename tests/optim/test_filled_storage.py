"""Blocks of a run outlive a cached DataFrame that fills the executors' storage memory in the middle of it; all under
spark-submit, where processes prove who they are, and what travels and what lies on disk is encrypted."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from . import filled_storage


@pytest.mark.skipif(shutil.which("java") is None, reason="no Java found: `make test` brings one")
def test_training_goes_on_with_the_same_weights(tmp_path, spark_processes):
    import pyspark

    settings = {
        "spark.master": "local-cluster[2,2,1024]",
        **{f"spark.{name}": "true" for name in filled_storage.SECURITY},
        "spark.authenticate.secret": secrets.token_hex(16),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": tmp_path,
        "spark.memory.fraction": "0.2",  # so that there is less to fill
        "spark.ui.enabled": "false",
        "spark.scheduler.minRegisteredResourcesRatio": "1.0",
    }
    conf = tmp_path / "spark.conf"
    conf.touch(mode=0o600)
    conf.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    command = [submit, "--properties-file", conf, filled_storage.__file__, tmp_path]
    env = {**os.environ, "PYSPARK_PYTHON": sys.executable}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=400, env=env)
    said = done.stderr[done.stderr.find("Traceback") :]  # executors that are ended say much more
    assert done.returncode == 0, said[:3000]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["left_out"] > 0, "the storage was not full"
    assert told["secured"] == ["true"] * 3
    assert told["weights"] == filled_storage.train(filled_storage.oracle.data(800))
