"""``python oldest.py REQUIREMENT ... -- arguments``: Python with these packages, and all others as they are here.

    python scripts/oldest.py pyspark==4.0.0 py4j==0.10.9.9 -- -m pytest tests/blockmanager

An environment in .venv-oldest has the named packages only, without what they depend on; whatever else is imported comes
from the environment that this script runs in. So an older Spark costs the time to install one package, and the door's
jar is the one that was compiled against the newer Spark: one jar for both.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".venv-oldest"


def main() -> None:
    at = sys.argv.index("--")
    requirements, command = sys.argv[1:at], sys.argv[at + 1 :]
    python = FOLDER / "bin" / "python"
    if not python.exists():
        venv.create(FOLDER, with_pip=False)
    stamp = FOLDER / "installed"
    if not stamp.exists() or stamp.read_text() != repr(requirements):
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", *requirements]
        subprocess.run(pip, check=True)
        stamp.write_text(repr(requirements))
    here, there = sysconfig.get_path("purelib"), FOLDER / "lib" / Path(sysconfig.get_path("purelib")).parent.name
    (there / "site-packages" / "beside.pth").write_text(here + "\n")  # after its own packages
    environment = {**os.environ, "PYSPARK_PYTHON": str(python), "PYSPARK_DRIVER_PYTHON": str(python)}
    environment |= {"PYTHONPATH": str(ROOT), "PATH": os.pathsep.join([str(python.parent), environment["PATH"]])}
    environment.pop("SPARK_HOME", None)
    os.execve(python, [str(python), *command], environment)


if __name__ == "__main__":
    main()
