"""Arrow batches to feeds without Spark: every kind of column, in memory and in files alike."""

import numpy as np
import pyarrow as pa
import pytest

from sparkdl.data.fields import Field
from sparkdl.data.order import Batch
from sparkdl.data.taskrows import HASH, FramePlan
from sparkdl.errors import DataError

N, PARTS = 90, 9
RNG = np.random.default_rng(0)
DENSE = np.where(RNG.random((N, 30)) < 0.1, RNG.normal(size=(N, 30)), 0)
FILES = [RNG.bytes(int(size)) for size in RNG.integers(0, 40, N)]
SIZES = RNG.integers(1, 5, (N, 3))
PIXELS = [RNG.integers(0, 256, size, np.uint8) for size in SIZES]
VECTOR = pa.struct([("type", pa.int8()), ("size", pa.int32()), ("indices", pa.list_(pa.int32())),
                    ("values", pa.list_(pa.float64()))])  # fmt: skip


def vector(row):
    at = np.flatnonzero(row)
    return {"type": 0, "size": len(row), "indices": at.tolist(), "values": row[at].tolist()}


COLUMNS = {
    "vector": (pa.array([vector(row) for row in DENSE], VECTOR), DENSE.astype(np.float32)),
    "bytes": (pa.array(FILES, pa.binary()), FILES),
    "text": (pa.array([data.hex() for data in FILES], pa.large_string()), [data.hex().encode() for data in FILES]),
    "image": (
        pa.array([dict(zip(("height", "width", "nChannels"), map(int, p.shape), strict=True), data=p.tobytes())
                  for p in PIXELS]),
        PIXELS,
    ),
    "list": (pa.array(DENSE.tolist(), pa.large_list(pa.float64())), DENSE.astype(np.float32)),
    "number": (pa.array(DENSE[:, 0]), DENSE[:, 0].astype(np.float32)),
}  # fmt: skip


def decode(kind, budget, ragged):
    field = Field("c0", ("x",), kind, "feature", "float32", ragged=ragged)
    plan = FramePlan((field,), ("x",), 8, "float32", hashed=True)
    place = np.arange(N)
    batch = pa.RecordBatch.from_arrays([pa.array(place), COLUMNS[kind][0]], names=[HASH, "c0"])
    parts = [batch.slice(a, N // PARTS) for a in range(0, N, N // PARTS)]
    return plan.decode(parts, 0, 1, budget=budget)[0]


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("tight", [False, True])
def test_every_kind_comes_back_row_by_row(kind, tight):
    budget = (8000 if kind == "list" else 1200) if tight else 1 << 30
    feed = decode(kind, budget, ragged=kind in ("bytes", "text", "image"))
    (store,) = feed.inputs
    assert (feed.spilled > 0) == (tight and kind != "number")
    taken = store.take(np.arange(N))
    for found, expected in zip(taken, COLUMNS[kind][1], strict=True):
        assert np.array_equal(found, expected) if isinstance(expected, np.ndarray) else found == expected
    assert len(store.take(np.empty(0, np.int64))) == 0
    assert len({store.content(row) for row in range(N)}) == len({np.asarray(row).tobytes() for row in taken})


def test_a_mixed_column_of_vectors_may_start_dense_or_sparse():
    field = Field("c0", ("x",), "vector", "feature", "float32")
    plan = FramePlan((field,), ("x",), 8, "float32")
    dense = [{"type": 1, "size": None, "indices": None, "values": row.tolist()} for row in DENSE]
    sparse = [vector(row) for row in DENSE]
    for first, second in ((dense, sparse), (sparse, dense)):
        arrays = [pa.array(rows, VECTOR) for rows in (first[:40], second[40:])]
        feed, _ = plan.decode([pa.RecordBatch.from_arrays([array], names=["c0"]) for array in arrays], 0, 1)
        assert np.array_equal(feed.inputs[0].take(np.arange(N)), DENSE.astype(np.float32))


def test_vectors_of_another_size_are_refused():
    plan = FramePlan((Field("c0", ("x",), "vector", "feature", "float32"),), ("x",), 8, "float32")
    rows = pa.array([vector(DENSE[0]), vector(DENSE[1][:7])], VECTOR)
    with pytest.raises(DataError, match="'x': expected vectors of size 30, got 7. The first such row is"):
        plan.decode([pa.RecordBatch.from_arrays([rows], names=["c0"])], 0, 1)


def test_pictures_that_could_not_be_decoded_are_refused():
    plan = FramePlan((Field("c0", ("x",), "image", "feature", "float32"),), ("x",), 8, "float32")
    for bad, words in (
        ({"height": -1, "width": -1, "nChannels": -1, "data": b""}, "not a picture"),
        ({"height": 2, "width": 2, "nChannels": 1, "data": b"abc"}, "not a picture"),
        ({"height": 3, "width": 2, "nChannels": 1, "data": b"abcdef"}, r"expected pictures of \(2, 2, 1\)"),
    ):
        rows = pa.array([{"height": 2, "width": 2, "nChannels": 1, "data": b"abcd"}, bad])
        with pytest.raises(DataError, match=words):
            plan.decode([pa.RecordBatch.from_arrays([rows], names=["c0"])], 0, 1)


def test_a_row_of_another_tasks_shard_is_an_error():
    plan = FramePlan((Field("c0", ("x",), "number", "feature", "float32"),), ("x",), 8, "float32", hashed=True)
    batch = pa.RecordBatch.from_arrays([pa.array([7]), pa.array([1.0])], names=[HASH, "c0"])
    plan.decode([batch], 1, 2)
    with pytest.raises(DataError, match="gives other rows each time"):
        plan.decode([batch], 0, 2)


def test_no_batches_make_an_empty_feed():
    for kind in ("number", "list", "vector", "bytes", "image"):
        feed, _ = FramePlan((Field("c0", ("x",), kind, "feature", "float32"),), ("x",), 8, "float32").decode([], 0, 1)
        assert len(feed) == 0 and feed.shapes == [None]
        feed.agree([feed.shapes, [["float32", 4]]])
        row = np.empty(0, np.int64)
        assert feed.rows(Batch(0, 0, np.array([0]), row, row, row)).inputs[0].shape == (0, 4)
