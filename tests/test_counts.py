"""There is at least as much of everything as the anchor has."""

import pytest

from sparkdl import counts
from sparkdl.cli import main


@pytest.mark.parametrize("kind", counts.BIGDL)
def test_there_are_at_least_as_many_as_the_anchor_has(kind):
    assert len(counts.names()[kind]) >= counts.BIGDL[kind]


def test_the_command_prints_both_numbers(capsys):
    assert main(["counts", "--names"]) == 0
    printed = capsys.readouterr().out
    for kind, found in counts.names().items():
        assert f"{kind:14}{len(found):5}{counts.BIGDL[kind]:7}" in printed
        assert all(name in printed for name in found)
