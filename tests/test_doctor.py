"""The doctor finds nothing wrong where all is well, and names what is in the way where it is not."""

import sys
import threading
import time
from types import SimpleNamespace

import pytest

from sparkdl import doctor


def _states(findings):
    return {finding.name: finding.state for finding in findings}


def test_another_package_of_the_same_name_is_named(tmp_path, monkeypatch):
    (tmp_path / "sparkdl").mkdir()
    (tmp_path / "sparkdl/__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    (finding,) = doctor.namesake()
    assert finding.state == "warn" and str(tmp_path) in finding.what and "pip uninstall sparkdl" in finding.remedy


def test_an_installed_package_of_the_same_name_is_named(monkeypatch):
    monkeypatch.setattr(doctor, "_version", {"sparkdl": "1.6.0"}.get)
    (finding,) = doctor.namesake()
    assert finding.state == "warn" and "sparkdl 1.6.0" in finding.what and "install ours again" in finding.remedy


def test_this_package_is_not_in_its_own_way():
    assert _states(doctor.namesake()) == {"name": "ok"}


@pytest.mark.parametrize("home, said", [("/nowhere", "has no bin/java"), (None, "no java on the path")])
def test_a_missing_java_is_a_failure_with_a_remedy(home, said, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    if home:
        monkeypatch.setenv("JAVA_HOME", home)
    (finding,) = doctor.java()
    assert finding.state == "fail" and said in finding.what and "openjdk-17-jdk-headless" in finding.remedy


def test_an_old_java_is_a_failure(tmp_path, monkeypatch):
    program = tmp_path / "bin/java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    (finding,) = doctor.java()
    assert finding.state == "fail" and "11.0.2" in finding.what


def test_a_folder_for_kernels_that_cannot_be_used_is_a_failure(monkeypatch):
    def none():
        raise OSError("no folder for compiled kernels")

    monkeypatch.setattr("sparkdl.kernelcache.folder", none)
    (finding,) = doctor.cache()
    assert finding.state == "fail" and "SPARKDL_CACHE_DIR" in finding.remedy


def test_other_versions_in_the_tasks_are_named():
    versions = {name: doctor._version(name) for name in doctor.NEEDED_BY_TASKS}
    facts = {"host": "h", "python": list(sys.version_info[:2]), "executable": "p", "local": True}
    facts |= {"sparkdl": "/s", "ours": True}
    same = {**facts, "versions": versions}
    assert _states(doctor._task_findings([same, same])) == {"tasks": "ok"}
    (older,) = doctor._task_findings([same, {**facts, "versions": {**versions, "numba": "0.1"}}])
    assert older.state == "warn" and "numba 0.1" in older.what
    (missing,) = doctor._task_findings([{**facts, "versions": {**versions, "pyarrow": None}}])
    assert missing.state == "fail" and "no pyarrow" in missing.what
    (python,) = doctor._task_findings([{**same, "python": [3, 9]}])
    assert python.state == "fail" and "PYSPARK_PYTHON" in python.remedy
    (other,) = doctor._task_findings([{**same, "ours": False}])
    assert other.state == "warn" and "another package called sparkdl in /s" in other.what
    (none,) = doctor._task_findings([same, {**same, "ours": False, "sparkdl": None}])
    assert none.state == "ok" and "sparkdl itself travels to 1 of them" in none.what
    (shut,) = doctor._task_findings([{**same, "local": False}])
    assert shut.state == "fail" and "spark.local.dir" in shut.remedy


@pytest.mark.parametrize(
    "there, state, said",
    [
        ({("avx512", "fused"), ("avx2", "fused")}, "ok", "avx2, avx512; the same numbers"),
        ({("avx2", "fused"), ("plain", "plain on x")}, "fail", "training is refused"),
        ({("plain", "plain on x")}, "warn", "the driver's results have other bits (fused)"),
    ],
)
def test_tasks_that_compute_in_another_way_are_named(there, state, said, monkeypatch):
    monkeypatch.setattr(doctor, "computing", lambda: ("avx512", "fused"))
    (finding,) = doctor._kernel_findings(there)
    assert finding.state == state and said in finding.what


def test_instructions_that_the_machine_does_not_have_are_a_failure(monkeypatch):
    monkeypatch.setattr("sparkdl.kernel._table", {})
    monkeypatch.setenv("SPARKDL_ISA", "avx1024")
    (finding,) = doctor.kernels()
    assert finding.state == "fail" and "avx1024" in finding.what


def test_an_examination_does_not_wait_for_a_session_that_does_not_stop():
    conf = SimpleNamespace(get=lambda *names: "")
    session = SimpleNamespace(version="4", conf=conf, stop=threading.Event().wait)
    began = time.monotonic()
    findings = list(doctor.cluster(doctor.Started(lambda: session), patience=0.1))
    assert findings[-1].state == "fail" and time.monotonic() - began < 5


def test_a_call_that_does_not_return_is_given_up():
    with pytest.raises(TimeoutError, match="no answer within"):
        doctor._until(time.monotonic() + 0.01, threading.Event().wait)
    with pytest.raises(ZeroDivisionError):
        doctor._until(time.monotonic() + 60, lambda: 1 // 0)


def test_a_session_in_one_jvm_has_no_failure(local):
    _nothing_fails(list(doctor.cluster(local, patience=60)))


def test_a_session_with_executors_has_no_failure(cluster):
    _nothing_fails(list(doctor.cluster(cluster, patience=60)))


def test_a_running_session_is_examined_and_goes_on(local):
    _nothing_fails(list(doctor.examine(patience=60)))
    assert local.range(3).count() == 3


def _nothing_fails(findings):
    assert "fail" not in _states(findings).values(), findings
    assert {"Spark", "security", "tasks", "door", "exchange", "kernels"} <= _states(findings).keys()


def test_report_prints_the_remedy_under_its_finding(capsys):
    doctor.report([doctor.Finding("Java", "fail", "none", "install it")])
    assert capsys.readouterr().out == "fail Java      none\n               -> install it\n"
