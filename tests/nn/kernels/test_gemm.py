"""Matrix products against float64, for all layouts; rows stay the same among others and on any number of threads."""

import numpy as np
import pytest

from sparkdl import kernel
from sparkdl.errors import ShapeError
from sparkdl.nn.kernels import gemm

SHAPES = [
    (1, 1, 1),
    (3, 0, 4),
    (5, 7, 1),
    (1, 300, 70),
    (37, 51, 83),
    (200, 600, 130),
    (500, 25, 6),
    (25, 700, 6),
    (7, 10, 100),
    (9, 300, 200),
]
LAYOUTS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "cut": lambda x: np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3],
}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("a_layout", LAYOUTS)
@pytest.mark.parametrize("b_layout", LAYOUTS)
def test_against_float64(shape, dtype, a_layout, b_layout):
    m, k, n = shape
    rng = np.random.default_rng(0)
    a, b, bias = (
        rng.standard_normal((m, k)).astype(dtype),
        rng.standard_normal((k, n)).astype(dtype),
        rng.standard_normal(n).astype(dtype),
    )
    expected = a.astype(np.float64) @ b + bias
    tolerance = dict(rtol=0, atol=1e-12 if dtype is np.float64 else 2e-6 * np.sqrt(k + 1) * 4)
    for c_layout in LAYOUTS.values():
        c = c_layout(np.full((m, n), np.nan, dtype))
        gemm.affine(c, LAYOUTS[a_layout](a), LAYOUTS[b_layout](b), bias)
        np.testing.assert_allclose(c, expected, **tolerance)
    c = np.empty((m, n), dtype)
    gemm.matmul(c, LAYOUTS[a_layout](a), LAYOUTS[b_layout](b))
    np.testing.assert_allclose(c, expected - bias, **tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_does_not_depend_on_the_others_nor_on_threads(dtype):
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((300, 700)).astype(dtype), rng.standard_normal((700, 150)).astype(dtype)
    c, alone = np.empty((300, 150), dtype), np.empty((1, 150), dtype)
    gemm.matmul(c, a, b)
    before = kernel.num_threads()
    kernel.set_num_threads(1)
    try:
        for i in (0, 5, 191, 192, 299):
            gemm.matmul(alone, a[i : i + 1], b)
            assert np.array_equal(alone[0], c[i])
    finally:
        kernel.set_num_threads(before)


def test_shapes_that_do_not_fit():
    with pytest.raises(ShapeError, match="do not give"):
        gemm.matmul(np.empty((2, 2)), np.empty((2, 3)), np.empty((4, 2)))


def test_turning_the_rows_or_the_second_factor_gives_the_same_bits():
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((9, 300), dtype=np.float32), rng.standard_normal((200, 300), dtype=np.float32)
    few, many, plain = np.empty((9, 200), np.float32), np.empty((90, 200), np.float32), np.empty((9, 200), np.float32)
    gemm.matmul(few, a, b.T)
    gemm.matmul(many, np.tile(a, (10, 1)), b.T)
    gemm.matmul(plain, a, np.ascontiguousarray(b.T))
    np.testing.assert_array_equal(few, many[:9])
    np.testing.assert_array_equal(few, plain)
