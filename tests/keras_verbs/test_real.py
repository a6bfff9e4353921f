"""The same nets, rows, options and callbacks give real Keras's histories."""

from __future__ import annotations

import os

import numpy as np
import pytest

from sparkdl import keras as ours
from sparkdl import nn, optim

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")

RNG = np.random.default_rng(3)
X = RNG.standard_normal((90, 5)).astype(np.float32)
Y = (X @ RNG.standard_normal((5, 3))).argmax(1)
WEIGHTS = [
    w.astype(np.float32) * 0.4
    for w in (RNG.standard_normal((5, 8)), np.zeros(8), RNG.standard_normal((8, 3)), np.zeros(3))
]
SAMPLES = RNG.uniform(0.2, 2, 90).astype(np.float32)


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # nets this small only wait for more
    yield pytest.importorskip("keras")
    torch.set_num_threads(threads)


def real(keras, **options):
    layers = [keras.Input((5,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(3, "softmax")]
    model = keras.Sequential(layers)
    model.set_weights(WEIGHTS)
    model.compile(loss="sparse_categorical_crossentropy", **options)
    return model


def own(_, **options):
    module = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3), nn.Softmax())
    module.load_state_dict(dict(zip(module.state_dict(), (w.T for w in WEIGHTS), strict=True)))
    model = ours.Model(module)
    model.compile(loss="sparse_categorical_crossentropy", **options)
    return model


def fits(model, api, calls, **shared):
    """The histories of calls of ``fit``, and what a callback heard."""
    heard = []

    def note(what):
        def told(self, *args, **logs):
            heard.append((what, *[each for each in args if isinstance(each, int)]))

        return told

    names = [
        "on_train_begin",
        "on_train_end",
        "on_epoch_begin",
        "on_epoch_end",
        "on_train_batch_begin",
        "on_train_batch_end",
    ]
    listener = type("Listener", (api.callbacks.Callback,), {n: note(n) for n in names})
    found = []
    for call in calls:
        made = call.get("callbacks", lambda api: [])(api.callbacks)
        options = {
            "batch_size": 16,
            "epochs": 3,
            "verbose": 0,
            "shuffle": False,
            **shared,
            **call,
            "callbacks": [listener(), *made],
        }
        history = model.fit(X, Y, **options)
        found.append({"epoch": history.epoch, **history.history})
    return found, heard


SPLIT = {"validation_split": 0.3}


def told(name, *args, **options):
    """A call's callback."""
    return {"callbacks": lambda c: [getattr(c, name)(*args, **options)]}


CALLS = {
    "two fits": [{}, {"epochs": 2}],
    "validation data, weighted": [{"validation_data": (X[:20], Y[:20], SAMPLES[:20]), "sample_weight": SAMPLES}],
    "class weights": [{"class_weight": {0: 2.0, 1: 0.5, 2: 1.0}, "validation_split": 0.1}],
    "every second epoch": [{**SPLIT, "validation_freq": 2, "epochs": 5}],
    "chosen epochs, later ones": [{**SPLIT, "validation_freq": [1, 5], "initial_epoch": 3, "epochs": 6}],
    "early stopping": [{**SPLIT, "epochs": 15, **told("EarlyStopping", min_delta=0.04, patience=2)}],
    "best weights": [
        {**SPLIT, "epochs": 9, **told("EarlyStopping", "val_accuracy", patience=3, restore_best_weights=True)},
        {"epochs": 1},
    ],
    "a baseline": [{**SPLIT, "epochs": 9, **told("EarlyStopping", patience=2, baseline=0.1, start_from_epoch=3)}],
    "training figures": [{"epochs": 15, **told("EarlyStopping", "accuracy", patience=1, mode="max")}],
    "a plateau, twice": [{**SPLIT, "epochs": 6, **told("ReduceLROnPlateau", patience=1, min_delta=0.05, factor=0.5)}]
    * 2,
    "a schedule of epochs, twice": [told("LearningRateScheduler", lambda epoch, lr: lr * 0.8)] * 2,
}


@pytest.mark.parametrize("name", CALLS)
def test_histories_and_calls_are_kerass(keras, name):
    optimizer = "sgd" if name == "class weights" else "adam"
    models = [make(keras, optimizer=optimizer, metrics=["accuracy"]) for make in (real, own)]
    (theirs, told), (found, heard) = (fits(m, api, CALLS[name]) for m, api in zip(models, (keras, ours), strict=True))
    for ours_, theirs_ in zip(found, theirs, strict=True):
        ours_.pop("lr")
        theirs_.pop("learning_rate", None)
        assert ours_.keys() == theirs_.keys()
        for key in ours_:
            np.testing.assert_allclose(ours_[key], theirs_[key], rtol=2e-5, atol=1e-6, err_msg=key)
    assert heard == told
    for a, b in zip(models[1].get_weights(), models[0].get_weights(), strict=True):
        np.testing.assert_allclose(a.T, b, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        models[1].evaluate(X, Y, sample_weight=SAMPLES),
        models[0].evaluate(X, Y, sample_weight=SAMPLES, verbose=0),
        rtol=2e-5,
    )


def test_penalties_count_in_loss_and_gradient_as_kerass(keras):
    L, R = keras.layers, keras.regularizers
    theirs = keras.Sequential(
        [
            keras.Input((5,)), L.Dense(8, "tanh", kernel_regularizer=R.L1L2(0.01, 0.02)),
            L.ActivityRegularization(0.03, 0.05), L.Dense(3, "softmax", bias_regularizer="l2"),
        ]
    )  # fmt: skip
    theirs.set_weights(WEIGHTS)
    penalty = nn.ActivityRegularization(0.03, 0.05)
    module = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), penalty, nn.Linear(8, 3), nn.Softmax())
    module.load_state_dict(dict(zip(module.state_dict(), (w.T for w in WEIGHTS), strict=True)))
    model = ours.Model(module)
    groups = {"0.weight": {"regularizer": optim.L1L2(0.01, 0.02)}, "3.bias": {"regularizer": optim.L2(0.01)}}
    figures = []
    for each, rule in ((theirs, "sgd"), (model, optim.SGD(0.01, groups=groups))):
        each.compile(rule, "sparse_categorical_crossentropy")
        figures.append(each.fit(X, Y, batch_size=16, epochs=3, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(figures[1], figures[0], rtol=1e-5)
    for a, b in zip(model.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a.T, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["sgd", "rmsprop", "adam", "adamw", "adamax", "nadam", "adagrad", "adadelta", "ftrl", "lion"]
)
def test_an_optimizer_by_name_has_kerass_defaults(keras, name):
    figures = [
        each.fit(X, Y, batch_size=16, epochs=2, shuffle=False, verbose=0).history["loss"]
        for each in (real(keras, optimizer=name), own(keras, optimizer=name))
    ]
    # Keras's RMSprop adds epsilon under the root
    np.testing.assert_allclose(figures[1], figures[0], rtol=1e-4 if name == "rmsprop" else 5e-6)


ROWS, CHOSEN = RNG.uniform(0.05, 0.95, (2, 20, 3)).astype(np.float32), RNG.integers(0, 3, 20)
SHARES = ROWS / ROWS.sum(2, keepdims=True)
NAMES = {  # outputs and targets
    **dict.fromkeys("mse mean_squared_error mae mape msle poisson huber log_cosh cosine_similarity".split(), ROWS),
    **dict.fromkeys(["hinge", "squared_hinge"], (ROWS[0], np.sign(ROWS[1] - 0.5))),
    **dict.fromkeys(["kld", "kl_divergence"], SHARES),
    "binary_crossentropy": (ROWS[0], np.round(ROWS[1])),
    **dict.fromkeys(["categorical_crossentropy", "categorical_hinge"], (SHARES[0], np.eye(3)[CHOSEN])),
    "sparse_categorical_crossentropy": (SHARES[0], CHOSEN),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_loss_by_name_is_kerass_and_so_is_the_metric(keras, name):
    y, target = NAMES[name]
    models = keras.Sequential([keras.Input((3,)), keras.layers.Identity()]), ours.Model(nn.Identity())
    no_metric = {"kld", "huber", "log_cosh", "cosine_similarity"}  # unknown to Keras, the last one of another sign
    metrics = [] if name in no_metric or target.ndim == 1 else [name]
    for each in models:
        each.compile("sgd", name, metrics=metrics)
    wanted, found = models[0].evaluate(y, target, verbose=0), models[1].evaluate(y, target)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
