"""Fits that go on from a checkpoint give what an uninterrupted one gives."""

import numpy as np
import pytest

from sparkdl import ml
from sparkdl.errors import DataError
from tests.ml.conftest import net


def estimator(epochs, **params):
    return ml.NNClassifier(model=net(), maxEpochs=epochs, learningRate=0.05, batchSize=16, **params)


@pytest.mark.parametrize("where", ["always", "never"])
def test_going_on_equals_never_having_stopped(table, tmp_path, where):
    whole = estimator(4, trainLocally="always").fit(table)
    kept = {"checkpointPath": str(tmp_path), "resume": True, "trainLocally": where}
    first = estimator(2, **kept).fit(table)
    assert first.summary.totalEpochs == 2 and list(tmp_path.glob("step-*.ckpt"))
    second = estimator(4, **kept).fit(table)
    assert [line["epoch"] for line in second.summary.history] == [1, 2, 3, 4]
    for name, value in whole.getModel().state_dict().items():
        np.testing.assert_array_equal(second.getModel().state_dict()[name], value, err_msg=name)


def test_what_cannot_go_on_is_an_error(table, tmp_path):
    with pytest.raises(ValueError, match="set checkpointPath"):
        estimator(1, resume=True).fit(table)
    estimator(1, checkpointPath=str(tmp_path), trainLocally="always").fit(table)
    other = estimator(2, checkpointPath=str(tmp_path), trainLocally="always", resume=True)
    with pytest.raises(DataError, match="cannot go on.*rows"):
        other.fit(table.filter("id > 3"))
