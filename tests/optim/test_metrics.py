import json
import math
import pickle
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdl import nn, optim
from sparkdl.errors import DataError, ShapeError
from sparkdl.optim.metrics.exact import add, add_bins, exact_bins, exact_sum, rounded

from .metriccases import ABSTRACT, CASES, length, rows_of

cases = pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)


def test_every_public_metric_has_a_row():
    public = {n for n in optim.__all__ if isinstance(c := getattr(optim, n), type) and issubclass(c, optim.Metric)}
    assert public == {type(c.make()).__name__ for c in CASES} | ABSTRACT


def same_bits(a, b):
    np.testing.assert_array_equal(np.asarray(a).view(np.uint64), np.asarray(b).view(np.uint64))


@cases
def test_the_figure_is_scikit_learns_with_and_without_weights(case):
    rng = np.random.default_rng(3)
    output, target = case.data(rng)
    for weight in (None, rng.random(length(output)).astype(np.float32)) if case.weighted else (None,):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = case.expected(output, target, weight)
        np.testing.assert_allclose(case.make()(output, target, weight), expected, rtol=2e-7)


@cases
def test_the_figure_has_the_same_bits_however_rows_are_dealt_out(case):
    rng = np.random.default_rng(5)
    output, target = case.data(rng)
    weight = rng.random(length(output)) if case.weighted else None
    metric = case.make()
    whole = metric(output, target, weight)
    for pieces in (2, 7, length(output)):
        rows = rng.permutation(length(output))
        states = []
        for part in np.array_split(rows, pieces):
            batch = rows_of(output, part), rows_of(target, part), None if weight is None else weight[part]
            states.append(metric.update(metric.zero(), *batch))
        states.append(metric.zero())  # a shard without rows
        while len(states) > 1:
            i, j = rng.choice(len(states), 2, replace=False)
            merged = metric.merge(states[i], states[j])
            states = [s for k, s in enumerate(states) if k not in (i, j)] + [merged]
        same_bits(metric.value(states[0]), whole)


@cases
def test_an_empty_batch_changes_nothing_and_no_rows_give_nan(case):
    output, target = case.data(np.random.default_rng(5))
    metric = case.make()
    state = metric.update(metric.zero(), output, target)
    again = metric.update(state, rows_of(output, slice(0)), rows_of(target, slice(0)))
    same_bits(metric.value(again), metric.value(state))
    nothing = metric.value(metric.zero())
    assert nothing.size == 0 if isinstance(nothing, np.ndarray) else math.isnan(nothing)


@cases
def test_config_and_pickle_give_the_metric_again(case):
    metric = case.make()
    assert repr(pickle.loads(pickle.dumps(metric))) == repr(metric)
    if not isinstance(metric, optim.Loss):
        assert repr(optim.from_config(json.loads(json.dumps(metric.config())))) == repr(metric)


def test_names():
    assert [m.name for m in (optim.Top1Accuracy(), optim.TopK(5), optim.Loss(), optim.F1(name="f"))] == [
        "Top1Accuracy",
        "Top5Accuracy",
        "Loss",
        "f",
    ]


def test_nan_scores_are_wrong_and_do_not_hide_behind_class_zero():
    nan = np.full((2, 3), np.nan)
    assert optim.Top1Accuracy()(nan, [0, 1]) == 0
    assert optim.TopK(2)(np.array([[1, np.nan, 0.5]]), [0]) == 1
    assert optim.BinaryAccuracy()(np.array([np.nan]), [0]) == 0


def test_r2_keeps_its_digits_far_from_zero():
    rng = np.random.default_rng(0)
    y = 1e8 + rng.standard_normal(1000)
    t = 1e8 + rng.standard_normal(1000)
    exact_t, exact_y = [Fraction(v) for v in t], [Fraction(v) for v in y]
    mean = sum(exact_t) / 1000
    expected = 1 - sum((a - b) ** 2 for a, b in zip(exact_t, exact_y, strict=True)) / sum(
        (a - mean) ** 2 for a in exact_t
    )
    assert optim.R2()(y, t) == pytest.approx(float(expected), rel=1e-4)
    assert optim.R2()(np.ones(3), np.ones(3)) == 1 and optim.R2()(np.zeros(3), np.ones(3)) == 0


def test_two_columns_of_scores_are_one_curve():
    rng = np.random.default_rng(0)
    y, t = rng.standard_normal((50, 2)), rng.integers(0, 2, 50)
    assert (
        optim.AUC()(y, t) == optim.AUC()(y[:, 1] - y[:, 0], t) == optim.AUC()((y[:, 1] - y[:, 0])[:, None], t[:, None])
    )


def test_loss_takes_the_trainers_loss_where_it_has_none():
    loss = nn.MSELoss()
    assert optim.Loss().of(loss).loss is loss and optim.Loss(loss).of(nn.NLLLoss()).loss is loss
    y, t = np.float32([[1, 2], [3, 5]]), np.float32([[0, 0], [0, 0]])
    assert optim.Loss(loss)(y, t) == loss(y, t) == 9.75
    with pytest.raises(ValueError, match="which loss"):
        optim.Loss()(y, t)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: optim.Top1Accuracy()(np.eye(3), [0, 1, 3]), DataError, "from 0 to 2, got 3 for sample 2"),
        (lambda: optim.Top1Accuracy()(np.eye(3), [0, 1, 0.5]), DataError, "got 0.5 for sample 2"),
        (lambda: optim.Top1Accuracy()(np.eye(3), [0, 1]), ShapeError, "one class number per output"),
        (lambda: optim.Top1Accuracy()(np.ones((3, 1)), [0, 1, 0]), ShapeError, "use BinaryAccuracy"),
        (lambda: optim.TopK(0), ValueError, "k must be a whole number >= 1"),
        (lambda: optim.MSE()(np.ones((3, 2)), np.ones(3)), ShapeError, "one shape"),
        (lambda: optim.AUC()(np.ones(3), [0, 1, 2]), DataError, "targets are 0 or 1, got 2.0 for sample 2"),
        (lambda: optim.AUC()(np.float32([0, np.nan]), [0, 1]), DataError, "the score of sample 1 is NaN"),
        (lambda: optim.AUC()(np.ones((3, 3)), [0, 1, 1]), ShapeError, "takes"),
        (lambda: optim.PRAUC("cubic"), ValueError, "interpolation must be one of"),
        (lambda: optim.F1("sum"), ValueError, "average must be one of"),
        (lambda: optim.F1("binary")(np.eye(3), [0, 1, 2]), ValueError, "needs two classes"),
        (lambda: optim.HitRatio()(np.ones(3), [0, 1, 1]), ShapeError, "one row holds all candidates"),
        (lambda: optim.MeanAveragePrecision(4)(np.eye(3), [0, 1, 2]), ShapeError, "takes"),
        (lambda: optim.MeanAveragePrecisionObjectDetection(3)(np.eye(3), np.eye(3)), ShapeError, "takes"),
        (lambda: optim.MeanAveragePrecisionObjectDetection(3, style="voc"), ValueError, "style must be one of"),
        (lambda: optim.MeanAveragePrecisionObjectDetection(3, iou=0), ValueError, "iou must be in"),
        (lambda: optim.TreeNNAccuracy()(np.eye(3), [0, 1, 2]), ShapeError, "nodes"),
    ],
)
def test_wrong_input_gets_one_clear_message(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_matrices_of_different_sizes_do_not_merge():
    m = optim.ConfusionMatrix()
    state = m.update(m.zero(), np.eye(3), [0, 1, 2])
    with pytest.raises(ShapeError, match="3, 4"):
        m.update(state, np.eye(4), [0, 1, 2, 3])


# -- exact sums -------------------------------------------------------------------------------------------------------
finite = st.floats(allow_nan=False, allow_infinity=False, max_value=1e300, min_value=-1e300)


@given(st.lists(finite, max_size=20), st.lists(finite, max_size=20))
def test_sums_are_exact_and_their_form_depends_on_the_total_alone(a, b):
    total = sum((Fraction(v) for v in a + b), Fraction(0))
    whole = exact_sum(np.array(a + b))
    merged = add(exact_sum(np.array(a)), exact_sum(np.array(b)))
    assert sum(Fraction(float(p)) for p in whole) == total
    assert rounded(whole) == float(total)
    np.testing.assert_array_equal(whole, merged)


@given(st.lists(st.tuples(st.integers(0, 3), finite), max_size=20), st.integers(0, 20))
def test_sums_by_bin_are_exact_sums(pairs, cut):
    index, values = np.array([i for i, _ in pairs], int), np.array([v for _, v in pairs])
    merged = add_bins(exact_bins(index[:cut], values[:cut], 4), exact_bins(index[cut:], values[cut:], 4))
    for b in range(4):
        assert rounded(merged[:, b]) == math.fsum(values[index == b])


def test_sums_of_counts_infinities_and_nothing():
    assert exact_sum(np.ones(7, bool)).tolist() == [7] and exact_sum([]).tolist() == [0]
    assert exact_sum(np.array([2**64 - 1], np.uint64)).sum() == 2.0**64
    assert exact_sum([np.inf, 1.0]).tolist() == [np.inf] and np.isnan(exact_sum([np.inf, -np.inf, 1.0])).all()
    assert exact_sum([1.7e308, 1.7e308]).tolist() == [np.inf]
    assert rounded(exact_sum([5e-324, 5e-324])) == 1e-323


def test_a_metric_of_several_outputs_says_of_which():
    x = nn.Input((4,), "x")
    model, data = nn.Graph(x, [nn.Linear(4, 3)(x), nn.Linear(4, 1)(x)]), np.ones((20, 4), np.float32)
    rows = data, (np.zeros(20, np.int64), data[:, :1])
    loss = nn.ParallelLoss([nn.CrossEntropyLoss(), nn.MSELoss()])
    trainer = optim.Trainer(model, loss, optim.SGD(0.1), batch_size=5, max_epochs=1, progress=False)
    with pytest.raises(ShapeError, match=r"Top1Accuracy takes one output, the model has 2; .*optim.OfOutput"):
        trainer.fit(rows, validation=rows, metrics=[optim.Top1Accuracy()])
    trainer.fit(
        rows, validation=rows, metrics=[optim.OfOutput(optim.Top1Accuracy(), 0), optim.OfOutput(optim.MAE(), 1)]
    )
    assert set(trainer.history[-1]) >= {"Top1Accuracy_0", "MAE_1"}
    with pytest.raises(ShapeError, match="takes number 2 of several outputs, counted from 0, got 2"):
        optim.OfOutput(optim.MAE(), 2)((data, data), data)
    with pytest.raises(ShapeError, match="takes number 0 of several outputs, counted from 0, got one array"):
        optim.OfOutput(optim.MAE(), 0)(data, data)
