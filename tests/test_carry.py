"""A function that was carried brings the package to a process that has none, or another one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import sparkdl
from sparkdl.carry import carry
from sparkdl.optim import max_epoch

PROGRAM = """
import pickle, sys
sys.path = [p for p in sys.path if p != sys.argv[2]]  # where this environment has it, if it is installed in place
print(pickle.load(open(sys.argv[1], "rb")))
import sparkdl
print(sparkdl.__file__)
"""


@pytest.mark.parametrize("other", [None, "sparkdl", "sparkdl of another version"])
def test_the_package_comes_along(tmp_path, other):
    from pyspark import cloudpickle

    (tmp_path / "pickled").write_bytes(cloudpickle.dumps(carry(max_epoch(3))))
    path = tmp_path / "path"
    path.mkdir()
    if other is not None:
        (path / "sparkdl").mkdir()
        (path / "sparkdl" / "__init__.py").write_text("")
        if other != "sparkdl":
            (path / "sparkdl" / "carry.py").write_text("def fingerprint(): return 'older'")
    env = {**os.environ, "PYTHONPATH": str(path), "SPARK_LOCAL_DIRS": str(tmp_path)}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "pickled"), str(Path(sparkdl.__file__).parents[1])]
    for _ in range(2):  # the second time it is there
        done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        shown, file = done.stdout.splitlines()
        assert shown == "max_epoch(n=3)" and file.startswith(f"{tmp_path}/sparkdl-")
    assert len(list(tmp_path.glob("sparkdl-*"))) == 1


def test_a_changed_file_is_another_package(tmp_path, monkeypatch):
    """Of the same length too."""
    from sparkdl import carry as carrying

    (tmp_path / "one.py").write_text("a = 1")
    monkeypatch.setattr(carrying, "HERE", tmp_path)
    before = carrying.fingerprint.__wrapped__()
    (tmp_path / "one.py").write_text("a = 2")
    assert carrying.fingerprint.__wrapped__() != before


def test_a_process_that_has_it_uses_its_own(tmp_path):
    import pickle

    from pyspark import cloudpickle

    assert repr(pickle.loads(cloudpickle.dumps(carry(max_epoch(3))))) == "max_epoch(n=3)"
    assert carry(len)([1, 2]) == 2
