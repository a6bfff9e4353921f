"""ArrayFeed: every row in its place, in the right type, and clear errors for arrays that do not fit."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkdl.data import ArrayFeed, EpochPlan, rowhash
from sparkdl.errors import DataError


def epoch(feed, batch_size=7, seed=1, shuffle=True):
    """All batches of one epoch, put together."""
    plan = EpochPlan(feed.counts, batch_size, seed, 0, shuffle)
    return [feed.rows(plan.batch(step)) for step in range(plan.steps)]


@given(st.integers(1, 100), st.integers(1, 30), st.sampled_from([np.float32, np.float64, np.int32, np.int64, np.uint8]))
@settings(deadline=None, max_examples=30)
def test_every_row_comes_once_with_its_label_and_weight(n, batch_size, dtype):
    rng = np.random.default_rng(n)
    x = rng.integers(0, 200, (n, 3)).astype(dtype)
    x[:, 0] = np.arange(n)
    feed = ArrayFeed(x, np.arange(n), np.arange(n) / 2)
    parts = epoch(feed, batch_size)
    inputs = np.concatenate([p.inputs[0] for p in parts])
    target = np.concatenate([p.target for p in parts])
    assert inputs.dtype == (dtype if np.dtype(dtype).kind == "i" else np.float32)
    assert sorted(target) == list(range(n))
    assert np.array_equal(inputs, x[target])
    assert np.array_equal(np.concatenate([p.weight for p in parts]), target / 2)


def test_the_order_does_not_depend_on_how_the_rows_came():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 4)).astype(np.float32), rng.integers(0, 3, 200)
    x[50:100], y[50:100] = x[:50], y[:50]  # equal rows
    mixed = rng.permutation(200)
    for a, b in zip(epoch(ArrayFeed(x, y)), epoch(ArrayFeed(x[mixed], y[mixed])), strict=True):
        assert np.array_equal(a.inputs[0], b.inputs[0])
        assert np.array_equal(a.target, b.target)


def test_different_rows_of_equal_hash_are_put_in_order_by_content():
    ids = np.array([2**24, 2**24 + 1, 7, 2**24], np.int64)[:, None]  # the first two are one number in float32
    forth, back = ArrayFeed(ids, shards=1), ArrayFeed(ids[::-1], shards=1)
    assert np.array_equal(epoch(forth)[0].inputs[0], epoch(back)[0].inputs[0])


def test_labels_and_features_hash_alike_whatever_their_type():
    x, y = np.arange(12).reshape(4, 3), np.arange(4)
    sums = {
        ArrayFeed(x.astype(a), y.astype(b)).hash_sum
        for a in (np.float32, np.float64, np.int32, np.int64)
        for b in (np.float32, np.float64, np.int64, np.uint8)
    }
    assert len(sums) == 1


def test_shuffle_false_visits_rows_as_they_come():
    x = np.arange(45, dtype=np.float32)
    parts = epoch(ArrayFeed(x, shuffle=False), 10, shuffle=False)
    assert [sorted(p.inputs[0]) for p in parts] == [list(x[a : a + 10]) for a in range(0, 50, 10)]


def test_order_by_replaces_the_content():
    x = np.arange(30, dtype=np.float32)
    by_id = [ArrayFeed(values, order_by=np.arange(30)) for values in (x, x * 2)]
    for a, b in zip(*map(epoch, by_id), strict=True):
        assert np.array_equal(a.inputs[0] * 2, b.inputs[0])
    text = ArrayFeed(x, order_by=[f"row {i}" for i in range(30)])
    assert np.array_equal(np.sort(np.concatenate([p.inputs[0] for p in epoch(text)])), x)


def test_several_inputs_and_targets_by_place_and_by_name():
    a, b = np.arange(6, dtype=np.float32), np.arange(12, dtype=np.int32).reshape(6, 2)
    by_place = ArrayFeed((a, b), (a, a * 2))
    by_name = ArrayFeed({"left": a, "right": b}, {"p": a, "q": a * 2})
    assert by_name.input_names == ("left", "right") and by_name.target_names == ("p", "q")
    for feed in (by_place, by_name):
        (rows,) = epoch(feed)
        left, right = rows.inputs
        assert np.array_equal(right[:, 0], left * 2) and np.array_equal(rows.target[1], left * 2)


def test_sparse_matrices_give_the_same_batches_as_dense():
    dense = np.random.default_rng(0).integers(0, 3, (20, 5)).astype(np.float32)
    dense[3] = 0
    for matrix in (scipy.sparse.csr_matrix(dense), scipy.sparse.coo_array(dense)):
        for a, b in zip(epoch(ArrayFeed(matrix, dense[:, 0])), epoch(ArrayFeed(dense, dense[:, 0])), strict=True):
            assert np.array_equal(a.inputs[0], b.inputs[0])
            assert a.inputs[0].dtype == np.float32


def test_bytes_reach_the_transform_as_they_are():
    def lengths(inputs, batch):
        return (np.array([len(item) for item in inputs[0]], np.float32),)

    feed = ArrayFeed(np.array([b"a", b"bcd", b""], object), np.array([1, 3, 0]), transform=lengths)
    (rows,) = epoch(feed)
    assert np.array_equal(rows.inputs[0], rows.target)


def test_no_rows_make_an_empty_epoch():
    feed = ArrayFeed(np.empty((0, 3)), np.empty(0))
    assert feed.counts.tolist() == [0] * 8 and epoch(feed) == []


def test_float64_models_get_float64():
    (rows,) = epoch(ArrayFeed(np.array([0.1, 0.2]), np.array([0.1, 0.2]), dtype=np.float64))
    assert rows.inputs[0].dtype == rows.target.dtype == np.float64
    assert np.array_equal(rows.inputs[0], rows.target)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ArrayFeed(np.zeros((3, 2)), np.zeros(4)), "x has 3, y has 4"),
        (lambda: ArrayFeed((np.zeros(3), np.zeros(2))), r"x\[0\] has 3, x\[1\] has 2"),
        (lambda: ArrayFeed([[1, 2], [3]]), "x is not an array"),
        (lambda: ArrayFeed(5), "x must be an array with one entry per sample"),
        (lambda: ArrayFeed(None), "No arrays"),
        (lambda: ArrayFeed(np.zeros(2), [1.0, np.nan]), r"y\[1\] is nan"),
        (lambda: ArrayFeed(np.zeros(2), np.array(["cat", "dog"])), "Index text labels"),
        (lambda: ArrayFeed(np.zeros(2), np.zeros(2), [1, -1]), r"weight\[1\] is -1.0"),
        (lambda: ArrayFeed(np.zeros(2), np.zeros(2), np.ones((2, 1))), "one number per sample"),
        (lambda: ArrayFeed(np.zeros(2, complex)), "expected numbers"),
        (lambda: ArrayFeed(np.zeros(2), order_by=np.zeros(3)), "one entry per sample, 2, got 3"),
        (lambda: ArrayFeed(np.zeros(2), order_by=np.zeros(2), shuffle=False), "no effect"),
    ],
)
def test_arrays_that_do_not_fit_say_so(make, words):
    with pytest.raises(DataError, match=words):
        make()


def test_hashes_are_those_of_the_published_algorithm():
    """XXH64 of b"" and b"xxhash" with seed 0 are in its specification; Spark's chain starts at 42."""
    for text, expected in ((b"", 0xEF46DB3751D8E999), (b"xxhash", 0x32DD38952C4BC720)):
        hashes = np.zeros(1, np.int64)
        rowhash.fold_strings(hashes, np.frombuffer(text, np.uint8), np.array([0, len(text)]))
        assert hashes.view(np.uint64)[0] == expected
