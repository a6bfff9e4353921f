"""The same words for DataFrames, whose numbers are those of arrays."""

import numpy as np
import pytest

from sparkdl import keras, nn, optim
from sparkdl.errors import UnsupportedError

RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 2] > 1)


def compiled():
    nn.manual_seed(2)
    model = keras.Model(nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3), nn.Softmax()))
    model.compile(optim.SGD(0.3, 0.9), "sparse_categorical_crossentropy", ["accuracy"], seed=4)
    return model


@pytest.fixture(scope="module")
def frame(local):
    rows = [(x.tolist(), int(y)) for x, y in zip(X, Y, strict=True)]
    return local.createDataFrame(rows, "pixels array<float>, kind long")


def test_a_dataframe_gives_the_numbers_of_arrays(frame):
    heard = []
    listen = keras.LambdaCallback(on_epoch_end=lambda epoch, logs: heard.append((epoch, logs["val_loss"])))
    slower = keras.LearningRateScheduler(lambda epoch, lr: lr * 0.9)
    stop = keras.EarlyStopping("val_loss", min_delta=0.02, patience=1, restore_best_weights=True)
    options = {"batch_size": 32, "epochs": 8, "verbose": 0, "class_weight": {2: 2.0}}
    model, other = compiled(), compiled()
    history = model.fit(
        frame, "kind", features="pixels", validation_data=frame, callbacks=[listen, slower, stop], **options
    )
    theirs = other.fit(X, Y, validation_data=(X, Y), callbacks=[slower, stop], **options)
    assert history.history == theirs.history
    assert heard == list(enumerate(history.history["val_loss"]))
    for name, value in model.module.state_dict().items():
        np.testing.assert_array_equal(value, other.module.state_dict()[name])
    assert model.evaluate(frame, "kind", features="pixels") == other.evaluate(X, Y)
    rows = model.predict(frame, features="pixels").collect()
    np.testing.assert_allclose([row.prediction for row in rows], model.predict(X), rtol=1e-6)


def test_what_cannot_be_done_from_the_driver_is_refused(frame, tmp_path):
    model = compiled()
    for options, words in (
        ({"callbacks": [keras.ModelCheckpoint(tmp_path)]}, "checkpoint=folder"),
        ({"validation_split": 0.1}, "randomSplit"),
    ):
        with pytest.raises(UnsupportedError, match=words):
            model.fit(frame, "kind", features="pixels", verbose=0, **options)
