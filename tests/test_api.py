"""The reference in docs/api is what the docstrings say today, and names everything that is public."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import api  # noqa: E402


def test_the_reference_is_up_to_date():
    written = {path.name: path.read_text() for path in (ROOT / "docs" / "api").glob("*.md")}
    stale = sorted(name for name, text in api.pages().items() if written.get(name) != text)
    assert stale == [], "run: python scripts/api.py"
    assert written.keys() == api.pages().keys()


def test_a_name_without_a_docstring_is_an_error():
    class Silent:
        pass

    with pytest.raises(SystemExit, match="Silent has no docstring"):
        api._entry("Silent", Silent)
