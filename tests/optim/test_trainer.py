"""Training on arrays: against a serial loop, exact epochs, any batch size, options and errors."""

from __future__ import annotations

import numpy as np
import pytest

from sparkdl import nn, optim
from sparkdl.data import Visits
from sparkdl.errors import DataError, ShapeError

from . import oracle


def trained(x, y, **options):
    model = oracle.model()
    options = {"batch_size": 32, "max_epochs": 2, "seed": 5, "progress": False, **options}
    trainer = optim.Trainer(model, nn.NLLLoss(), optim.SGD(lr=0.05, momentum=0.9), **options)
    history = trainer.fit((x, y))
    return model.state_dict(), history


def test_fifty_steps_equal_a_serial_loop_in_float64_and_float32():
    x, y = oracle.data(800)
    weights, history = trained(x, y)
    assert history[-1]["iteration"] == 50
    start = oracle.model().state_dict()
    for dtype, tolerance in ((np.float64, 2e-5), (np.float32, 2e-5)):
        expected, losses = oracle.train(start, oracle.batches(x, y, 32, 5, 2), 0.05, 0.9, dtype)
        for name, w in expected.items():
            np.testing.assert_allclose(weights[name], w, rtol=0, atol=tolerance, err_msg=name)
        assert history[0]["loss"] == pytest.approx(np.mean(losses[:25]), rel=1e-5)
    assert history[1]["loss"] < history[0]["loss"] / 2


@pytest.mark.parametrize("batch_size", [1, 7, 32, 100, 101, 1000])
def test_every_batch_size_uses_every_row_once(batch_size, monkeypatch):
    x, y = oracle.data(101)
    seen = []
    add = Visits.add
    monkeypatch.setattr(Visits, "add", lambda self, places: (seen.extend(places.tolist()), add(self, places))[1])
    _, history = trained(x, y, batch_size=batch_size, max_epochs=1)
    assert sorted(seen) == list(range(101))
    assert history[0]["samples"] == 101
    assert history[0]["iteration"] == -(-101 // batch_size)


def test_one_seed_gives_the_same_bits_and_the_order_of_rows_does_not_matter():
    x, y = oracle.data(200)
    first, _ = trained(x, y)
    mixed = np.random.default_rng(1).permutation(200)
    second, _ = trained(x[mixed], y[mixed])
    other, _ = trained(x, y, seed=6)
    for name, w in first.items():
        np.testing.assert_array_equal(w, second[name])
    assert any((w != other[name]).any() for name, w in first.items())


def test_a_row_of_weight_two_counts_like_two_rows_and_of_weight_zero_not_at_all():
    x, y = oracle.data(60)
    weight = np.repeat([0.0, 1.0, 2.0], 20)

    def fit(data):
        model = oracle.model().double()
        optim.Trainer(model, nn.NLLLoss(), optim.SGD(lr=0.1), batch_size=100, max_epochs=3, progress=False).fit(data)
        return model.state_dict()

    weighted = fit((x, y, weight))
    twice = fit((np.concatenate([x[20:], x[40:]]), np.concatenate([y[20:], y[40:]])))
    for name, w in weighted.items():
        np.testing.assert_allclose(w, twice[name], rtol=1e-9, atol=1e-12)


def test_validation_figures_stand_in_the_history_in_the_order_asked_for():
    x, y = oracle.data(300)
    model = oracle.model()
    trainer = optim.Trainer(model, nn.NLLLoss(), optim.SGD(lr=0.05, momentum=0.9), max_epochs=12, progress=False)
    history = trainer.fit(
        (x[:200], y[:200]), validation=(x[200:], y[200:]), metrics=[optim.Top1Accuracy(), optim.Loss()]
    )
    figures = trainer.evaluate((x[200:], y[200:]), metrics=[optim.Loss(), optim.Top1Accuracy()])
    assert list(figures) == ["Loss", "Top1Accuracy"]
    assert history[-1]["Top1Accuracy"] == figures["Top1Accuracy"] > 0.8
    assert history[-1]["Loss"] == figures["Loss"]
    predicted = model.predict(x[200:])
    assert figures["Top1Accuracy"] == (predicted.argmax(1) == y[200:]).mean()
    assert figures["Loss"] == pytest.approx(-predicted[np.arange(100), y[200:]].mean(), rel=1e-6)


def test_triggers_end_in_the_middle_of_an_epoch():
    x, y = oracle.data(100)
    _, history = trained(x, y, max_epochs=None, end=optim.max_iteration(5) | optim.max_epoch(9), batch_size=30)
    assert [line["iteration"] for line in history] == [4, 5]
    assert history[-1]["samples"] == 30


def test_frozen_layers_keep_their_weights():
    x, y = oracle.data(100)
    model = oracle.model()
    model.freeze("0")
    before = model.state_dict()
    optim.Trainer(model, nn.NLLLoss(), optim.SGD(lr=0.1, weight_decay=0.1), max_epochs=1, progress=False).fit((x, y))
    after = model.state_dict()
    np.testing.assert_array_equal(before["0.weight"], after["0.weight"])
    assert (before["4.weight"] != after["4.weight"]).any()


def test_a_second_fit_starts_its_counters_anew_and_goes_on_from_the_weights():
    x, y = oracle.data(100)
    model = oracle.model()
    trainer = optim.Trainer(model, nn.NLLLoss(), optim.SGD(lr=0.05), max_epochs=1, progress=False)
    first = trainer.fit((x, y))
    second = trainer.fit((x, y))
    assert first[0]["epoch"] == second[0]["epoch"] == 1
    assert second[0]["loss"] < first[0]["loss"]


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (lambda x, y: (x, y[:-1]), DataError, "same number of rows"),
        (lambda x, y: (x, y + 1), DataError, "labels start at 0"),
        (lambda x, y: (x, np.where(y == y[3], np.nan, y)), DataError, "NaN"),
        (lambda x, y: x, DataError, r"\(x, y\)"),
        (lambda x, y: (x[:0], y[:0]), DataError, "no rows"),
        (lambda x, y: (x[:, 0], y), ShapeError, "Conv2d"),
    ],
)
def test_bad_data_gets_one_clear_error(data, error, words):
    x, y = oracle.data(20)
    with pytest.raises(error, match=words):
        optim.Trainer(oracle.model(), nn.NLLLoss(), optim.SGD(lr=0.1), progress=False).fit(data(x, y))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x, y: (x, None), r"label \(none was given\): NLLLoss"),
        (lambda x, y: (x[:, :, :5], y), r"features 'x', rows of shape \(1, 5, 8\): Linear"),
        (lambda x, y: (x, np.where(np.arange(len(y)) == 7, 10, y)), "label 'y': .* 0 to 9, got 10 for sample 7;"),
        (lambda x, y: (x, np.where(np.arange(len(y)) == 9000, -1, y)), "row 8,192 on: .*got -1 for sample 808;"),
    ],
)
def test_rows_to_train_on_to_validate_on_and_to_evaluate_are_checked_alike(change, words):
    x, y = oracle.data(9001)
    trainer = optim.Trainer(oracle.model(), nn.NLLLoss(), optim.SGD(lr=0.1), progress=False)
    wrong = change(x, y)
    with pytest.raises((DataError, ShapeError), match="^" + words if "row 8" not in words else words):
        trainer.fit(wrong)
    with pytest.raises((DataError, ShapeError), match=words):
        trainer.evaluate(wrong, metrics=[optim.Loss()])
    with pytest.raises((DataError, ShapeError), match="validation .*" + words):
        trainer.fit((x[:32], y[:32]), validation=wrong)


def test_a_loss_as_a_metric_refuses_labels_that_are_out_of_range():
    with pytest.raises(DataError, match="0 to 2, got 3"):
        optim.Loss(nn.NLLLoss())(np.zeros((2, 3), np.float32), np.array([0, 3]))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: optim.Trainer("lenet", nn.NLLLoss(), optim.SGD()), "model must be a sparkdl.nn.Module, got str"),
        (lambda: optim.Trainer(oracle.model(), nn.NLLLoss, optim.SGD()), "loss must be a loss such as"),
        (lambda: optim.Trainer(oracle.model(), nn.NLLLoss(), "sgd"), "optimizer must be an update rule .* got 'sgd'"),
        (lambda: optim.Trainer(oracle.model(), nn.NLLLoss(), optim.SGD(), end=5), "end must be a trigger .* got 5"),
        (lambda: optim.Trainer(oracle.model(), nn.NLLLoss(), optim.SGD(), seed="a"), "seed must be a whole number"),
        (
            lambda: optim.Trainer(oracle.model(), nn.NLLLoss(), optim.SGD()).evaluate((), metrics=["accuracy"]),
            r"metrics are objects such as optim.Top1Accuracy\(\), got 'accuracy'",
        ),
    ],
)
def test_what_is_not_of_the_right_kind_is_refused(make, words):
    with pytest.raises(TypeError, match=words):
        make()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"codec": "zip"}, "codec must be one of none, fp16, bf16"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 1.5}, "batch_size"),
        ({"max_epochs": 0}, "max_epochs"),
        ({"max_epochs": 1, "end": optim.max_epoch(2)}, "not both"),
        ({"tasks": 9}, "shards"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        optim.Trainer(oracle.model(), nn.NLLLoss(), optim.SGD(lr=0.1), **options)


def test_a_loss_that_is_not_finite_stops_with_the_step_and_the_weights():
    x, y = oracle.data(64)
    with pytest.raises(FloatingPointError, match="step"), np.errstate(all="ignore"):
        optim.Trainer(
            oracle.model(), nn.NLLLoss(), optim.SGD(lr=1e38), batch_size=16, max_epochs=5, progress=False
        ).fit((x, y))


def test_a_loss_that_is_not_finite_names_the_layer():
    class Log(nn.Layer):
        def forward(self, x, ctx):
            return np.log(x)

        def backward(self, dy, ctx):
            return dy

    x, y = oracle.data(64)
    trainer = optim.Trainer(
        nn.Sequential(oracle.model(), Log()), nn.NLLLoss(), optim.SGD(lr=0.1), batch_size=32, progress=False
    )
    with pytest.raises(FloatingPointError, match=r"at step 1.*output of layer '.*' \(Log\)"), np.errstate(all="ignore"):
        trainer.fit((x, y))
    x[3, 0, 1, 1] = np.nan
    trainer = optim.Trainer(oracle.model(), nn.NLLLoss(), optim.SGD(lr=0.1), batch_size=32, progress=False)
    with pytest.raises(FloatingPointError, match="input"), np.errstate(all="ignore"):
        trainer.fit((x, y))


def test_inputs_by_name_come_in_the_models_order():
    """A dict in another order than the graph's inputs, which have one shape, would be swapped without a word."""

    def weights(x):
        nn.manual_seed(1)
        a, b = nn.Input((3,), "a"), nn.Input((3,), "b")
        model = nn.Graph([a, b], nn.Linear(3, 1)(a) - nn.Linear(3, 1)(b) * 2.0)
        trainer = optim.Trainer(model, nn.MSELoss(), optim.SGD(0.1), batch_size=8, max_epochs=1, shuffle=False)
        trainer.progress = False
        trainer.fit((x, y), validation=(x, y))
        return [*model.state_dict().values(), trainer.history["Loss"]]

    rng = np.random.default_rng(0)
    a, b, y = (rng.standard_normal((24, n)).astype(np.float32) for n in (3, 3, 1))
    for one, other in zip(weights({"a": a, "b": b}), weights({"b": b, "a": a}), strict=True):
        np.testing.assert_array_equal(one, other)
