"""The table of names from elsewhere: complete, and every name of ours in it exists."""

import re
from pathlib import Path

import pytest

from sparkdl import nn, optim

TABLE = Path(__file__).parents[2] / "docs" / "names" / "optim.md"
BIGDL = """
    SGD Adam ParallelAdam Adamax Adadelta Adagrad RMSprop Ftrl LBFGS LarsSGD AdamWeightDecay
    Default Poly Step MultiStep EpochDecay EpochStep EpochSchedule NaturalExp Exponential Plateau Warmup
    SequentialSchedule EpochDecayWithWarmUp PolyEpochDecay Fixed
    everyEpoch severalIteration maxEpoch maxIteration maxScore minLoss and or
    Top1Accuracy Top5Accuracy TreeNNAccuracy Loss MAE HitRatio NDCG MeanAveragePrecision
    MeanAveragePrecisionObjectDetection PrecisionRecallAUC AUC Accuracy BinaryAccuracy CategoricalAccuracy
    SparseCategoricalAccuracy MSE
    L1Regularizer L2Regularizer L1L2Regularizer
    RandomUniform RandomNormal Zeros Ones ConstInitMethod Xavier MsraFiller BilinearFiller
    setConstantGradientClipping setGradientClippingByL2Norm
""".split()
KINDS = optim.UpdateRule, optim.Schedule, optim.Trigger, optim.Metric, optim.Clip, optim.Regularizer
ONLY_HERE = {cls.__name__ for cls in KINDS} | {"Clocked", "SumMetric", "RowMetric", "ConstantLR", "LinearLR"}
ONLY_HERE |= {"LinearWarmup", "ChainedLR", "OneCycleLR", "OneCycleMomentum"}
ONLY_HERE |= {"InversePowerLR", "SigmoidLR"}  # Caffe's


def rows():
    for line in TABLE.read_text().splitlines():
        cells = [c.strip() for c in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if len(cells) == 4 and "`" in cells[2]:
            yield cells


@pytest.mark.parametrize("name", BIGDL)
def test_every_name_of_bigdl_has_a_row(name):
    assert any(name in re.split(r", ", cells[0]) for cells in rows())


def test_every_name_of_ours_in_the_table_exists_and_none_is_left_out():
    named = {re.match(r"`([\w.]+)`", cells[2])[1] for cells in rows()}
    for name in named:
        where, _, what = name.rpartition(".")
        assert what in {"optim": optim, "nn.init": nn.init}[where].__all__, name
    ours = {n for n in optim.__all__ if isinstance(c := getattr(optim, n), type) and issubclass(c, KINDS)}
    assert {f"optim.{n}" for n in ours - ONLY_HERE} <= named
