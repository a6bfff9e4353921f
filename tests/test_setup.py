"""The JDK of ``make train``: found where there is one, installed with consent only, else unpacked or named."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture
def java(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.delitem(sys.modules, "java", raising=False)
    import java

    return java


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def bare(java, monkeypatch, tmp_path):
    """A machine without Java, on which programs of the test's own are the only ones; nobody is asked anything."""
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    for name in ("JAVA_HOME", "CONSENT", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(java, "find_jdk", lambda private: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    return tools


@pytest.mark.parametrize(
    ("version", "found"), [("javac 17.0.9", 17), ("javac 21", 21), ("javac 1.8.0_392", 1), ("nonsense", 0)]
)
def test_the_version_is_read_from_the_compiler(java, tmp_path, version, found):
    program(tmp_path / "bin/javac", f"echo {version}")
    assert java.jdk_version(tmp_path) == found


def test_a_folder_without_a_compiler_is_no_jdk(java, tmp_path):
    program(tmp_path / "bin/java", "echo openjdk 17")
    assert java.jdk_version(tmp_path) == 0


def test_java_home_counts_first_and_an_old_one_is_passed_over(java, monkeypatch, tmp_path):
    program(tmp_path / "old/bin/javac", "echo javac 11.0.2")
    program(tmp_path / "own/usr/lib/jvm/new/bin/javac", "echo javac 17.0.2")
    program(tmp_path / "home/bin/javac", "echo javac 21.0.1")
    monkeypatch.setattr(java.shutil, "which", lambda name: None)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
    assert java.find_jdk(tmp_path / "own") == tmp_path / "own/usr/lib/jvm/new"
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert java.find_jdk(tmp_path / "own") == tmp_path / "home"


@pytest.mark.parametrize(
    ("variables", "may"),
    [({}, False), ({"CONSENT": "1"}, True), ({"CI": "true"}, True), ({"CI": "true", "CONSENT": "0"}, False)],
)
def test_without_a_terminal_consent_is_a_variable(java, bare, monkeypatch, variables, may):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert java.consent() is may


def test_root_is_used_with_consent_only_and_the_commands_are_printed_first(java, bare, monkeypatch, tmp_path, capfd):
    program(bare / "sudo", f"echo ran \"$@\"; echo x >> {tmp_path}/ran")
    assert java.as_root(["a-jdk"]) is False
    assert "sudo -n apt-get install -y --no-install-recommends a-jdk" in capfd.readouterr().out
    assert not (tmp_path / "ran").exists()
    monkeypatch.setenv("CONSENT", "1")
    assert java.as_root(["a-jdk"]) is True
    assert (tmp_path / "ran").exists()


def test_without_sudo_the_commands_are_named_and_not_run(java, bare, monkeypatch, capfd):
    monkeypatch.setenv("CONSENT", "1")
    assert java.as_root(["a-jdk"]) is False
    told = capfd.readouterr().out
    assert "apt-get install" in told and "there is no sudo here" in told


def test_without_apt_the_remedy_is_named(java, bare, tmp_path):
    with pytest.raises(SystemExit, match="Install a JDK of Java 17 or newer and set JAVA_HOME"):
        java.install_jdk(tmp_path)


def test_links_of_unpacked_packages_stay_inside(java, tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/policy").write_text("it")
    (tmp_path / "jvm").mkdir()
    (tmp_path / "jvm/policy").symlink_to("/etc/policy")
    java.relink(tmp_path)
    assert (tmp_path / "jvm/policy").read_text() == "it"
    assert os.readlink(tmp_path / "jvm/policy") == "../etc/policy"
