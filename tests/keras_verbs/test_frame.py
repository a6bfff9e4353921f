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


def test_callbacks_steer_and_save_between_epochs(frame, tmp_path):
    """What a callback does to the model on a DataFrame it does to arrays too: same figures, same files."""

    def trained(tell, folder):
        model = compiled()

        def steer(epoch, logs):
            model.stop_training = epoch == 2
            if epoch == 0:
                model.set_weights([w * np.float32(0.5) for w in model.get_weights()])

        stop = keras.EarlyStopping("val_loss", patience=9, restore_best_weights=True)
        told = [keras.LambdaCallback(on_epoch_end=steer), keras.ModelCheckpoint(folder / "{epoch}"), stop]
        history = tell(model, callbacks=told, batch_size=48, epochs=5, verbose=0)
        again = tell(model, batch_size=48, epochs=1, verbose=0)
        return model, history.history, again.history

    def on_frame(model, **options):
        return model.fit(frame, "kind", features="pixels", validation_data=frame, **options)

    def on_arrays(model, **options):
        return model.fit(X, Y, validation_data=(X, Y), **options)

    ours, *histories = trained(on_frame, tmp_path / "frame")
    theirs, *others = trained(on_arrays, tmp_path / "arrays")
    assert histories == others and len(histories[0]["loss"]) == 3 and len(histories[1]["accuracy"]) == 1
    for epoch in "123":
        loaded = [nn.load(tmp_path / kind / epoch).state_dict() for kind in ("frame", "arrays")]
        for name, value in loaded[0].items():
            np.testing.assert_array_equal(value, loaded[1][name])
    for name, value in ours.module.state_dict().items():
        np.testing.assert_array_equal(value, theirs.module.state_dict()[name])


def test_a_share_of_the_rows_is_held_out_by_their_hash(frame):
    from sparkdl.data.frame import split_rows

    kept, held = split_rows(frame, 0.25, "pixels", "kind")
    one, other = kept.collect(), held.collect()
    assert len(one) + len(other) == 200 and 30 < len(other) < 70
    assert not {row.pixels[0] for row in one} & {row.pixels[0] for row in other}
    again = split_rows(frame.repartition(3), 0.25, "pixels", "kind")[1].collect()
    assert sorted(row.pixels for row in other) == sorted(row.pixels for row in again)
    options = {"batch_size": 32, "epochs": 1, "verbose": 0}
    split = compiled().fit(frame, "kind", features="pixels", validation_split=0.25, class_weight={1: 2.0}, **options)
    arrays = [
        (np.array([r.pixels for r in rows], np.float32), np.array([r.kind for r in rows])) for rows in (one, other)
    ]
    theirs = compiled().fit(*arrays[0], validation_data=arrays[1], class_weight={1: 2.0}, **options)
    assert split.history == theirs.history


def test_what_cannot_be_done_from_the_driver_is_refused(frame):
    listen = keras.LambdaCallback(on_train_batch_end=print)
    with pytest.raises(UnsupportedError, match="every step"):
        compiled().fit(frame, "kind", features="pixels", verbose=0, callbacks=[listen])
    with pytest.raises(ValueError, match="not both"):
        compiled().fit(frame, "kind", features="pixels", validation_split=0.1, validation_data=frame)
