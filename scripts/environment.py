"""``python environment.py [--extra NAME ...] -- command``: make .venv, install sparkdl there, run the command inside.

Needs nothing but Python 3.11 and its venv module. What is already done is not done again.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

if sys.version_info < (3, 11):  # noqa: UP036  (run by whatever Python there is)
    sys.exit(
        "sparkdl needs Python 3.11 or newer, this is {}.{} ({}). Install python3.11 and python3.11-venv, "
        "or name another one: make PYTHON=/path/to/python3.11 ...".format(*sys.version_info[:2], sys.executable)
    )

import java  # noqa: E402  (its syntax, too, is for Python 3.11)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--extra", action="append", default=[], help="an extra of pyproject.toml to install")
    parser.add_argument("--venv", default=".venv", help="the environment's folder")
    parser.add_argument("--pin", action="append", default=[], metavar="REQUIREMENT", help="e.g. pyspark==4.0.0")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- command")
    options = parser.parse_args()
    command = options.command[1:] if options.command[:1] == ["--"] else options.command

    sys.stdout.reconfigure(line_buffering=True)  # our lines stand among those of apt and pip, in order
    venv, private = ROOT / options.venv, ROOT / ".jdk"
    home = java.find_jdk(private) or java.install_jdk(private)
    make(venv)
    environment = inside(venv, home)
    install(venv, sorted(options.extra), options.pin, environment)
    if command:
        program = shutil.which(command[0], path=environment["PATH"]) or command[0]
        os.chdir(ROOT)
        os.execve(program, command, environment)


def make(venv: Path) -> None:
    """Make the environment, unless it is there."""
    if (venv / "bin/pip").exists():
        return
    if importlib.util.find_spec("ensurepip") is None:  # Debian and Ubuntu ship it in a package of its own
        package = "python{}.{}-venv".format(*sys.version_info[:2])
        print(f"This Python ({sys.executable}) cannot make environments with pip: its package {package} is missing.")
        if not (shutil.which("apt-get") and java.as_root([package])):
            sys.exit(f"Install {package} (sudo apt-get install {package}), then run this again.")
    print(f"Making {venv}")
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)


def inside(venv: Path, java_home: Path) -> dict[str, str]:
    """The variables of a process that runs in the environment: its programs first, its Python for Spark's workers."""
    bin = venv / "bin"
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    return environment | {
        "PATH": os.pathsep.join([str(bin), str(java_home / "bin"), environment.get("PATH", os.defpath)]),
        "VIRTUAL_ENV": str(venv),
        "JAVA_HOME": str(java_home),
        "PYSPARK_PYTHON": str(bin / "python"),
        "PYSPARK_DRIVER_PYTHON": str(bin / "python"),
    }


def install(venv: Path, extras: list[str], pins: list[str], environment: dict[str, str]) -> None:
    """Install sparkdl, editable, with the extras; nothing where the same was installed from the same files."""
    stamp = venv / ("-".join(["sparkdl", *extras]) + ".installed")
    state = fingerprint(extras, pins)
    if stamp.exists() and stamp.read_text() == state:
        return
    target = str(ROOT) + (f"[{','.join(extras)}]" if extras else "")
    print(f"Installing {target} into {venv}; the first time this takes some minutes")
    pip = [str(venv / "bin/python"), "-m", "pip", "install", "--disable-pip-version-check", "--use-pep517", "-q"]
    # What the build needs goes into the same environment: pip would else build pyspark, 400 MB, a second time apart.
    for arguments in (["hatchling>=1.25", "editables", *(pins or ["pyspark>=4.0"])],
                      ["--no-build-isolation", "-e", target, *pins]):
        if subprocess.run([*pip, *arguments], env=environment).returncode:
            sys.exit("pip failed; its messages are above.")
    stamp.write_text(state)


def fingerprint(extras: list[str], pins: list[str]) -> str:
    """A hash of all that an installation is made from."""
    digest = hashlib.sha256(repr((sys.version, extras, pins)).encode())
    bridge = ROOT / "sparkdl/blockmanager/bridge"
    for file in [ROOT / "pyproject.toml", ROOT / "hatch_build.py", *sorted(bridge.rglob("*.java"))]:
        digest.update(file.read_bytes() if file.exists() else b"")
    return digest.hexdigest()


if __name__ == "__main__":
    main()
