import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from sparkdl import nn, optim
from sparkdl.optim.progress import Progress


def iris():
    x, y = load_iris(return_X_y=True)
    return ((x - x.mean(0)) / x.std(0)).astype(np.float64), y


def test_l_bfgs_finds_the_logistic_regression_that_scikit_learn_finds():
    x, y = iris()
    model = nn.Linear(4, 3).double()
    c = 1.0
    groupless = optim.LBFGS(regularizer=optim.L2(0.5 / (c * len(x))), tolerance_grad=1e-10, tolerance_change=1e-14)
    losses = optim.minimize(model, nn.CrossEntropyLoss(), x, y, groupless)
    assert all(a >= b for a, b in zip(losses, losses[1:], strict=False))
    # scikit-learn leaves the intercept out of the penalty, so it is given as a feature of ones
    other = LogisticRegression(C=c, fit_intercept=False, tol=1e-10, max_iter=10_000)
    other.fit(np.c_[x, np.ones(len(x))], y)
    np.testing.assert_allclose(model.weight.value, other.coef_[:, :4], atol=1e-5)
    np.testing.assert_allclose(model.bias.value, other.coef_[:, 4], atol=1e-5)


def test_weights_count_rows_as_repeats_and_frozen_parameters_stay():
    x, y = iris()
    times = np.arange(len(x)) % 3
    models = [nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 3)).double() for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    first = models[0].state_dict()
    rule = optim.LBFGS(max_iter=3, regularizer=optim.L2(0.01))
    for model in models:
        model.freeze("0")
    optim.minimize(models[0], nn.CrossEntropyLoss(), x, y, rule, 2, weight=times.astype(np.float64))
    optim.minimize(models[1], nn.CrossEntropyLoss(), np.repeat(x, times, 0), np.repeat(y, times), rule, 2)
    state = models[0].state_dict()
    for name, value in models[1].state_dict().items():
        np.testing.assert_allclose(state[name], value, rtol=1e-6, atol=1e-9)
        assert np.array_equal(state[name], first[name]) == name.startswith("0.")


def test_other_rules_are_refused():
    with pytest.raises(ValueError, match="train with others by optim.Trainer"):
        optim.minimize(nn.Linear(2, 1), nn.MSELoss(), np.zeros((3, 2)), np.zeros((3, 1)), optim.Adam())


def test_the_best_epochs_weights_come_back():
    best = optim.BestWeights(optim.max_epoch(9) | optim.early_stopping(patience=2))
    model, history = nn.Linear(1, 1), []
    for value in (3.0, 1.0, 2.0, float("nan"), 5.0):
        model.weight.value[...] = value
        history.append({"Loss": value})
        best.look(model, Progress(history=history))
    best.restore(model)
    assert model.weight.value == 1.0


@pytest.mark.parametrize("end", [optim.max_epoch(3), optim.early_stopping(restore_best=False), lambda progress: False])
def test_nothing_is_kept_unless_it_is_wanted(end):
    best, model = optim.BestWeights(end), nn.Linear(1, 1)
    best.look(model, Progress(history=[{"Loss": 1.0}]))
    model.weight.value[...] = 7
    best.restore(model)
    assert not best.arrays and model.weight.value == 7
