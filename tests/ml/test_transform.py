"""Scoring rows: none lost or swapped, the model's own bits, bad rows, every kind of column, one pass."""

import numpy as np
import pandas as pd
import pytest
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.ml.linalg import SparseVector, VectorUDT
from pyspark.sql import functions as F

from sparkdl import ml, models, nn
from sparkdl.errors import ClusterError
from sparkdl.ml.append import has_arrow_udfs
from tests.ml.conftest import net, points


def model(**params):
    return ml.NNModel(**{"model": net(), "featuresCol": "features", "outputType": "array", **params})


def collected(scored, column="prediction"):
    rows = scored.orderBy("id").collect()
    return [row.id for row in rows], np.float32([row[column] for row in rows])


@pytest.fixture(scope="module")
def expected():
    return net().eval()(points()[0])


def test_no_row_is_lost_or_swapped(table, expected):
    scorer = model(predictBatchSize=7)
    frames = {
        "as it is": table,
        "16 partitions, most of them empty": table.repartition(16, F.expr("greatest(id, 80)")),
        "one partition": table.coalesce(1),
        "another order on every run": table.orderBy(F.rand()),
        "filtered before": table.filter("id % 2 = 0 OR id % 2 = 1"),
    }
    for name, frame in frames.items():
        ids, y = collected(scorer.transform(frame))
        assert ids == list(range(len(expected))), name
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5 * np.abs(expected).max(), err_msg=name)


def test_the_same_batch_gives_the_same_bits(local):
    nn.manual_seed(3)
    lenet = models.lenet()
    x = np.random.default_rng(0).random((40, 784), dtype=np.float32)
    frame = local.createDataFrame(pd.DataFrame({"id": range(40), "features": x.tolist()})).coalesce(1)
    scored = ml.NNModel(model=lenet, outputType="array", featuresShape=[28, 28]).transform(frame)
    np.testing.assert_array_equal(collected(scored)[1], lenet.eval()(x.reshape(-1, 28, 28)))


def test_vectors_straight_from_parquet(table, local, expected, tmp_path):
    table.coalesce(1).write.parquet(str(tmp_path / "rows"))
    stored = local.read.parquet(str(tmp_path / "rows"))
    ids, y = collected(model().transform(stored))
    assert ids == list(range(len(expected)))
    np.testing.assert_allclose(y, expected, rtol=1e-5)
    numbers = stored.select("id", vector_to_array("features").alias("features")).write
    numbers.parquet(str(tmp_path / "numbers"))
    scored = model(outputType="vector").transform(local.read.parquet(str(tmp_path / "numbers")))
    vectors = scored.orderBy("id").collect()
    np.testing.assert_allclose(np.float32([row.prediction.toArray() for row in vectors]), expected, rtol=1e-5)


def test_filters_and_limits_after_scoring(table, expected):
    scored = model().transform(table).withColumn("best", F.array_position("prediction", F.array_max("prediction")))
    kept = scored.filter("best = 1").filter("id > 20")
    ids, _ = collected(kept)
    assert ids == [i for i in range(21, len(expected)) if expected[i].argmax() == 0]
    assert scored.limit(5).count() == 5 and scored.count() == len(expected)
    assert scored.filter("id < 0").collect() == []
    if has_arrow_udfs():
        plan = kept._jdf.queryExecution().executedPlan().toString()
        assert plan.count("ArrowEvalPython") == 1, "the rows are scored twice"
        assert "ArrowEvalPython" not in scored.select("id")._jdf.queryExecution().executedPlan().toString()


def test_whole_rows_where_there_are_no_arrow_udfs(table, flawed, expected, monkeypatch):
    monkeypatch.setattr("sparkdl.ml.append.has_arrow_udfs", lambda: False)  # as on Spark 4.0
    scored = model(outputType="vector", predictBatchSize=7).transform(table.repartition(9))
    assert scored.columns == [*table.columns, "prediction"] and scored.schema["features"].dataType == VectorUDT()
    rows = scored.filter("id % 2 = 0").orderBy("id").collect()
    assert [row.id for row in rows] == list(range(0, len(expected), 2))
    np.testing.assert_allclose(np.float32([row.prediction.toArray() for row in rows]), expected[::2], rtol=1e-5)
    good = [i for i in range(6) if i not in BAD]
    assert collected(model(handleInvalid="skip").transform(flawed))[0] == good
    kept = model(handleInvalid="keep").transform(flawed).orderBy("id").collect()
    assert [row.id for row in kept if row.prediction is None] == list(BAD)
    with pytest.raises(ClusterError, match="Spark 4.1"):
        ml.predict_udf(net(), table.sparkSession)("features")


def test_transform_is_lazy(table):
    bad = model().transform(table.withColumn("features", F.raise_error(F.lit("evaluated")).cast("array<float>")))
    assert bad.columns[-1] == "prediction"


def test_every_kind_of_column(local, expected):
    x, _ = points()
    rows = local.createDataFrame(pd.DataFrame({"id": range(len(x)), "x": [r.astype(float).tolist() for r in x]}))
    to_sparse = F.udf(lambda v: SparseVector(4, [(i, a) for i, a in enumerate(v)]), VectorUDT())
    kinds = {
        "doubles": F.col("x"),
        "floats": F.col("x").cast("array<float>"),
        "vectors": array_to_vector("x"),
        "sparse vectors": to_sparse("x"),
        "decimals": F.col("x").cast("array<decimal(38,18)>").cast("array<double>"),
    }
    frame = rows.select("id", *[value.alias(name) for name, value in kinds.items()])
    for name in kinds:
        ids, y = collected(model(featuresCol=name).transform(frame))
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5 * np.abs(expected).max(), err_msg=name)
    bytes_ = np.arange(8, dtype=np.uint8).reshape(2, 4)
    pixels = local.createDataFrame([(i, bytearray(b.tobytes())) for i, b in enumerate(bytes_)], ["id", "features"])
    np.testing.assert_array_equal(collected(model().transform(pixels))[1], net().eval()(bytes_.astype(np.float32)))


def test_ids_keep_their_type(local):
    words = nn.Sequential(nn.Embedding(10, 3), nn.Flatten())
    frame = local.createDataFrame([(0, [1, 2]), (1, [9, 0])], "id int, features array<int>")
    scored = model(model=words, featuresDtype="int64").transform(frame)
    np.testing.assert_array_equal(collected(scored)[1], words.eval()(np.array([[1, 2], [9, 0]])))


BAD = {1: None, 3: [1.0, None, 2.0, 3.0], 4: [1.0, 2.0]}


@pytest.fixture(scope="module")
def flawed(local):
    rows = [(i, BAD.get(i, [float(i), 0.0, 1.0, 2.0])) for i in range(6)]
    return local.createDataFrame(rows, "id int, features array<double>").coalesce(1)


@pytest.mark.parametrize("batch", [1, 2, 256])
def test_bad_rows_are_skipped_or_kept(flawed, batch):
    good = [i for i in range(6) if i not in BAD]
    y = net().eval()(np.float32([[i, 0, 1, 2] for i in good]))
    for params in ({}, {"featuresShape": [4]}):
        ids, found = collected(model(handleInvalid="skip", predictBatchSize=batch, **params).transform(flawed))
        assert ids == good
        np.testing.assert_allclose(found, y, rtol=1e-5)
    rows = model(handleInvalid="keep", predictBatchSize=batch).transform(flawed).orderBy("id").collect()
    assert [row.id for row in rows if row.prediction is None] == list(BAD)
    assert len(rows) == 6


@pytest.mark.parametrize(
    ("ids", "words"), [([1], "must not be null"), ([0, 3], "element 1 is null"), ([0, 4], "expected 4 values.*got 2")]
)
def test_bad_rows_are_errors_that_name_them(flawed, ids, words):
    from pyspark.errors import PythonException

    with pytest.raises(PythonException, match=f"(?s)Column 'features'.*{words}"):
        model().transform(flawed.filter(F.col("id").isin(ids))).collect()


def test_vectors_and_nested_arrays_come_out(local):
    frame = local.createDataFrame([(0, [1.0, 2.0, 3.0, 4.0])], ["id", "features"])
    square = nn.Reshape((2, 2))
    nested = ml.NNModel(model=square, featuresShape=[4], outputType="array").transform(frame)
    assert nested.first().prediction == [[1.0, 2.0], [3.0, 4.0]]
    flat = ml.NNModel(model=square, outputType="array").transform(frame)
    assert flat.first().prediction == [1.0, 2.0, 3.0, 4.0]
    vector = ml.NNModel(model=square, outputType="vector").transform(frame)
    assert vector.first().prediction.toArray().tolist() == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.skipif(not has_arrow_udfs(), reason="functions on columns need Spark 4.1")
def test_functions_on_columns_and_in_sql(table, local, expected):
    predict = ml.predict_udf(net(), local)
    ids, y = collected(table.select("id", predict("features").alias("prediction")))
    np.testing.assert_allclose(y, expected, rtol=1e-5)
    ml.register_udf(local, "net_vector", net(), output="vector")
    table.createOrReplaceTempView("points")
    rows = local.sql("SELECT id, net_vector(features) AS y FROM points ORDER BY id").collect()
    np.testing.assert_allclose(np.float32([row.y.toArray() for row in rows]), expected, rtol=1e-5)
