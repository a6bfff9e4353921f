"""The ``sparkdl`` command. It stands beside the package, so that it can say when another sparkdl hides this one."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

OURS = Path(__file__).resolve().parent / "sparkdl"


def main() -> int:
    """Run ``sparkdl.cli``; 1, and what to do, if the package that Python finds under this name is another one."""
    spec = importlib.util.find_spec("sparkdl")
    found = None if spec is None or spec.origin is None else Path(spec.origin).resolve().parent
    if found != OURS or not (OURS / "blockmanager").is_dir():
        print(
            f"sparkdl: Python finds another package of this name in {found}, before sparkdl-native in {OURS}.\n"
            f"-> pip uninstall sparkdl (an unrelated one), or put {OURS.parent} first on the path (PYTHONPATH), "
            "or use an environment or runtime without it",
            file=sys.stderr,
        )
        return 1
    from sparkdl.cli import main as command

    return command()


if __name__ == "__main__":
    sys.exit(main())
