"""Callbacks hear what happens, in order and once; what tasks measure adds up."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from sparkdl import nn, optim
from sparkdl.optim.costs import CostReport, size
from sparkdl.optim.exchange.base import Costs
from sparkdl.optim.watch import phases as phases_module
from sparkdl.optim.watch.phases import PHASES, Phases
from sparkdl.optim.watch.series import Series
from tests.optim.watch.runs import Heard, bits, data, trainer


def test_a_callback_hears_everything_and_changes_no_bit():
    x, y = data()
    alone = trainer()
    alone.fit((x, y))
    heard = Heard(histograms=4, every_step=True)
    watched = trainer(callbacks=[heard])
    history = watched.fit((x, y), validation=(x, y), metrics=[optim.Top1Accuracy()])
    assert bits(watched.model) == bits(alone.model)
    assert [progress.iteration for progress, _ in heard.steps] == list(range(1, 31))  # 10 steps in each of 3 epochs
    assert [(figures["step"], figures["steps"]) for _, figures in heard.steps] == [(i, 10) for i in range(1, 11)] * 3
    assert heard.epochs == list(history) and heard.ends == [(history, None)]
    assert heard.begun[0]["metrics"] == ["Top1Accuracy"] and heard.begun[0]["spark"] is False
    assert sorted(heard.counted) == [1, 4, 8, 12, 16, 20, 24, 28]
    reading = heard.steps[-1][1]["workers"][0]
    assert reading["rows"] == 3 * 600 and reading["step"] == 30
    assert reading["loss"] / reading["weight"] == pytest.approx(np.mean(history["loss"]))


def test_the_histograms_are_those_of_the_weights_and_of_the_gradient():
    x, y = data(64)
    heard = Heard(histograms=1)
    nn.manual_seed(1)
    model = nn.Sequential(nn.Linear(12, 3), nn.LogSoftmax())
    before = {name: p.value.copy() for name, p in model.named_parameters()}
    optim.Trainer(model, nn.NLLLoss(), optim.SGD(lr=1.0), batch_size=64, progress=False, callbacks=heard).fit((x, y))
    for name, p in model.named_parameters():
        weights, gradients = heard.counted[1][name]
        for histogram, values in ((weights, p.value), (gradients, before[name] - p.value)):  # lr is 1
            assert histogram.counts.sum() == values.size
            low, median, high = histogram.quantiles((0.0, 0.5, 1.0))
            assert low <= values.min() <= low * (0.75 if low < 0 else 1.34)
            assert high >= values.max() >= high * (0.75 if high > 0 else 1.34)


def test_every_callback_hears_the_end_whoever_fails():
    class Broken(optim.Callback):
        def on_epoch(self, progress, line):
            raise RuntimeError("no")

    first, last = Heard(), Heard()
    with pytest.raises(RuntimeError, match="no") as caught:
        trainer(callbacks=[first, Broken(), last]).fit(data())
    for heard in (first, last):
        assert heard.ends == [(None, caught.value)]


def test_whoever_did_not_hear_the_beginning_does_not_hear_the_end():
    class Broken(optim.Callback):
        def on_begin(self, run):
            raise RuntimeError("no")

    first, last = Heard(), Heard()
    with pytest.raises(RuntimeError):
        trainer(callbacks=[first, Broken(), last]).fit(data())
    assert len(first.ends) == 1 and not last.ends and not last.begun


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"callbacks": [print]}, TypeError, "derived from optim.Callback"),
        ({"callbacks": [Heard(histograms=0)]}, ValueError, "histograms must be a number of steps >= 1"),
        ({"watch": 3}, TypeError, "watch must be True, False, a file's name or optim.LivePage"),
    ],
)
def test_wrong_arguments_are_refused_by_name(options, error, words):
    with pytest.raises(error, match=words):
        trainer(**options)


def test_phases_count_no_second_twice(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(phases_module.time, "perf_counter", lambda: now[0])
    costs = Costs()
    phases = Phases(costs)
    with phases.measure("compute"):
        now[0] += 5.0
        costs.wait += 2.0  # BatchNorm's sums, in the middle
    phases.add("starved", 1.0)
    assert phases.seconds() == {**dict.fromkeys(PHASES, 0.0), "compute": 3.0, "wait": 2.0, "starved": 1.0}


def test_the_cost_report_adds_up_to_the_wall_time():
    history = trainer(max_epochs=5).fit(data(4000), validation=data(2000))
    (task,) = history.costs
    assert all(seconds >= 0 for seconds in task["phases"].values())
    assert task["phases"]["compute"] > 0 and task["phases"]["validate"] > 0
    assert 0 <= history.costs.rest(0) <= 0.5 * task["wall"]  # of steps this small the loop itself is a good part
    assert task["rows"] == 20_000 and task["over_time"]["rows"][-1] == 20_000
    frame = history.costs.to_pandas()
    assert list(frame["rank"].unique()) == [0] and (frame["memory"] > 1 << 20).all()
    assert "compute" in str(history.costs) and "rest" in str(history.costs)


def test_the_table_of_costs():
    over_time = {name: [0, 4] for name in ("at", "step", "rows", "cpu", "sent", "received", *PHASES)}
    task = {
        "wall": 4.0, "phases": {**dict.fromkeys(PHASES, 0.0), "compute": 3.0}, "rows": 1234,
        "costs": {"sent": 2048, "received": 6144}, "over_time": {**over_time, "memory": [1 << 20, 3 << 20]},
    }  # fmt: skip
    text = str(CostReport([task]))
    assert "3.00  75%" in text and "1.00  25%" in text and "1,234" in text
    assert "2.0 KiB" in text and "6.0 KiB" in text and "3.0 MiB" in text and "1.00" in text
    assert [size(n) for n in (None, 0, 1023, 1 << 30, 1 << 45)] == ["-", "0 B", "1023 B", "1.0 GiB", "32768.0 GiB"]


def test_a_series_stays_small_and_keeps_both_ends():
    series = Series(limit=16)
    for i in range(1000):
        series.append(i)
        kept = list(series)
        assert kept[0] == 0 and kept[-1] == i and len(kept) <= 17
    gaps = set(np.diff(kept[:-1]))
    assert len(gaps) == 1


def test_the_history_as_csv_and_strict_json(tmp_path):
    lines = [
        {"epoch": 1, "loss": 0.5, "counts": np.eye(2), "best": np.float64(0.25)},
        {"epoch": 2, "loss": math.nan, "Top1Accuracy": 0.75},
    ]
    history = optim.History(lines)
    history.to_json(tmp_path / "history.json")
    history.to_csv(tmp_path / "history.csv")

    def refuse(constant):
        raise AssertionError(constant)

    assert json.loads((tmp_path / "history.json").read_text(), parse_constant=refuse) == [
        {"epoch": 1, "loss": 0.5, "counts": [[1.0, 0.0], [0.0, 1.0]], "best": 0.25},
        {"epoch": 2, "loss": None, "Top1Accuracy": 0.75},
    ]
    text = (tmp_path / "history.csv").read_text().splitlines()
    assert text[0] == "epoch,loss,counts,best,Top1Accuracy" and text[-1] == "2,nan,,,0.75"
    frame = history.to_pandas()
    assert list(frame.columns) == history.names and frame["Top1Accuracy"][1] == 0.75
