"""Histograms over fixed bins, against counting by hand."""

import numpy as np
import pytest

from sparkdl.nn.flat import Segment
from sparkdl.optim.watch.histograms import BINS, EDGES, SAMPLE, Count, Groups, Histogram, count, unpack


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_counts_are_those_of_numpy(dtype):
    rng = np.random.default_rng(1)
    values = (rng.normal(size=5000) * 10.0 ** rng.integers(-12, 3, 5000)).astype(np.float32).astype(dtype)
    inside = values[(np.abs(values) >= 2.0**-36) & (np.abs(values) < 2.0**8)]
    magnitude = EDGES[BINS // 2 + 1 :]
    expected = np.histogram(inside[inside > 0], magnitude)[0]  # bins are closed below, as NumPy's are
    np.testing.assert_array_equal(count(inside)[BINS // 2 + 1 :], expected)
    np.testing.assert_array_equal(count(-inside)[: BINS // 2][::-1], expected)
    assert len(EDGES) == BINS + 1 and (np.diff(EDGES) > 0).all()


def test_zeros_and_what_is_too_small_or_too_large_have_bins():
    counts = count(np.float32([0.0, -0.0, 1e-20, 1e9, np.inf, -np.inf, -1e9, np.nan]))
    assert counts[BINS // 2] == 3 and counts[0] == 2 and counts.sum() == 8 and counts[-1] + counts[0] == 5
    assert count(np.zeros(0, np.float32)).sum() == 0


def test_parts_add_up_to_the_whole():
    values = np.random.default_rng(2).normal(size=1000).astype(np.float32)
    segments = [Segment("a.weight", 0, 400), Segment("b.weight", 400, 1000)]
    counting = Count(segments)
    parts = [counting(values[a:b], a) for a, b in ((0, 150), (150, 700), (700, 1000))]
    np.testing.assert_array_equal(sum(parts), counting(values))
    packed = counting.pack(7, counting(values), sum(parts))
    back = unpack(packed)
    assert list(back) == ["a.weight", "b.weight"] and packed["step"] == 7
    np.testing.assert_array_equal(back["b.weight"][1].counts, count(values[400:]))


def test_large_parameters_are_sampled_evenly():
    segments = [Segment("w", 0, 10 * SAMPLE)]
    counts = Count(segments)(np.ones(10 * SAMPLE, np.float32))
    assert counts.sum() == SAMPLE


def test_quantiles_lie_in_the_right_bins():
    values = np.random.default_rng(3).normal(size=20_000)
    shares = (0.05, 0.25, 0.5, 0.75, 0.95)
    got = Histogram(count(values)).quantiles(shares)
    np.testing.assert_allclose(got, np.quantile(values, shares), atol=0.05)
    assert np.isnan(Histogram(np.zeros(BINS, int)).quantiles((0.5,))).all()


def test_rebinned_counts_add_up():
    low, high, counts = Histogram(count(np.random.default_rng(4).normal(size=20_000))).rebinned(24)
    assert -4 < low < -2.5 and 2.5 < high < 4 and len(counts) == 24
    assert sum(counts) == pytest.approx(20_000 * 0.998, rel=1e-3)


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (["a.w", "a.b"], ["a.w", "a.b"]),
        (["a.w", "a.b", "c.w", "c.b"], ["a", "c"]),
        (list("abcdef"), ["a to b", "c to d", "e to f"]),
        ([], []),
    ],
)
def test_groups(names, groups):
    made = Groups(names, most=3)
    assert made.names == groups and len(made.of) == len(names)
    assert not names or set(made.of) == set(range(len(groups)))
