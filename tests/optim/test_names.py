"""The table of names from elsewhere leaves out nothing of ours; see tests/test_inventory.py for theirs."""

import re
from pathlib import Path

from sparkdl import nn, optim

TABLE = Path(__file__).parents[2] / "docs" / "names" / "optim.md"
KINDS = optim.UpdateRule, optim.Schedule, optim.Trigger, optim.Metric, optim.Clip, optim.Regularizer
ONLY_HERE = {cls.__name__ for cls in KINDS} | {"Clocked", "SumMetric", "RowMetric", "ConstantLR", "LinearLR"}
ONLY_HERE |= {"LinearWarmup", "ChainedLR", "OneCycleLR", "OneCycleMomentum"}
ONLY_HERE |= {"InversePowerLR", "SigmoidLR"}  # Caffe's


def rows():
    for line in TABLE.read_text().splitlines():
        cells = [c.strip() for c in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if len(cells) == 4 and "`" in cells[2]:
            yield cells


def test_every_name_of_ours_in_the_table_exists_and_none_is_left_out():
    named = {re.match(r"`([\w.]+)`", cells[2])[1] for cells in rows()}
    for name in named:
        where, _, what = name.rpartition(".")
        assert what in {"optim": optim, "nn.init": nn.init}[where].__all__, name
    ours = {n for n in optim.__all__ if isinstance(c := getattr(optim, n), type) and issubclass(c, KINDS)}
    assert {f"optim.{n}" for n in ours - ONLY_HERE} <= named
