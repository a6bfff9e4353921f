"""Layers that look whole numbers up, whose real forms need TensorFlow: Keras's documented rules, written out."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sparkdl.errors import DataError, UnsupportedError
from sparkdl.importers import load_keras

X = np.array([[3, 5, 7], [9, 8, 3]], np.int32)


def lookup(folder, **config):
    layers = [{"class_name": "IntegerLookup", "config": {"name": "lookup", "batch_input_shape": [None, 3], "vocabulary": [3, 5, 7], **config}}]
    path = folder / "model.json"
    path.write_text(json.dumps({"class_name": "Sequential", "config": {"name": "m", "layers": layers}, "keras_version": "2.15.0"}))
    return load_keras(path)


@pytest.mark.parametrize(
    "config, wanted",
    [
        ({}, [[1, 2, 3], [0, 0, 1]]),
        ({"num_oov_indices": 2}, [[2, 3, 4], [1, 0, 2]]),
        ({"mask_token": 0}, [[2, 3, 4], [1, 1, 2]]),
        ({"vocabulary": [-1, 3, 5, 7]}, [[1, 2, 3], [0, 0, 1]]),
        ({"output_mode": "multi_hot"}, [[0, 1, 1, 1], [1, 1, 0, 0]]),
        ({"output_mode": "count", "pad_to_max_tokens": True, "max_tokens": 5}, [[0, 1, 1, 1, 0], [2, 1, 0, 0, 0]]),
        ({"output_mode": "tf_idf", "idf_weights": [1.0, 2.0, 3.0]}, [[0, 1, 2, 3], [4, 1, 0, 0]]),
    ],
)
def test_numbers_become_places(tmp_path, config, wanted):
    np.testing.assert_allclose(lookup(tmp_path, **config)(X), wanted)


def test_places_become_numbers(tmp_path):
    np.testing.assert_array_equal(lookup(tmp_path, invert=True)(np.int32([[0, 1, 3]])), [[-1, 3, 7]])


def test_numbers_that_are_unknown_without_a_place_for_them(tmp_path):
    with pytest.raises(DataError, match="9 is not among"):
        lookup(tmp_path, num_oov_indices=0)(X)


def test_a_vocabulary_that_is_elsewhere(tmp_path):
    with pytest.raises(UnsupportedError, match="give it as vocabulary"):
        lookup(tmp_path, vocabulary=None)
