"""Sums over leaves follow ``sparkdl.tree``: the same bits as the tree climbed by hand."""

import numpy as np
import pytest

from sparkdl import kernel
from sparkdl.nn.kernels import gemm, leaves
from sparkdl.tree import fold


def by_hand(parts):
    blocks = {(i, i + 1): part for i, part in enumerate(parts)}
    return fold(blocks, np.add, 0, len(parts))


@pytest.mark.parametrize("n", range(1, 18))
def test_tree_sum(n):
    parts = np.random.default_rng(n).standard_normal((n, 5000)).astype(np.float32)
    expected, out = by_hand(parts), np.empty(5000, np.float32)
    leaves.tree_sum(out, parts.copy())
    assert np.array_equal(out, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "bounds",
    [[0, 40], [0, 16, 16, 17, 40], [0, 5, 10, 15, 20, 25, 40], [0, 0], [0, 3, 7, 9, 20, 20, 33, 34, 40]],
    ids=str,
)
@pytest.mark.parametrize("shape", [(1, 1), (130, 70), (5, 200)], ids=str)
def test_products_and_sums_of_leaves(dtype, bounds, shape):
    bounds = np.array(bounds)
    rng = np.random.default_rng(0)
    x, dy = (
        rng.standard_normal((bounds[-1], shape[0])).astype(dtype),
        rng.standard_normal((bounds[-1], shape[1])).astype(dtype),
    )
    parts = []
    for a, b in zip(bounds, bounds[1:], strict=False):
        parts.append(np.empty(shape, dtype))
        gemm.matmul(parts[-1], x[a:b].T, dy[a:b])
    out = np.empty(shape, dtype)
    leaves.product(out, x, dy, bounds)
    assert np.array_equal(out, by_hand(parts))
    before = kernel.num_threads()
    kernel.set_num_threads(1)
    try:
        one = np.empty(shape, dtype)
        leaves.product(one, x, dy, bounds)
    finally:
        kernel.set_num_threads(before)
    assert np.array_equal(out, one)
    sums = np.empty(shape[1], dtype)
    leaves.column_sums(sums, dy, bounds)
    np.testing.assert_allclose(sums, dy.astype(np.float64).sum(0), atol=1e-5)


@pytest.mark.parametrize("columns", [70, 1100])
def test_products_over_many_rows_and_of_wide_arrays(columns):
    """The two other ways through memory give the bits of the products leaf by leaf (few rows go one way)."""
    bounds = np.array([0, 1500, 1500, 3000, 4200]) if columns == 70 else np.array([0, 9, 20])
    rng = np.random.default_rng(0)
    x = rng.standard_normal((bounds[-1], columns)).astype(np.float32)
    dy = rng.standard_normal((bounds[-1], 100)).astype(np.float32)
    parts = []
    for a, b in zip(bounds, bounds[1:], strict=False):
        parts.append(np.empty((columns, 100), np.float32))
        if columns == 70:
            leaves.product(parts[-1], x[a:b], dy[a:b], np.array([0, b - a]))
        else:
            gemm.matmul(parts[-1], x[a:b].T, dy[a:b])
    out = np.empty((columns, 100), np.float32)
    leaves.product(out, x, dy, bounds)
    assert np.array_equal(out, by_hand(parts))
