"""A standalone cluster of this machine, started with pyspark's own scripts."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def standalone(folder: str, cores: int = 2) -> Iterator[list[str]]:
    """A master and a worker that only those who know a secret can talk to; gives spark-submit's options, for two
    executors that share the ``cores``."""
    import pyspark

    home = Path(pyspark.__file__).parent
    secret = secrets.token_hex(16)
    settings = {
        "spark.authenticate": "true",
        "spark.authenticate.secret": secret,
        "spark.network.crypto.enabled": "true",
        "spark.io.encryption.enabled": "true",
    }
    conf = Path(folder, "spark-defaults.conf")
    conf.touch(mode=0o600)
    conf.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    env = {**os.environ, "SPARK_NO_DAEMONIZE": "1", "SPARK_WORKER_DIR": folder, "SPARK_LOCAL_IP": "127.0.0.1"}
    env["SPARK_LOCAL_DIRS"] = folder
    options = " ".join(f"-D{key}={value}" for key, value in settings.items())
    env["SPARK_MASTER_OPTS"] = env["SPARK_WORKER_OPTS"] = options
    started: list[subprocess.Popen] = []

    def start(what: str, *arguments: str) -> Path:
        log = Path(folder, f"{what}.log")
        command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{what.lower()}.{what}", *arguments]
        with open(log, "w") as out:
            started.append(subprocess.Popen(command, env=env, stdout=out, stderr=out, start_new_session=True))
        return log

    try:
        web = ["--webui-port", "0", "--properties-file", str(conf)]
        log = start("Master", "--host", "127.0.0.1", "--port", "0", *web)
        master = said(log, r"Starting Spark master at (spark://\S+)")
        log = start("Worker", master, "--host", "127.0.0.1", "--cores", str(cores), "--memory", "2g", *web)
        said(log, r"(Successfully registered) with master")
        yield [
            "--master", master, "--properties-file", str(conf),
            "--executor-memory", "1g", "--executor-cores", str(cores // 2),
            "--conf", "spark.driver.host=127.0.0.1", "--conf", "spark.driver.bindAddress=127.0.0.1",
            "--conf", "spark.scheduler.minRegisteredResourcesRatio=1.0", "--conf", f"spark.cores.max={cores}",
        ]  # fmt: skip
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGTERM)
        for process in started:
            process.wait()


def said(log: Path, pattern: str, seconds: float = 180) -> str:
    """What a process has written to its log, once it has."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = re.search(pattern, log.read_text())
        if found:
            return found[1]
        time.sleep(0.2)
    raise TimeoutError(f"{log} does not say {pattern!r}: {log.read_text()[-2000:]}")
