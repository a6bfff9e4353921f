"""The vector functions against float64, in units in the last place, and at the edges."""

import numpy as np
import pytest
import scipy.special

from . import vmath_loops

CASES = {
    "exp": (np.exp, np.linspace(-103, 88.7, 1_000_001), 1.5),
    "log": (np.log, np.concatenate([np.exp(np.linspace(-103, 88, 500_001)), np.linspace(0.5, 2, 500_001)]), 1.0),
    "tanh": (np.tanh, np.concatenate([np.linspace(-12, 12, 900_001), np.exp(np.linspace(-80, 0, 100_001))]), 1.5),
    "sigmoid": (scipy.special.expit, np.linspace(-87, 30, 1_000_001), 2.5),
    "erf": (
        scipy.special.erf,
        np.concatenate([np.linspace(-5, 5, 900_001), np.exp(np.linspace(-80, 0, 100_001))]),
        2.5,
    ),
}


def run(name, x):
    y = np.empty_like(x)
    getattr(vmath_loops, name)(y, x)
    return y


@pytest.mark.parametrize("name", CASES)
def test_float32_is_within_a_few_units_in_the_last_place(name):
    exact, points, limit = CASES[name]
    x = points.astype(np.float32)
    reference = exact(x.astype(np.float64))
    unit = np.spacing(np.abs(reference).astype(np.float32)).astype(np.float64)
    assert (np.abs(run(name, x) - reference) / unit).max() <= limit


@pytest.mark.parametrize("name", CASES)
def test_float64_is_the_c_librarys(name):
    exact, points, _ = CASES[name]
    x = points[::1000]
    np.testing.assert_allclose(run(name, x), exact(x), rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("exp", [np.inf, -np.inf, np.nan, 0, 1000, -1000], [np.inf, 0, np.nan, 1, np.inf, 0]),
        ("log", [np.inf, 0, np.nan, -1, 1], [np.inf, -np.inf, np.nan, np.nan, 0]),
        ("tanh", [np.inf, -np.inf, np.nan, 0, 100], [1, -1, np.nan, 0, 1]),
        ("sigmoid", [np.inf, -np.inf, np.nan, 0, -200], [1, 0, np.nan, 0.5, 0]),
        ("erf", [np.inf, -np.inf, np.nan, 0, 7], [1, -1, np.nan, 0, 1]),
    ],
)
def test_edges(name, values, expected, dtype):
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(run(name, np.array(values, dtype)), np.array(expected, dtype), atol=1e-80)


@pytest.mark.parametrize("name", CASES)
def test_a_value_has_the_same_bits_wherever_it_stands(name):
    """Vector body and scalar remainder of a loop must agree."""
    x = CASES[name][1][::9973][:101].astype(np.float32)
    whole = run(name, x)
    for n in (1, 2, 15, 16, 17, 33):
        np.testing.assert_array_equal(run(name, x[:n].copy()), whole[:n])


def test_tanh_never_falls():
    x = np.linspace(-10, 10, 2_000_001).astype(np.float32)
    assert (np.diff(run("tanh", x)) >= -np.float32(6e-8)).all()
