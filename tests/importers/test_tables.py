"""The page of supported layers is what the converters say."""

import ast
from pathlib import Path

from sparkdl import importers, nn
from sparkdl.importers.tables import updated


def test_the_page_is_up_to_date():
    page = (Path(__file__).parents[2] / "docs" / "importers.md").read_text()
    assert updated(page) == page, "run: python -m sparkdl.importers.tables docs/importers.md"


def test_every_name_of_nn_that_an_importer_uses_exists():
    """Names of ``nn`` are looked up when they are used, so neither importing nor type checking finds a wrong one."""
    folder, found = Path(importers.__file__).parent, set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "nn":
                found.add(node.attr)
    assert len(found) > 100 and {name for name in found if not hasattr(nn, name)} == set()
