"""The dry run: what it predicts follows from what it is told; it changes nothing; where training then goes."""

from __future__ import annotations

import numpy as np
import pytest

from sparkdl import nn, optim
from sparkdl.data import Column
from sparkdl.optim import explain as explaining
from sparkdl.optim.exchange.cost import bytes_per_step
from sparkdl.optim.exchange.member import Member
from sparkdl.optim.trial import Speed

from . import oracle

COLUMNS = {"features": Column("x", shape=(1, 8, 8)), "label": "label"}
ROWS = 203


def trainer(**options):
    options = {"batch_size": 30, "max_epochs": 2, "seed": 5, "progress": False, **options}
    return optim.Trainer(oracle.model(), nn.NLLLoss(), optim.SGD(lr=0.05, momentum=0.9), **options)


def explained(per_row=1e-3, rows=6_000, epochs=10, free=1 << 30, **options):
    job = trainer(batch_size=64, **options).job(())
    speeds = [Speed(1, 2e-3, per_row), Speed(2, 2e-3, per_row / 2)]
    return explaining.explain(
        job, [["float32", 1, 8, 8]], rows, 256.0, speeds, workers=4, threads=1, cores=2, epochs=epochs, free=free,
        executors=4,
    )  # fmt: skip


def test_predictions_follow_from_speeds_and_sizes():
    found = {p.workers: p for p in explained().predictions}
    assert list(found) == [1, 2, 4, 8, 16, 32, 64]
    assert found[1].step == pytest.approx(2e-3 + 64e-3) and found[1].epoch == pytest.approx(94 * 66e-3)
    elements = sum(-(-p.size // 16) * 16 for p in oracle.model().parameters())
    moved = bytes_per_step(Member(0, 4, 8), elements).fetched
    assert found[4].bytes == moved
    assert found[4].step == pytest.approx(2e-3 + 16e-3 + explaining.LATENCY + moved / explaining.BANDWIDTH)
    assert [found[k].shards for k in (1, 8, 64)] == [8, 8, 64]
    larger, smaller = explained(rows=600_000), explained(rows=6_000)
    grown = larger.predictions[1].memory - smaller.predictions[1].memory
    assert grown == pytest.approx(594_000 / 2 * (256 + 24), rel=1e-3)


def test_the_choice_is_the_faster_one_that_fits():
    assert explained(per_row=1e-5).choice == "local"  # too little work to start executors for
    assert explained(per_row=1e-2, epochs=100).choice == "cluster"
    assert explained(per_row=1e-5, free=1 << 10).choice == "cluster"  # the rows do not fit here
    assert "cluster" in str(explained(per_row=1e-2, epochs=100)).splitlines()[-1]


def test_explaining_arrays_changes_nothing_and_is_compared_after_the_run(capsys):
    x, y = oracle.data(ROWS)
    one, two = trainer(progress=True), trainer()
    told = one.explain((x, y))
    assert told.rows == ROWS and told.choice == "local" and told.row_bytes == 64 * 4 + 8
    assert [s.per_row >= 0 and s.step(30) > 0 for s in told.speeds] == [True]
    history = one.fit((x, y))
    assert two.fit((x, y)).predicted == {}
    assert history.predicted["seconds per step"][0] == told.here.step
    assert history.predicted["seconds per epoch"][1] == pytest.approx(history[1]["seconds"])
    assert "Predicted and measured" in capsys.readouterr().err
    assert "seconds per epoch" in str(history.costs)
    for name, w in one.model.state_dict().items():
        np.testing.assert_array_equal(w, two.model.state_dict()[name])
    assert one.fit((x, y)).predicted == {}  # a forecast is of one run
    one.explain((x, y))
    assert one.fit((x[:100], y[:100])).predicted == {}  # and of the rows that were shown
    shorter = trainer(steps_per_epoch=2).explain((x, y))
    assert shorter.steps == 2 and shorter.here.epoch == pytest.approx(2 * shorter.here.step)


def test_rows_that_cannot_be_trained_on_are_refused_before():
    x, y = oracle.data(20)
    from sparkdl.errors import DataError

    with pytest.raises(DataError, match="no rows"):
        trainer().explain((x[:0], y[:0]))
    with pytest.raises(DataError, match="got 10"):
        trainer().explain((x, y + 1))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"where": "here"}, 'where must be "cluster", "local" or "auto", got \'here\''),
        ({"layout": "fast"}, 'layout must be "tasks", "threads" or "auto", got \'fast\''),
        ({"layout": "auto", "threads": 2}, "chooses tasks and threads"),
        ({"layout": "tasks", "tasks": 2}, "chooses tasks and threads"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        trainer(**options)


@pytest.fixture(scope="module")
def frame(local):
    import pandas as pd

    x, y = oracle.data(ROWS)
    return local.createDataFrame(pd.DataFrame({"x": [row.ravel().tolist() for row in x], "label": y})).cache()


@pytest.fixture(scope="module")
def expected():
    one = trainer()
    one.fit(oracle.data(ROWS))
    return one.model.state_dict()


def same(found, expected):
    for name, w in expected.items():
        np.testing.assert_array_equal(found.model.state_dict()[name], w)


@pytest.mark.parametrize(("layout", "tasks"), [("tasks", 2), ("threads", 1), ("auto", None)])
def test_every_layout_gives_the_same_bits(frame, expected, layout, tasks):
    one = trainer(layout=layout)
    history = one.fit(frame, **COLUMNS)
    same(one, expected)
    assert len(history.costs) == tasks or tasks is None and len(history.costs) in (1, 2)


def test_a_calibrated_layout_is_the_one_that_was_faster(frame, monkeypatch):
    from sparkdl.optim.cluster import trial

    job, chosen = trainer().job(()), []
    columns = {**COLUMNS, "weight": None, "order_by": None}
    for one, both in ((1e-3, 0.9e-3), (1e-3, 0.4e-3)):  # seconds per row on one thread and on two
        monkeypatch.setattr(
            trial, "try_steps", lambda *_, s=(one, both): {"speeds": [Speed(1, 0.0, s[0]), Speed(2, 0.0, s[1])]}
        )
        chosen.append(trial.lay_out(job, frame, columns, "auto", 2))
    assert chosen == [(2, 1), (1, 2)]


def test_a_dataframe_is_explained_trained_on_where_it_says_and_compared(frame, expected, monkeypatch):
    one = trainer(where="auto")
    told = one.explain(frame, **COLUMNS)
    assert told.rows == ROWS and {s.threads for s in told.speeds} <= {1, 2, 4, 8, 16, 32, 64}
    assert told.choice == "local"  # 203 rows
    history = one.fit(frame, **COLUMNS)
    same(one, expected)
    assert len(history.costs) == 1 and "seconds per step" in history.predicted
    monkeypatch.setattr(explaining.Explanation, "choice", "cluster")
    two = trainer(where="auto")
    history = two.fit(frame, **COLUMNS)
    same(two, expected)
    assert len(history.costs) == 2
    assert history.predicted["bytes per worker and step"][0] == 0  # both tasks are in one executor
    predicted, measured = history.predicted["memory per worker"]
    assert 0.3 < measured / predicted < 3


def test_short_epochs_are_tried_too(frame):
    """The trial has fewer rows than they need."""
    one = trainer(where="auto", layout="auto", steps_per_epoch=6)
    assert one.explain(frame, **COLUMNS).steps == 6
    assert one.fit(frame, **COLUMNS)[-1]["iteration"] == 12


def test_an_empty_dataframe_is_refused(frame):
    from sparkdl.errors import DataError

    for options in ({"where": "auto"}, {"layout": "auto"}, {"where": "local"}):
        with pytest.raises(DataError, match="no rows"):
            trainer(**options).fit(frame.limit(0), **COLUMNS)


def test_collected_rows_give_the_same_bits(frame, expected):
    one = trainer(where="local")
    history = one.fit(frame, **COLUMNS, validation=frame)
    same(one, expected)
    assert history.exactly_once and one.evaluate(frame)["Loss"] == history[-1]["Loss"]
