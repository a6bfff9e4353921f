"""Training in Keras's words, on arrays and on a Spark DataFrame: the digits that ship with scikit-learn.

    python examples/keras_style.py

Both ways end with the same weights, bit for bit.
"""

import os
import sys

import numpy as np
from pyspark.sql import SparkSession
from sklearn.datasets import load_digits

from sparkdl import keras, nn


def main() -> None:
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    held_out = np.arange(len(x)) % 5 == 0
    train, test = (x[~held_out], y[~held_out]), (x[held_out], y[held_out])

    here = digits_model()
    history = here.fit(
        *train, batch_size=64, epochs=30, validation_data=test,
        callbacks=[keras.EarlyStopping("val_accuracy", patience=5, restore_best_weights=True)],
    )  # fmt: skip
    loss, accuracy = here.evaluate(*test)
    print(f"here: {len(history.epoch)} epochs, loss {loss:.3f}, right on {accuracy:.1%} of {len(test[0])} others")

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = SparkSession.builder.master("local[2]").config("spark.ui.showConsoleProgress", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    frames = [spark.createDataFrame(list(zip(a.tolist(), b.tolist(), strict=True)), COLUMNS) for a, b in (train, test)]
    there = digits_model()
    there.fit(
        frames[0], "digit", features="pixels", batch_size=64, epochs=30, validation_data=frames[1],
        callbacks=[keras.EarlyStopping("val_accuracy", patience=5, restore_best_weights=True)],
    )  # fmt: skip
    weights = zip(here.module.parameters(), there.module.parameters(), strict=True)
    print("on Spark: the same weights" if all((a.value == b.value).all() for a, b in weights) else "weights differ")
    there.predict(frames[1], features="pixels").select("digit", "prediction").show(3, truncate=40)
    spark.stop()


COLUMNS = "pixels array<float>, digit long"


def digits_model() -> keras.Model:
    nn.manual_seed(1)
    model = keras.Sequential([nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10), nn.Softmax()])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], seed=1)
    return model


if __name__ == "__main__":
    main()
