"""Layers that look whole numbers up, whose real forms need TensorFlow: Keras's documented rules, written out."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sparkdl.errors import DataError, UnsupportedError
from sparkdl.importers import load_keras
from sparkdl.nn.layers.hashes import fingerprint, siphash

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


def hashed(folder, kind, count, **config):
    inputs = [{"class_name": "InputLayer", "name": f"x{i}", "config": {"name": f"x{i}", "batch_input_shape": [None, 1], "dtype": "int64"}, "inbound_nodes": []} for i in range(count)]
    node = [[[f"x{i}", 0, 0, {}] for i in range(count)]]
    layer = {"class_name": kind, "name": "h", "config": {"name": "h", **config}, "inbound_nodes": node}
    model = {"name": "m", "layers": [*inputs, layer], "input_layers": [[f"x{i}", 0, 0] for i in range(count)], "output_layers": [["h", 0, 0]]}
    (folder / "model.json").write_text(json.dumps({"class_name": "Functional", "config": model, "keras_version": "2.15.0"}))
    return load_keras(folder / "model.json")


FIVE = np.arange(5)[:, None]


@pytest.mark.parametrize(
    "config, wanted",  # as in Keras's own tests of 0 to 4
    [
        ({"num_bins": 3}, [[1], [0], [1], [0], [2]]),
        ({"num_bins": 3, "salt": [133, 137]}, [[1], [1], [2], [0], [1]]),
        ({"num_bins": 4, "mask_value": 1}, [[2], [0], [2], [1], [3]]),
        ({"num_bins": 3, "output_mode": "one_hot"}, np.eye(3)[[1, 0, 1, 0, 2]]),
    ],
)
def test_numbers_become_bins(tmp_path, config, wanted):
    np.testing.assert_array_equal(hashed(tmp_path, "Hashing", 1, **config)(FIVE), wanted)


def test_fingerprints_are_farmhash_s():
    """Of numbers of all lengths, as Google's own library gives them (pyfarmhash 0.5.1)."""
    known = {b"7": 9813730750082856088, b"-42": 16304005864742066718, b"12345": 16550883754376084728, b"123456789": 7102376421209267306, b"-9223372036854775808": 1493431938208774112}
    assert {text: fingerprint(text) for text in known} == known
    key = [int.from_bytes(bytes(range(i, i + 8)), "little") for i in (0, 8)]
    assert siphash(bytes(range(15)), *key) == 0xA129CA6149BE45E5  # appendix A of the paper


def test_crossed_numbers_become_bins(tmp_path):
    """The strings of Keras's own test by their fingerprints, which is how they enter the hash."""
    letters = np.array([fingerprint(text) for text in (b"A", b"B", b"A", b"B", b"A")], np.uint64).view(np.int64)[:, None]
    numbers = np.array([101, 101, 101, 102, 102])[:, None]
    np.testing.assert_array_equal(hashed(tmp_path, "HashedCrossing", 2, num_bins=5)(letters, numbers), [[1], [4], [1], [1], [3]])


def test_strings_are_refused(tmp_path):
    layers = [{"class_name": "Hashing", "config": {"name": "h", "batch_input_shape": [None, 1], "num_bins": 3, "mask_value": ""}}]
    layers = [{"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 1], "dtype": "string"}}, *layers]
    (tmp_path / "model.json").write_text(json.dumps({"class_name": "Sequential", "config": {"name": "m", "layers": layers}, "keras_version": "2.15.0"}))
    with pytest.raises(UnsupportedError, match="(?s)'x' .InputLayer.: takes strings.*'h' .Hashing.: its mask_value is a string"):
        load_keras(tmp_path / "model.json")


def test_places_become_numbers(tmp_path):
    np.testing.assert_array_equal(lookup(tmp_path, invert=True)(np.int32([[0, 1, 3]])), [[-1, 3, 7]])


def test_numbers_that_are_unknown_without_a_place_for_them(tmp_path):
    with pytest.raises(DataError, match="9 is not among"):
        lookup(tmp_path, num_oov_indices=0)(X)


def test_a_vocabulary_that_is_elsewhere(tmp_path):
    with pytest.raises(UnsupportedError, match="give it as vocabulary"):
        lookup(tmp_path, vocabulary=None)
