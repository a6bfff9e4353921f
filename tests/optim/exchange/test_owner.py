"""Clipping, regularisers and rules with norms: the same bits for any number of owners, and the right numbers."""

import numpy as np
import pytest
from exchange_run import SHARDS, first_weights, leaf_gradient, leaf_header, parts_of, run

from sparkdl import optim
from sparkdl.optim.exchange.base import LOSS, WEIGHT

ELEMENTS = 9000
RULES = [
    (lambda: optim.LARS(0.5, weight_decay=0.01), {}),
    (lambda: optim.LAMB(0.1, weight_decay=0.01), {}),
    (lambda: optim.SGD(0.1, groups={parts_of(ELEMENTS)[0].name: optim.LAMB(0.1)}), {}),
    (lambda: optim.SGD(0.1, 0.9), {"clip": optim.ClipLayerNorm(0.1)}),
    (lambda: optim.LAMB(0.1), {"clip": [optim.ClipValue(0.05), optim.ClipNorm(0.3)]}),
    (lambda: optim.SGD(0.1, regularizer=optim.L1L2(0.01, 0.02)), {"clip": optim.ClipNorm(0.3)}),
    (lambda: optim.Adam(0.1, groups={parts_of(ELEMENTS)[1].name: {"regularizer": optim.L2(0.1)}}), {}),
]


@pytest.mark.parametrize(("rule", "options"), RULES, ids=lambda v: repr(v()) if callable(v) else str(v))
def test_any_number_of_owners_gives_the_same_bits(rule, options):
    (alone,) = run(0, rule, ELEMENTS, **options)
    assert np.isfinite(alone.weights).all()
    for size, teams in ((2, None), (3, [[0, 2], [1]]), (8, None)):
        for result in run(size, rule, ELEMENTS, teams=teams, **options):
            assert result.weights.tobytes() == alone.weights.tobytes()
            assert [t.tobytes() for t in result.totals] == [t.tobytes() for t in alone.totals]


def first_gradient(elements, dtype=np.float64):
    total = sum(leaf_header(1, leaf)[WEIGHT] for leaf in range(SHARDS))
    return sum(leaf_gradient(elements, 1, leaf, dtype) for leaf in range(SHARDS)) / total


def test_penalties_are_in_the_loss_and_their_slopes_in_the_gradient():
    w, g = first_weights(ELEMENTS, np.float64), first_gradient(ELEMENTS)
    used = np.zeros(ELEMENTS, bool)
    name = parts_of(ELEMENTS)[1].name
    for s in parts_of(ELEMENTS):
        used[s.start : s.stop] = s.name == name
    rule = lambda **options: optim.SGD(1.0, groups={name: options})  # noqa: E731
    (plain,) = run(0, lambda: optim.SGD(1.0), ELEMENTS, 1, dtype=np.float64)
    (result,) = run(0, lambda: rule(regularizer=optim.L1L2(0.3, 0.2)), ELEMENTS, 1, dtype=np.float64)
    penalty = 0.3 * np.abs(w[used]).sum() + 0.2 * (w[used] ** 2).sum()
    more = (result.totals[0][LOSS] - plain.totals[0][LOSS]) / plain.totals[0][WEIGHT]
    assert more == pytest.approx(penalty) and result.totals[0][WEIGHT] == plain.totals[0][WEIGHT]
    slope = np.where(used, 0.3 * np.sign(w) + 0.4 * w, 0)
    np.testing.assert_allclose(plain.weights - result.weights, slope, atol=1e-12)
    np.testing.assert_allclose(w - g, plain.weights, atol=1e-12)


def test_clippings_work_one_after_the_other():
    w, g = first_weights(ELEMENTS, np.float64), first_gradient(ELEMENTS)
    clipped = np.clip(g, -0.01, 0.01)
    norm = np.sqrt(sum((clipped[s.start : s.stop] ** 2).sum() for s in parts_of(ELEMENTS)))
    clips = [optim.ClipValue(0.01), optim.ClipNorm(norm / 2)]
    (result,) = run(0, lambda: optim.SGD(1.0), ELEMENTS, 1, dtype=np.float64, clip=clips)
    np.testing.assert_allclose(w - result.weights, clipped / 2, rtol=1e-5, atol=1e-12)


def test_only_clippings_clip():
    with pytest.raises(ValueError, match="clip must be clippings"):
        run(0, lambda: optim.SGD(1.0), ELEMENTS, 1, clip=5.0)
