"""Graphs on blocks of rows against NumPy."""

import numpy as np
import pandas as pd
import pytest

from sparkdl import ml, nn
from sparkdl.errors import DataError


@pytest.fixture(scope="module")
def frame(local):
    x = np.random.default_rng(0).integers(-5, 5, (31, 3)).astype(float)
    rows = pd.DataFrame({"id": range(31), "k": [i % 3 for i in range(31)], "x": x.tolist()})
    return local.createDataFrame(rows).repartition(4).cache()


def values(frame):
    rows = frame.orderBy("id").collect()
    return np.float32([row.x for row in rows]), np.array([row.k for row in rows])


def graph():
    x = nn.Input((3,), name="x")
    shifted = nn.AddConstant(3.0)(x)
    return nn.Graph([x], [nn.ReLU()(shifted)])


def summing():
    block = nn.Input((1, 3), name="x")  # (batch, rows, 3)
    return nn.Graph([block], [nn.ReduceSum((1,))(block)])


def test_map_blocks_and_any_named_node(frame):
    x, _ = values(frame)
    mapped = ml.map_blocks(graph(), frame, outputs=["y", "s"], fetches=["relu", "addconstant"], batch_size=5)
    assert mapped.columns == ["id", "k", "x", "y", "s"]
    rows = mapped.orderBy("id").collect()
    np.testing.assert_array_equal(np.float32([row.s for row in rows]), x + 3)
    np.testing.assert_array_equal(np.float32([row.y for row in rows]), np.maximum(x + 3, 0))
    with pytest.raises(DataError, match="'x' exists already"):
        ml.map_blocks(graph(), frame, outputs=["x"])


def test_reduce_blocks(frame):
    x, _ = values(frame)
    np.testing.assert_array_equal(ml.reduce_blocks(summing(), frame), x.sum(0))
    with pytest.raises(DataError, match="no rows"):
        ml.reduce_blocks(summing(), frame.filter("id < 0"))


def test_aggregate(frame):
    x, k = values(frame)
    rows = ml.aggregate(summing(), frame, "k").collect()
    assert sorted(row.k for row in rows) == [0, 1, 2]
    for row in rows:
        np.testing.assert_array_equal(np.float32(row.x), x[k == row.k].sum(0))


def test_map_rows_takes_rows_of_any_length(local):
    x = nn.Input(name="x")
    frame = local.createDataFrame([(0, [1.0]), (1, [1.0, 2.0, 3.0])], ["id", "x"]).coalesce(1)
    rows = ml.map_rows(nn.Graph([x], [nn.MulConstant(2.0)(x)]), frame, outputs=["y"]).orderBy("id").collect()
    assert [row.y for row in rows] == [[2.0], [2.0, 4.0, 6.0]]
