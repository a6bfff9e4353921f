"""Metrics by the names that Keras knows them under: real Keras's figures for the same outputs and targets."""

from __future__ import annotations

import numpy as np
import pytest

from sparkdl import keras as ours
from sparkdl import nn, optim
from sparkdl.errors import DataError, ShapeError
from sparkdl.importers.keras.metrics import REFUSED

from .test_real import keras  # noqa: F401  the fixture

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")

RNG = np.random.default_rng(12)
ROWS = 60
SAMPLES = RNG.uniform(0.2, 2, ROWS).astype(np.float32)


def shares(*shape):
    e = np.exp(RNG.standard_normal((ROWS, *shape))).astype(np.float32)
    return e / e.sum(-1, keepdims=True)


SCORES, STEPS = shares(8), shares(4, 8)
NUMBERS, OF_STEPS = RNG.integers(0, 8, ROWS), RNG.integers(0, 8, (ROWS, 4))
ONE_HOT, STEPS_ONE_HOT = np.eye(8, dtype=np.float32)[NUMBERS], np.eye(8, dtype=np.float32)[OF_STEPS]
SINGLE = ((RNG.permutation(199)[:ROWS] + 0.5) / 199).astype(np.float32)[:, None]  # apart on Keras's 200 thresholds
BITS = (RNG.random((ROWS, 1)) < SINGLE).astype(np.float32)
LABELS, MANY = (RNG.random((2, ROWS, 5)) > 0.4).astype(np.float32)[0], RNG.random((ROWS, 5)).astype(np.float32)
VALUES, GOALS = RNG.uniform(0.1, 1, (2, ROWS, 5)).astype(np.float32)

BY_NUMBER = [(SCORES, NUMBERS), (SCORES, NUMBERS[:, None]), (STEPS, OF_STEPS)]
BY_ROW = [(SCORES, ONE_HOT), (STEPS, STEPS_ONE_HOT)]
BINARY, SEVERAL = [(SINGLE, BITS), (SINGLE, BITS[:, 0])], [(MANY, LABELS)]
REGRESSION = [(VALUES, GOALS)]
CASES = {
    "accuracy": [*BY_NUMBER, *BY_ROW, *BINARY, *SEVERAL],
    "acc": BY_NUMBER[:1],
    "sparse_categorical_accuracy": BY_NUMBER,
    "categorical_accuracy": BY_ROW,
    "binary_accuracy": [*BINARY, *SEVERAL],
    "BinaryAccuracy": BINARY[:1],
    "top_k_categorical_accuracy": BY_ROW,
    "sparse_top_k_categorical_accuracy": BY_NUMBER,
    **dict.fromkeys(["precision", "recall", "Precision", "true_positives", "true_negatives"], [*BINARY[:1], *SEVERAL]),
    **dict.fromkeys(["false_positives", "false_negatives"], [*BINARY[:1], *SEVERAL]),
    "auc": BINARY[:1],
    "AUC": BINARY[:1],
    **dict.fromkeys(["f1_score", "f_beta_score"], BY_ROW[:1]),
    **dict.fromkeys(
        [
            "mse", "MSE", "mae", "mape", "msle", "mean_squared_error", "mean_absolute_error", "r2_score",
            "mean_absolute_percentage_error", "mean_squared_logarithmic_error", "root_mean_squared_error",
            "cosine_similarity", "CosineSimilarity", "log_cosh_error", "pearson_correlation", "concordance_correlation",
            "poisson", "kl_divergence",
        ],
        REGRESSION,
    ),
    **dict.fromkeys(["hinge", "squared_hinge"], [(MANY, 2 * LABELS - 1)]),
    "categorical_hinge": BY_ROW[:1],
    **dict.fromkeys(["binary_crossentropy", "bce"], [*BINARY[:1], *SEVERAL]),
    "categorical_crossentropy": BY_ROW,
    "sparse_categorical_crossentropy": BY_NUMBER,
}  # fmt: skip
CASES = [(name, i) for name, given in CASES.items() for i in range(len(given))], CASES


@pytest.mark.parametrize(("name", "which"), CASES[0])
def test_a_metric_by_name_is_kerass(keras, name, which):  # noqa: F811
    y, target = CASES[1][name][which]
    theirs, model = keras.Sequential([keras.Input(y.shape[1:]), keras.layers.Identity()]), ours.Model(nn.Identity())
    samples = SAMPLES if y.ndim == 2 else None  # Keras does not spread them over places
    found = []
    for each in (theirs, model):
        loss = Nothing() if each is model else lambda target, y: keras.ops.sum(0 * y, axis=-1)
        each.compile("sgd", loss, metrics=[name], weighted_metrics=[name])
        found.append(each.evaluate(y, target, sample_weight=samples, return_dict=True, verbose=0))
    wanted, got = found
    names = [key for key in wanted if key != "loss"]
    assert names == [key for key in got if key != "loss"]
    for key in names:
        np.testing.assert_allclose(got[key], wanted[key], rtol=3e-5, atol=2e-6, err_msg=key)


class Nothing(nn.Loss):
    """So that the loss does not mind the targets."""

    def terms(self, y, target):
        return np.zeros(len(y)), None


def test_every_name_of_kerass_is_taken_or_refused_with_a_reason(keras):  # noqa: F811
    from keras.src.metrics import ALL_OBJECTS

    bases = {"Metric", "MeanMetricWrapper"}
    for cls in ALL_OBJECTS:
        name = cls.__name__
        if name in bases:
            continue
        model = ours.Model(nn.Identity())
        if name.lower() in REFUSED:
            with pytest.raises(ValueError, match="no metric is called"):
                model.compile("sgd", "mse", metrics=[name])
            continue
        model.compile("sgd", "mse", metrics=[name])
        assert {key.replace("_", "").lower() for key in CASES[1]} & {name.replace("_", "").lower()}, name


def test_classes_stand_where_the_loss_has_them():
    scores, numbers = RNG.standard_normal((30, 4, 4)).astype(np.float32), RNG.integers(0, 4, (30, 4))
    for loss, axis in ((nn.CrossEntropyLoss(), 1), ("sparse_categorical_crossentropy", 2)):
        model = ours.Model(nn.Identity())
        model.compile("sgd", loss, metrics=["accuracy"])
        (metric,) = model.metrics
        assert metric(scores, numbers) == (scores.argmax(axis) == numbers).mean()


def test_scores_before_the_sigmoid_have_their_threshold_at_zero():
    model = ours.Model(nn.Identity())
    model.compile("sgd", nn.BCEWithLogitsLoss(), metrics=["accuracy", "precision", "f1"])
    logits = np.log(SINGLE / (1 - SINGLE))
    found = model.evaluate(logits, BITS, return_dict=True)
    assert found["accuracy"] == ((SINGLE > 0.5) == BITS).mean()
    assert found["precision"] == pytest.approx(BITS[SINGLE > 0.5].mean())
    assert found["f1"] == pytest.approx(optim.F1()(SINGLE, BITS))


def test_class_numbers_have_precision_too():
    model = ours.Model(nn.Identity())
    model.compile("sgd", Nothing(), metrics=["precision", "recall", "f1", "f1_score"])
    found = model.evaluate(SCORES, NUMBERS, return_dict=True)
    assert found["precision"] == optim.Precision()(SCORES, NUMBERS) and found["f1"] == np.mean(found["f1_score"])


@pytest.mark.parametrize(
    ("name", "y", "target", "error", "words"),
    [
        ("categorical_accuracy", SCORES, NUMBERS, ShapeError, "targets are one-hot rows"),
        ("sparse_categorical_accuracy", SCORES, ONE_HOT, ShapeError, "targets are class numbers"),
        ("accuracy", SCORES, ONE_HOT[:, :3], ShapeError, "class numbers or one-hot rows"),
        ("f1_score", SINGLE, BITS, ShapeError, "optim.F1 for one score"),
        ("f1_score", MANY, np.ones_like(MANY), DataError, "several labels"),
        ("true_positives", SCORES, NUMBERS, ShapeError, "two classes"),
    ],
)
def test_targets_that_do_not_fit_a_name_get_one_clear_message(name, y, target, error, words):
    model = ours.Model(nn.Identity())
    model.compile("sgd", Nothing(), metrics=[name])
    with pytest.raises(error, match=words):
        model.evaluate(y, target)
