"""Compiles the door: ``python -m sparkdl.blockmanager.bridge.build``. Building a wheel calls it as well."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = HERE / "java"
JAR = HERE / "sparkdl-bridge.jar"
_RELEASE = "17"  # the oldest Java that Spark 4 runs on


class BuildError(RuntimeError):
    """The door cannot be compiled here; the message says what is missing."""


def jar() -> Path:
    """The compiled door; in a source tree it is compiled anew when a source has changed."""
    if not _is_current(JAR):
        build()
    return JAR


def _digest() -> bytes:
    """Of all sources. It stands in the jar as the archive's comment: times of files do not survive an installation."""
    whole = hashlib.sha256()
    for source in sorted(SOURCES.rglob("*.java")):
        whole.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return whole.hexdigest().encode()


def _is_current(target: Path) -> bool:
    if not target.exists():
        return False
    with zipfile.ZipFile(target) as archive:
        return archive.comment == _digest()


def build(target: Path = JAR) -> Path:
    """Compiles ``java/`` against the jars of the installed pyspark."""
    compiler = _javac()
    spark = _spark_jars()
    with tempfile.TemporaryDirectory() as folder:
        classes = Path(folder) / "classes"
        command = [compiler, "--release", _RELEASE, "-nowarn", "-cp", f"{spark}/*", "-d", str(classes)]
        sources = sorted(map(str, SOURCES.rglob("*.java")))
        done = subprocess.run([*command, *sources], capture_output=True, text=True)
        if done.returncode:
            raise BuildError(f"{compiler} could not compile the door against {spark}:\n{done.stdout}{done.stderr}")
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.comment = _digest()
            for file in sorted(classes.rglob("*.class")):  # no times in it: the same sources give the same bytes
                archive.writestr(zipfile.ZipInfo(str(file.relative_to(classes))), file.read_bytes())
        draft.replace(target)
    return target


def _javac() -> str:
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("javac", path=os.path.join(home, "bin")) if home else None
    found = found or shutil.which("javac")
    if not found:
        raise BuildError(
            "no javac found: the door to Spark's block manager is compiled when this package is built. "
            "Install a JDK, 17 or newer (Debian: apt install openjdk-17-jdk-headless), or set JAVA_HOME to one."
        )
    return found


def _spark_jars() -> Path:
    spec = importlib.util.find_spec("pyspark")
    home = Path(os.environ["SPARK_HOME"]) if spec is None and "SPARK_HOME" in os.environ else None
    jars = (Path(spec.origin).parent if spec and spec.origin else home or Path()) / "jars"
    if not list(jars.glob("spark-core_*.jar")):
        raise BuildError(f"no Spark jars in {jars}: install pyspark, or set SPARK_HOME to a Spark 4 distribution.")
    return jars


if __name__ == "__main__":
    print(build())
