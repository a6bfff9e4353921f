"""The page of supported layers is what the converters say."""

from pathlib import Path

from sparkdl.importers.tables import updated


def test_the_page_is_up_to_date():
    page = (Path(__file__).parents[2] / "docs" / "importers.md").read_text()
    assert updated(page) == page, "run: python -m sparkdl.importers.tables docs/importers.md"
