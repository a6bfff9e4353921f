"""Imports only go down the floors of docs/architecture.md."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sparkdl"
FLOORS = {  # a part may import itself, the ground floor, and what stands behind it here
    "nn": set(),
    "blockmanager": set(),
    "data": {"nn", "blockmanager"},
    "optim": {"nn", "blockmanager", "data"},
    "ml": {"nn", "blockmanager", "data", "optim", "models"},
    "importers": {"nn", "blockmanager", "data", "optim", "models"},
    "models": {"nn", "blockmanager", "data", "optim"},
    "keras": {"nn", "blockmanager", "data", "optim", "models", "importers", "ml"},
}
TOP = {"cli", "counts", "doctor"}  # the command: may import everything
FILES = sorted(PACKAGE.rglob("*.py"))


def test_every_part_has_a_floor():
    parts = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    assert parts <= FLOORS.keys(), f"{parts - FLOORS.keys()}: name their floor here and in docs/architecture.md"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path):
    part = _part(path)
    if part in TOP:
        return
    allowed = FLOORS.get(part, set()) | {part} | _ground()
    for target in _targets(path):
        assert target in allowed, f"{path.relative_to(ROOT)} imports sparkdl.{target}, which is not below {part!r}"


def _part(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _ground():
    """The modules that lie in the package itself, which every part may import."""
    return {path.stem for path in PACKAGE.glob("*.py")} - TOP


def _targets(path):
    """The parts of sparkdl that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            # `from sparkdl import nn` names its part after the import
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = path.relative_to(ROOT).parent.parts[: len(path.relative_to(ROOT).parent.parts) - node.level + 1]
            names = [".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names]
        else:
            continue
        found.update(name.split(".")[1] for name in names if name.startswith("sparkdl."))
    return found - {"__version__"}
