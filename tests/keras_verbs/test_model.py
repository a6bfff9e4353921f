"""Keras's words over the Trainer: the same numbers, Keras's arguments, names and history."""

import csv
import math

import numpy as np
import pytest

from sparkdl import keras, nn, optim
from sparkdl.errors import DataError, UnsupportedError

RNG = np.random.default_rng(0)
X = RNG.standard_normal((120, 5)).astype(np.float32)
Y = (X @ RNG.standard_normal((5, 3))).argmax(1)


def net():
    nn.manual_seed(2)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3), nn.LogSoftmax())


def compiled(optimizer=None, **options):
    model = keras.Model(net())
    model.compile(optimizer or optim.SGD(0.1, 0.9), nn.NLLLoss(), ["accuracy"], **{"seed": 4, **options})
    return model


def trained(epochs=3, rule=None, weight=None, validation=None, **options):
    """The same by the Trainer itself."""
    model, loss = net(), nn.NLLLoss()
    loss.weighted_mean = False
    options = {"batch_size": 16, "seed": 4, "max_epochs": epochs, "progress": False, **options}
    trainer = optim.Trainer(model, loss, rule or optim.SGD(0.1, 0.9), **options)
    data = (X, Y) if weight is None else (X, Y, weight)
    history = trainer.fit(data, validation=validation, metrics=[optim.Loss(), optim.Top1Accuracy()])
    return model.state_dict(), history


def same(model, weights):
    for name, value in model.module.state_dict().items():
        np.testing.assert_array_equal(value, weights[name])


QUIET = {"batch_size": 16, "epochs": 3, "verbose": 0}


def test_the_numbers_are_the_trainers():
    model = compiled()
    history = model.fit(X, Y, validation_data=(X[:30], Y[:30]), **QUIET)
    weights, theirs = trained(validation=(X[:30], Y[:30]))
    same(model, weights)
    assert history is model.history and history.epoch == [0, 1, 2]
    assert history.history["loss"] == theirs["loss"]
    assert history.history["val_loss"] == theirs["Loss"]
    assert history.history["val_accuracy"] == theirs["Top1Accuracy"]
    assert set(history.history) == {"loss", "accuracy", "lr", "val_loss", "val_accuracy"}
    assert len(history.trainer) == 3


def test_class_and_sample_weights_are_weights_of_the_trainer():
    given = np.random.default_rng(1).random(len(X))
    model = compiled()
    model.fit(X, Y, class_weight={0: 3.0, 2: 0.5}, sample_weight=given, **QUIET)
    same(model, trained(weight=given * np.array([3.0, 1.0, 0.5])[Y])[0])


def test_validation_split_takes_the_last_rows():
    model, other = compiled(), compiled()
    ours = model.fit(X, Y, validation_split=0.25, sample_weight=np.ones(120), **QUIET)
    theirs = other.fit(X[:90], Y[:90], validation_data=(X[90:], Y[90:]), sample_weight=np.ones(90), **QUIET)
    assert ours.history == theirs.history
    same(model, other.module.state_dict())


def test_names_stand_for_objects_with_kerass_numbers():
    model = keras.Model(net())
    model.compile("adam", "mse", metrics=["mae"])
    assert repr(model.optimizer) == repr(optim.Adam(eps=1e-7)) and isinstance(model.loss, nn.MSELoss)
    assert isinstance(model.metrics[0].metric, optim.MAE) and model.metrics[0].name == "mae"
    for name, cls in (("sgd", "SGD"), ("rmsprop", "RMSprop"), ("nadam", "NAdam"), ("ftrl", "Ftrl")):
        model.compile(name, "mae")
        assert type(model.optimizer).__name__ == cls
    assert model.optimizer.lr == 0.001
    model.compile("sgd", nn.BCEWithLogitsLoss(), ["acc", "accuracy"])
    assert [m.name for m in model.metrics] == ["acc", "accuracy"] and model.metrics[0].metric.threshold == 0


def test_accuracy_takes_class_numbers_and_one_hot_targets():
    accuracy = keras.Model(net())
    accuracy.compile("sgd", "categorical_crossentropy", ["accuracy"])
    (metric,) = accuracy.metrics
    scores, labels = RNG.random((20, 3)), RNG.integers(0, 3, 20)
    assert metric(scores, labels) == metric(scores, np.eye(3)[labels]) == (scores.argmax(1) == labels).mean()


def test_evaluate_gives_the_loss_first():
    model = compiled()
    loss, accuracy = model.evaluate(X, Y)
    assert loss == pytest.approx(nn.NLLLoss()(model.module.eval()(X), Y))
    assert accuracy == (model.predict(X).argmax(1) == Y).mean()
    assert model.evaluate(X, Y, return_dict=True) == {"loss": loss, "accuracy": accuracy}
    model.compile("sgd", nn.NLLLoss())
    assert model.evaluate(X, Y, sample_weight=np.ones(120)) == pytest.approx(loss)


def test_several_inputs_and_outputs():
    a, b = nn.Input((5,), "a"), nn.Input((5,), "b")
    model = keras.Model([a, b], [nn.Linear(5, 3)(a), nn.Linear(5, 2)(b)])
    model.compile("sgd", [nn.CrossEntropyLoss(), "mse"], loss_weights=[1.0, 0.5])
    history = model.fit([X, X], [Y, X[:, :2]], epochs=2, validation_split=0.2, verbose=0)
    assert len(history.history["loss"]) == 2
    assert [y.shape for y in model.predict([X, X])] == [(120, 3), (120, 2)]


def test_sequential_takes_layers_one_by_one():
    model = keras.Sequential([nn.Linear(5, 4)])
    model.add(nn.ReLU())
    assert model(X).shape == (120, 4) and "ReLU" in model.summary((5,))


class Noting(keras.Callback):
    def __init__(self):
        self.seen = []

    def on_train_begin(self, logs=None):
        self.seen.append("train")

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(f"begin {epoch}")

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(f"end {epoch} {sorted(logs)}")

    def on_train_end(self, logs=None):
        self.seen.append("done")


def test_callbacks_hear_of_epochs_in_order():
    note = Noting()
    compiled().fit(X, Y, callbacks=[note], batch_size=16, initial_epoch=2, epochs=4, verbose=0)
    figures = "['accuracy', 'loss', 'lr']"
    assert note.seen == ["train", "begin 2", f"end 2 {figures}", "begin 3", f"end 3 {figures}", "done"]
    assert note.params["epochs"] == 4 and note.params["metrics"] == ["loss", "accuracy"]


def test_a_callback_ends_training_here():
    def stop(epoch, logs):
        model.stop_training = epoch == 1

    model = compiled()
    history = model.fit(X, Y, callbacks=keras.LambdaCallback(on_epoch_end=stop), batch_size=16, epochs=9, verbose=0)
    assert history.epoch == [0, 1]
    same(model, trained(2)[0])


def test_early_stopping_is_kerass_rule_and_restores_the_best_weights(tmp_path):
    stop = keras.EarlyStopping("val_loss", patience=2, min_delta=0.001, restore_best_weights=True)
    saved = keras.ModelCheckpoint(tmp_path / "best", save_best_only=True)
    model = compiled(optim.SGD(4.0, 0.9))
    losses = model.fit(X, Y, validation_data=(X[:40], Y[:40]), callbacks=[stop, saved], **{**QUIET, "epochs": 40})
    losses = losses.history["val_loss"]
    best, waited = math.inf, [0]
    for value in losses:
        best, now = (value, 0) if value < best - 0.001 else (best, waited[-1] + 1)
        waited.append(now)
    assert len(losses) < 40 and waited[-1] == 2 and max(waited[:-1]) < 2
    assert model.evaluate(X[:40], Y[:40])[0] == best
    assert keras.Model(nn.load(tmp_path / "best")).module is not model.module


def keras_plateau(losses, lr, factor, patience, min_delta, cooldown, min_lr):
    """Keras's callback, written out: the rate of each epoch."""
    best, wait, cooling, rates = math.inf, 0, 0, []
    for value in losses:
        rates.append(lr)
        if cooling > 0:
            cooling, wait = cooling - 1, 0
        if value < best - min_delta:
            best, wait = value, 0
        elif cooling <= 0:
            wait += 1
            if wait >= patience and lr > min_lr:
                lr, cooling, wait = max(lr * factor, min_lr), cooldown, 0
    return rates


@pytest.mark.parametrize("patience", [0, 1, 3])
@pytest.mark.parametrize("cooldown", [0, 1, 2])
def test_the_plateau_rule_is_kerass(patience, cooldown):
    losses = [5, 4, 4.2, 4.1, 4.05, 3.9, 4, 4, 4, 4, 3.895, 4, 4, 4, 4, 4, 4, 4, 4, 4]
    given = {"factor": 0.5, "patience": patience, "min_delta": 0.01, "cooldown": cooldown, "min_lr": 0.02}
    schedule = keras.ReduceLROnPlateau("val_loss", **given).schedule(0)
    rates = [schedule(1.0, optim.Progress(history=[{"val_loss": v} for v in losses[:n]])) for n in range(len(losses))]
    assert rates == pytest.approx(keras_plateau(losses, 1.0, **given))


def test_a_schedule_of_epochs_sees_the_rate_before():
    halved = keras.LearningRateScheduler(lambda epoch, lr: lr * 0.5 if epoch else lr)
    seen = compiled().fit(X, Y, callbacks=[halved], **QUIET)
    assert seen.history["lr"] == pytest.approx([0.1, 0.05, 0.025])
    model = compiled(optim.SGD(0.1, schedule=optim.FixedLR()))
    seen = model.fit(X, Y, callbacks=[keras.LearningRateScheduler(lambda epoch: 1 / (1 + epoch))], **QUIET)
    assert seen.history["lr"] == pytest.approx([1, 1 / 2, 1 / 3])


def test_lines_in_a_file_go_on_where_they_ended(tmp_path):
    for first, append in ((0, False), (2, True)):
        log = keras.CSVLogger(tmp_path / "log.csv", append=append)
        compiled().fit(X, Y, callbacks=[log], batch_size=16, initial_epoch=first, epochs=first + 2, verbose=0)
    with open(tmp_path / "log.csv") as file:
        lines = list(csv.DictReader(file))
    assert [line["epoch"] for line in lines] == ["0", "1", "2", "3"]
    assert all(math.isfinite(float(line["loss"])) for line in lines)


def test_models_are_saved_under_names_with_figures(tmp_path):
    saved = keras.ModelCheckpoint(tmp_path / "{epoch:02d}-{val_accuracy:.1f}")
    model = compiled()
    model.fit(X, Y, validation_split=0.1, callbacks=[saved], **QUIET)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [name[:3] for name in names] == ["01-", "02-", "03-"]
    np.testing.assert_array_equal(nn.load(tmp_path / names[-1]).predict(X), model.predict(X))


def test_callbacks_hear_of_steps_and_may_end_training_there(tmp_path):
    seen = []
    model = compiled()

    def stop(batch, logs):
        model.stop_training = len(seen) == 15

    listen = keras.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: seen.append(f"begin {batch}"),
        on_train_batch_end=lambda batch, logs: seen.append(f"end {batch}") or stop(batch, logs),
        on_epoch_end=lambda epoch, logs: seen.append(f"epoch {epoch}"),
    )
    saved = keras.ModelCheckpoint(tmp_path / "{epoch}-{loss:.3f}.npz", save_freq=3, save_weights_only=True)
    model.fit(X, Y, callbacks=[listen, saved], steps_per_epoch=4, **QUIET)
    steps = [f"{what} {batch}" for batch in range(4) for what in ("begin", "end")]
    assert seen == [*steps, "epoch 0", *steps[:5], "end 2", "epoch 1"]
    assert [path.name[0] for path in sorted(tmp_path.iterdir())] == ["1", "2"]
    other = keras.Model(net())
    other.load_weights(max(tmp_path.iterdir()))
    same(compiled_like(model, steps=6), other.module.state_dict())


def compiled_like(model, steps):
    """A model trained for so many steps of epochs of four."""
    other = compiled()
    count = iter(range(99))

    def stop(batch, logs):
        other.stop_training = next(count) == steps - 1

    listen = keras.LambdaCallback(on_train_batch_end=stop)
    other.fit(X, Y, callbacks=listen, steps_per_epoch=4, **QUIET)
    return other


def test_a_second_fit_goes_on_where_the_first_ended():
    """Optimizer, order of rows, dropout: all as if there had been one call."""

    def make():
        nn.manual_seed(2)
        module = nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.2), nn.Tanh(), nn.Linear(8, 3), nn.LogSoftmax())
        model = keras.Model(module)
        model.compile(optim.Adam(0.01, schedule=optim.StepLR(2)), nn.NLLLoss(), ["accuracy"], seed=4)
        return model

    one, two = make(), make()
    whole = one.fit(X, Y, validation_split=0.1, **{**QUIET, "epochs": 4}).history
    parts = [two.fit(X, Y, validation_split=0.1, **{**QUIET, "epochs": 2}).history]
    parts.append(two.fit(X, Y, validation_split=0.1, **{**QUIET, "epochs": 4, "initial_epoch": 2}).history)
    assert whole == {name: [*parts[0][name], *parts[1][name]] for name in whole}
    same(one, two.module.state_dict())
    two.module["0"].freeze()
    with pytest.raises(RuntimeError, match="compile the model again"):
        two.fit(X, Y, **QUIET)
    two.compile("sgd", nn.NLLLoss())
    two.fit(X, Y, **QUIET)


def test_metrics_without_and_with_weights():
    model = keras.Model(net())
    model.compile(optim.SGD(0.0), nn.NLLLoss(), ["accuracy"], weighted_metrics=["accuracy"])
    weight = np.where(Y == 0, 3.0, 0.5)
    right = model.predict(X).argmax(1) == Y
    history = model.fit(X, Y, sample_weight=weight, validation_data=(X, Y, weight), **{**QUIET, "epochs": 1}).history
    for prefix in ("", "val_"):
        assert history[f"{prefix}accuracy"] == [right.mean()]
        assert history[f"{prefix}weighted_accuracy"] == [pytest.approx((right * weight).sum() / weight.sum())]


def test_sample_weights_may_stand_in_a_column():
    weight, figures = RNG.random((120, 1)), []
    for given in (weight, weight[:, 0], weight[:, 0].tolist()):
        model = compiled()
        history = model.fit(X, Y, sample_weight=given, validation_data=(X, Y, given), **QUIET).history
        figures.append((history, model.evaluate(X, Y, sample_weight=given)))
    assert figures[0] == figures[1] == figures[2]


def test_validation_after_chosen_epochs():
    for freq, count in ((2, 2), ([1, 4], 2), ([3], 1)):
        history = compiled().fit(X, Y, validation_split=0.1, validation_freq=freq, **{**QUIET, "epochs": 4})
        assert len(history.history["val_loss"]) == count and len(history.history["loss"]) == 4


def test_training_ends_at_a_loss_that_is_not_finite(capsys):
    model = compiled(optim.SGD(1e38))
    with np.errstate(all="ignore"):
        model.fit(X, Y, callbacks=[keras.TerminateOnNaN()], **QUIET)
    assert "not finite" in capsys.readouterr().out


def test_evaluate_and_predict_tell_callbacks():
    seen = []

    class Asked(keras.Callback):
        def on_test_end(self, logs=None):
            seen.append(logs)

        def on_predict_begin(self, logs=None):
            seen.append(self.model)

    model = compiled()
    figures = model.evaluate(X, Y, batch_size=7, verbose=0, callbacks=[Asked()], return_dict=True)
    model.predict(X, callbacks=Asked())
    assert seen == [figures, model]


def test_weights_come_and_go_as_arrays():
    model, other = compiled(), compiled()
    model.fit(X, Y, **QUIET)
    other.set_weights(model.get_weights())
    same(other, model.module.state_dict())
    with pytest.raises(ValueError, match="4 arrays, got 1"):
        other.set_weights([0])


class OfBatches(keras.Callback):
    def on_test_batch_end(self, batch, logs=None):
        pass


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda m: keras.Model(net()).fit(X, Y), RuntimeError, "compile the model first"),
        (lambda m: keras.Model(3), TypeError, "got int"),
        (lambda m: m.compile("adam"), ValueError, "give a loss"),
        (lambda m: m.compile("quick", "mse"), ValueError, "no optimizer is called 'quick'"),
        (lambda m: m.compile("sgd", "mse", ["quality"]), ValueError, "no metric is called 'quality'"),
        (lambda m: m.compile("sgd", "mse", [3]), TypeError, "got 3"),
        (lambda m: m.compile("sgd", "mse", [optim.MAE]), TypeError, "make an object of it, MAE"),
        (lambda m: m.compile("sgd", nn.MSELoss), TypeError, "got the class MSELoss; make an object of it"),
        (lambda m: m.compile("sgd", "mse", loss_weights=[1.0, 2.0]), ValueError, "loss_weights is a list"),
        (lambda m: m.compile("sgd", "mse", ["sum"]), ValueError, "knows no targets"),
        (lambda m: m.compile("sgd", "mse", ["precision_at_recall"]), ValueError, "needs a recall"),
        (lambda m: m.compile("sgd", "mse", batch_size=3), TypeError, "is for fit to say"),
        (lambda m: m.compile("sgd", "mse", sead=3), TypeError, "sead"),
        (lambda m: m.fit(X, Y, callbacks=[print]), TypeError, "keras.Callback"),
        (lambda m: m.fit(X, Y, callbacks=[OfBatches()]), UnsupportedError, "in training only"),
        (
            lambda m: m.fit(X, Y, sample_weight=np.ones((120, 2))),
            DataError,
            r"one number per sample, .* got shape \(120, 2\)",
        ),
        (lambda m: m.fit(X, Y, validation_split=1.0), ValueError, "in \\(0, 1\\)"),
        (lambda m: m.fit(X, Y, validation_split=0.1, validation_data=(X, Y)), ValueError, "not both"),
        (lambda m: m.fit(X, Y, epochs=2, initial_epoch=2), ValueError, "epochs must be"),
        (lambda m: m.fit(X, Y, steps_per_epoch=20), ValueError, "make 4 batches"),
        (lambda m: m.fit(X, Y, steps_per_epoch=0), ValueError, "steps_per_epoch must be"),
        (lambda m: m.fit(X, Y, batch_size=0), ValueError, "batch_size must be"),
        (lambda m: m.fit(X, Y, validation_freq=0), ValueError, "freq must be"),
        (lambda m: m.fit(X, Y, validation_steps=3), UnsupportedError, "all rows"),
        (lambda m: m.evaluate(X, Y, steps=3), UnsupportedError, "all rows"),
        (lambda m: m.compile("sgd", "mse", "mae"), TypeError, "list of metrics"),
        (lambda m: m.fit(X, Y, callbacks=[keras.EarlyStopping("val_f1")]), ValueError, "val_f1"),
    ],
)
def test_wrong_arguments_get_one_clear_message(call, error, words):
    with pytest.raises(error, match=words):
        call(compiled())
