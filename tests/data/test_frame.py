"""DataFrames to feeds: the same rows in the same order as from arrays on any number of tasks; an error for bad rows."""

import pickle
import sys

import numpy as np
import pytest
import scipy.sparse
from pyspark import cloudpickle

from sparkdl.data import ArrayFeed, Column, murmur
from sparkdl.data.frame import prepare
from sparkdl.data.order import Batch
from sparkdl.errors import DataError

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import test files
N = 203


@pytest.fixture(scope="module")
def xyw():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 5)).astype(np.float32)
    x[0, :3] = [-0.0, np.nan, np.inf]
    x[100:110] = x[90:100]
    y = rng.integers(0, 10, N)
    y[100:110] = y[90:100]
    return x, y, rng.integers(1, 4, N) / 2


@pytest.fixture(scope="module")
def frame(local, xyw):
    x, y, w = xyw
    rows = [(a.tolist(), int(b), float(c), i) for i, (a, b, c) in enumerate(zip(x, y, w, strict=True))]
    return local.createDataFrame(rows, "x array<double>, y int, w double, id long").repartition(3).cache()


def ordered(feed):
    """All rows of a feed in the shards' own order."""
    every = np.arange(len(feed))
    return feed.rows(Batch(0, len(feed), np.array([0, len(feed)]), every, every, every))


def run(df, tasks, *args, **kwargs):
    """[(counts, Rows, feed's facts)] of the training rows, and of the validation rows, of every task, in order."""
    options = {name: kwargs.pop(name) for name in ("budget", "transform") if name in kwargs}
    df2, plan = prepare(df, *args, tasks=tasks, **kwargs)

    def decode(batches):
        import pyarrow as pa
        from pyspark import TaskContext

        task = TaskContext.get().partitionId()
        feeds = plan.decode(batches, task, tasks, **options)
        found = [(f.counts, tuple(ordered(f)), f.shapes, f.hash_sum, f.spilled) for f in feeds if f is not None]
        yield pa.RecordBatch.from_arrays([pa.array([task]), pa.array([pickle.dumps(found)])], names=["t", "d"])

    rows = sorted(df2.mapInArrow(decode, "t long, d binary").collect())
    return [pickle.loads(row.d) for row in rows]


def message(error):
    """What the user sees of a task's error."""
    return str(error.value)


@pytest.mark.parametrize("tasks", [1, 2, 3, 4, 8])
def test_any_number_of_tasks_hold_the_rows_of_arrays_in_their_order(frame, xyw, tasks):
    feed = ArrayFeed(*xyw)
    found = [part[0] for part in run(frame, tasks, "x", "y", "w")]
    assert len(found) == tasks
    assert np.array_equal(np.concatenate([counts for counts, *_ in found]), feed.counts)
    x, y, w, _ = ordered(feed)
    assert np.array_equal(np.concatenate([rows[0][0] for _, rows, *_ in found]), x[0], equal_nan=True)
    assert np.array_equal(np.concatenate([rows[1] for _, rows, *_ in found]), y)
    assert np.array_equal(np.concatenate([rows[2] for _, rows, *_ in found]), w)
    assert found[0][1][0][0].dtype == np.float32 and found[0][1][1].dtype == np.int64
    assert np.sum([part_sum for *_, part_sum, _ in found], dtype=np.int64) == feed.hash_sum


@pytest.mark.parametrize("cast", ["array<float>", "array<double>", "array<decimal(30,20)>"])
def test_the_hash_does_not_depend_on_the_columns_types(frame, xyw, cast):
    df = frame.where("id > 0").selectExpr(f"cast(x as {cast}) x", "cast(y as double) y")
    (((counts, rows, *_),),) = run(df, 1, "x", Column("y", classes=10))
    expected = ordered(ArrayFeed(xyw[0][1:], xyw[1][1:]))
    assert np.array_equal(rows[0][0], expected.inputs[0])
    assert np.array_equal(rows[1], expected.target) and rows[1].dtype == np.int64


def test_sparks_own_hash_equals_ours(local):
    from pyspark.sql import functions as F

    from sparkdl.data import rowhash

    rng = np.random.default_rng(1)
    text = ["", "a", "abcd", "äöü" * 5, "x" * 100] + ["y" * i for i in range(28, 44)]
    rows = [(t, t.encode(), float(v), int(k)) for t, v, k in
            zip(text, rng.normal(size=len(text)), rng.integers(-(2**62), 2**62, len(text)), strict=True)]  # fmt: skip
    df = local.createDataFrame(rows, "t string, b binary, v double, k long").coalesce(1)
    for name, fold in (
        ("t", lambda h, c: rowhash.fold_strings(h, *_strings([s.encode() for s in c]))),
        ("b", lambda h, c: rowhash.fold_strings(h, *_strings([bytes(s) for s in c]))),
        ("v", lambda h, c: rowhash.fold_float64(h, np.array(c))),
        ("k", lambda h, c: rowhash.fold_int64(h, np.array(c))),
    ):
        hashes = rowhash.new_hashes(len(rows))
        found = df.select(F.xxhash64(name), name).collect()
        fold(hashes, [row[1] for row in found])
        assert hashes.tolist() == [row[0] for row in found], name
    ints = local.range(1).selectExpr("hash(0)", "hash(1)", "hash(-7)", "hash(2147483647)").first()
    assert list(ints) == [murmur.murmur3(value) for value in (0, 1, -7, 2**31 - 1)]


def _strings(items):
    return np.frombuffer(b"".join(items), np.uint8), np.cumsum([0] + [len(item) for item in items])


def test_vectors_dense_sparse_and_mixed_are_the_same_rows(local):
    from pyspark.ml.linalg import Vectors

    dense = np.random.default_rng(2).integers(0, 2, (60, 40)) * np.random.default_rng(3).integers(0, 5, (60, 40))
    dense = np.where(np.arange(40) % 7 == 0, dense, 0).astype(np.float64)
    expected = ordered(ArrayFeed(dense, dense[:, 0]))
    for kind in ("dense", "sparse", "mixed"):
        rows = []
        for i, row in enumerate(dense):
            thin = kind == "sparse" or (kind == "mixed" and i % 2)
            at = np.flatnonzero(row)
            rows.append((Vectors.sparse(40, at, row[at]) if thin else Vectors.dense(row), float(row[0])))
        df = local.createDataFrame(rows, ["v", "y"])
        parts = [part[0][1] for part in run(df, 2, "v", "y")]
        assert np.array_equal(np.concatenate([rows[0][0] for rows in parts]), expected.inputs[0]), kind
        assert np.array_equal(np.concatenate([rows[1] for rows in parts]), expected.target)
    matrix = ordered(ArrayFeed(scipy.sparse.csr_matrix(dense), dense[:, 0]))
    assert np.array_equal(matrix.inputs[0], expected.inputs[0])


def test_bytes_images_numbers_and_several_inputs(local):
    rng = np.random.default_rng(4)
    pixels = rng.integers(0, 256, (30, 2, 3, 1), np.uint8)
    a, b = rng.normal(size=30), rng.integers(0, 9, 30)
    rows = [
        (p.tobytes(), ("f", 2, 3, 1, 0, p.tobytes()), float(u), int(v))
        for p, u, v in zip(pixels, a, b, strict=True)
    ]
    image = "struct<origin string, height int, width int, nChannels int, mode int, data binary>"
    df = local.createDataFrame(rows, f"raw binary, image {image}, a double, b int")

    ((((_, found, *_),)),) = run(df, 1, Column("raw", shape=(1, 2, 3)), "b")
    expected = ordered(ArrayFeed(pixels.reshape(30, 1, 2, 3), b))
    assert np.array_equal(found[0][0], expected.inputs[0]) and found[0][0].dtype == np.float32

    ((((_, found, *_),)),) = run(df, 1, "image", "a")
    assert np.array_equal(found[0][0], ordered(ArrayFeed(pixels, a)).inputs[0])

    ((((_, found, *_),)),) = run(df, 1, ["a", "b"], "b")
    assert np.array_equal(found[0][0], ordered(ArrayFeed(np.stack([a, b], 1), b)).inputs[0])

    several = {"picture": "raw", "id": Column("b", dtype="int32")}
    ((((_, found, *_),)),) = run(df, 1, several, {"p": "a", "q": ["a", "b"]})
    expected = ordered(ArrayFeed((pixels.reshape(30, 6), b.astype(np.int32)), (a, np.stack([a, b], 1))))
    for ours, theirs in zip(found[0] + found[1], expected.inputs + expected.target, strict=True):
        assert np.array_equal(ours, theirs) and ours.dtype == theirs.dtype


def test_validation_rows_come_along_and_apart(frame, xyw):
    parts = run(frame.where("id % 5 > 0"), 3, "x", "y", validation=frame.where("id % 5 = 0"))
    chosen = np.arange(N) % 5 == 0
    for which, mask in ((0, ~chosen), (1, chosen)):
        expected = ordered(ArrayFeed(xyw[0][mask], xyw[1][mask]))
        found = np.concatenate([part[which][1][0][0] for part in parts])
        assert np.array_equal(found, expected.inputs[0], equal_nan=True)


def test_shuffle_false_keeps_rows_where_and_as_they_come(local):
    df = local.range(0, 100, 1, numPartitions=3).selectExpr("cast(id as float) x")
    parts = [part[0] for part in run(df, 3, "x", shuffle=False)]
    for task, (counts, rows, *_) in enumerate(parts):
        came = np.arange(task * 100 // 3, (task + 1) * 100 // 3, dtype=np.float32)
        dealt = np.concatenate([came[leaf :: len(counts)] for leaf in range(len(counts))])
        assert np.array_equal(rows[0][0], dealt)
    moved = [part[0] for part in run(df, 2, "x", shuffle=False, validation=df.where("x < 5"))]
    assert sorted(len(rows[0][0]) for _, rows, *_ in moved) == [33, 67]
    for counts, rows, *_ in moved:
        back = np.empty(len(rows[0][0]))
        edges = np.cumsum([0, *counts])
        for leaf in range(len(counts)):
            back[leaf :: len(counts)] = rows[0][0][edges[leaf] : edges[leaf + 1]]
        assert np.array_equal(back, np.sort(back))


def test_order_by_alone_decides_the_order(frame, xyw):
    ((((_, found, *_),)),) = run(frame, 1, "x", "y", order_by="id")
    expected = ordered(ArrayFeed(xyw[0], xyw[1], order_by=np.arange(N)))
    assert np.array_equal(found[0][0], expected.inputs[0], equal_nan=True)


def test_tasks_without_rows_learn_the_shapes_of_the_others(frame):
    parts = [part[0] for part in run(frame.where("id = 3"), 8, "x", "y")]
    assert sum(int(counts.sum()) for counts, *_ in parts) == 1
    shapes = [shapes for _, _, shapes, *_ in parts]
    feed = ArrayFeed(np.empty((0, 1)), np.empty(0, int))
    feed.agree(shapes)
    rows = ordered(feed)
    assert rows.inputs[0].shape == (0, 5) and rows.target.shape == (0,)
    assert rows.inputs[0].dtype == np.float32 and rows.target.dtype == np.int64
    with pytest.raises(DataError, match=r"input 0 differ in shape: \(5,\) and \(6,\)"):
        feed.agree([*shapes, [["float32", 6], ["int64"]]])


def test_rows_beyond_the_budget_lie_in_files_and_are_the_same(local, xyw):
    df = local.range(0, 40_000, 1, 8).selectExpr("array_repeat(cast(id as float), 50) x", "id y", "string(id) t")
    local.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", 1000)
    try:
        inside = run(df, 1, "x", "y")[0][0]
        outside = run(df, 1, "x", "y", budget=1 << 20)[0][0]
    finally:
        local.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")
    assert inside[4] == 0 and outside[4] == 8_000_000
    assert np.array_equal(inside[1][0][0], outside[1][0][0])
    assert np.array_equal(inside[1][1], outside[1][1])


def test_a_batch_too_wide_names_sparks_setting(frame):
    with pytest.raises(Exception, match="spark.sql.execution.arrow.maxRecordsPerBatch"):
        run(frame, 1, "x", "y", budget=2_000)


BAD_ROWS = [
    ("case when id = 7 then null else x end x, y", "y", "'x': a value must not be null.*x=None"),
    ("case when id = 7 then array(1D, null, 3D, 4D, 5D) else x end x, y", "y", "'x': element 1 is null.*1.0, None"),
    ("case when id = 7 then array(1D, 2D) else x end x, y", "y", r"'x': expected 5 values.*got 2"),
    ("x, case when id = 7 then double('nan') else y end y", "y", "'y': a label must not be NaN.*y=nan"),
    ("x, case when id = 7 then 10 else y end y", Column("y", classes=10), r"'y': a label must be 0 to 9.*got 10.*y=10"),
    ("x, case when id = 7 then -1 else y end y", Column("y", classes=10), "'y': a label must be 0 to 9.*got -1"),
    ("x, case when id = 7 then 2.5D else y end y", Column("y", classes=10), "'y': expected whole numbers, got 2.5"),
    ("x, y, case when id = 7 then -1D else w end w", "y", "'w': a weight must be a finite number >= 0, got -1.0"),
]


@pytest.mark.parametrize(("select", "label", "words"), BAD_ROWS)
def test_a_row_that_cannot_be_used_is_shown(frame, select, label, words):
    import re

    from pyspark.errors import PythonException

    df = frame.selectExpr(*re.split(r", (?=y\b|case|w\b|x\b)", select))
    with pytest.raises(PythonException) as error:
        run(df, 2, "x", label, "w" if "w" in df.columns else None)
    text = message(error)
    assert re.search(r"sparkdl.errors.DataError: Column " + words, text), text
    assert "The first such row is (" in text


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"features": "z"}, "features: there is no column 'z'; the columns are x, y, w, id"),
        ({"features": None}, "features is missing"),
        ({"features": "t"}, "is text; give a transform"),
        ({"features": "m"}, r"'m' is map<int,int>; expected numbers"),
        ({"label": "t"}, "Index text labels first"),
        ({"weight": "x"}, "weight must be one column of numbers|expected numbers"),
        ({"tasks": 9}, "1 to 8 tasks, not 9"),
        ({"shuffle": False, "order_by": "id"}, "no effect"),
        ({"features": 5}, "features must be a column's name"),
        ({"features": Column("x", shape=(2, 2))}, None),
    ],
)
def test_wrong_columns_fail_before_anything_runs(frame, kwargs, words):
    df = frame.selectExpr("*", "'a' as t", "map(1, 2) as m")
    arguments = {"features": "x", "label": "y", "tasks": 2, **kwargs}
    if words is None:  # only the rows can tell
        with pytest.raises(Exception, match=r"expected 4 values \(shape \(2, 2\)\), got 5"):
            run(frame, arguments.pop("tasks"), **arguments)
        return
    with pytest.raises(DataError, match=words):
        prepare(df, **arguments)


def test_pictures_and_files_of_any_size_through_a_transform(local, tmp_path):
    from sparkdl.data import transforms as T

    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed (extra images)")

    rng = np.random.default_rng(5)
    pictures = [rng.integers(0, 256, (8 + i % 3, 9 + i % 2, 3), np.uint8) for i in range(12)]
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{i:02}.png")
    corners = sorted(picture[:8, :9].tobytes() for picture in pictures)
    files = local.read.format("binaryFile").load(str(tmp_path))
    images = local.read.format("image").load(str(tmp_path))
    for df, column, steps in ((files, "content", (T.Decode(), _corner)), (images, "image", (_corner, _mirrored))):
        found = [part[0][1][0][0] for part in run(df, 2, column, transformed=True, transform=T.Compose(*steps))]
        assert sorted(x.astype(np.uint8).tobytes() for x in np.concatenate(found)) == corners
    raw = local.createDataFrame([(picture[:8, :9].tobytes(),) for picture in pictures], "raw binary")
    crop = T.Compose(T.CenterCrop((8, 9)), _corner)  # takes pictures, so bytes have the shape that the column names
    ((((_, found, *_),)),) = run(raw, 1, Column("raw", shape=(8, 9, 3)), transformed=True, transform=crop)
    assert sorted(x.astype(np.uint8).tobytes() for x in found[0][0]) == corners
    with pytest.raises(Exception, match="resize them by a transform"):
        run(images, 1, "image")
    with pytest.raises(Exception, match=r"expected \d+ values, as in the rows before, got"):
        run(files, 1, "content")


def _corner(x, draw):
    return np.stack([picture[:8, :9] for picture in x])


def _mirrored(x, draw):
    """Spark's pictures are BGR."""
    return x[..., ::-1]
