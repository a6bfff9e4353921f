"""Data sets and models that are not part of the project: found where they lie, or the test is skipped."""

import os
from pathlib import Path

import pytest


def real_data(name: str) -> Path:
    """The folder or file ``name`` under ``$SPARKDL_DATA``, else under ``shared/data`` beside the repository."""
    root = Path(os.environ.get("SPARKDL_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    if not (root / name).exists():
        pytest.skip(f"{root / name} is not there; set SPARKDL_DATA to the folder that holds {name}")
    return root / name
