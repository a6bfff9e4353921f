"""Ensembles: members differ, their average is what is predicted, folds are left out."""

import numpy as np
import pytest

from sparkdl import ml
from tests.ml.conftest import CLASSES, net, points


def test_members_are_averaged(local, table, tmp_path):
    classifier = ml.NNClassifier(model=net(), maxEpochs=4, learningRate=0.05, batchSize=16)
    ensemble = ml.NNEnsemble(estimator=classifier, size=3)
    model = ensemble.fit(table)
    assert type(model) is ml.NNClassifierModel and model.uid == ensemble.uid
    members = list(model.getModel()["members"])
    x, _ = points()
    each = np.stack([member.eval()(x) for member in members])
    assert len(each) == 3 and not np.allclose(each[0], each[1])
    rows = model.transform(table).orderBy("id").collect()
    found = np.stack([row.probability.toArray() for row in rows])
    assert found.shape[1] == CLASSES
    np.testing.assert_allclose(found, each.mean(0), rtol=1e-5)
    assert {line["member"] for line in model.summary.history} == {0, 1, 2}

    model.save(str(tmp_path / "model"))
    assert len(list(ml.NNClassifierModel.load(str(tmp_path / "model")).getModel()["members"])) == 3
    ensemble.save(str(tmp_path / "ensemble"))
    again = ml.NNEnsemble.load(str(tmp_path / "ensemble"))
    assert again.getSize() == 3 and again.getEstimator().getMaxEpochs() == 4


def test_what_an_ensemble_does_not_do():
    with pytest.raises(ValueError, match="size >= 2"):
        ml.NNEnsemble(estimator=ml.NNRegressor(model=net(1)), size=1, folds=True).fit(None)
    with pytest.raises(ValueError, match="no checkpoints"):
        ml.NNEnsemble(estimator=ml.NNRegressor(model=net(1), checkpointPath="kept")).fit(None)
    with pytest.raises(TypeError, match="must be an NNEstimator"):
        ml.NNEnsemble(estimator=net(1))


def test_each_member_leaves_a_fold_out(table):
    regressor = ml.NNRegressor(model=net(1), maxEpochs=1, metrics=["Loss", "MAE"])
    model = ml.NNEnsemble(estimator=regressor, size=2, folds=True).fit(table)
    assert type(model) is ml.NNRegressorModel
    lines = model.summary.history
    assert sum(line["samples"] for line in lines) == table.count()  # each row trains one of two members
    assert all(line["MAE"] > 0 for line in lines)
