"""Steps that go on without the late: unbiased, counted, made up; nobody waits for the slow task."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from sparkdl import nn, optim
from sparkdl.optim.loop import Loop

from . import exactly_once

COUNTS = [40, 40, 40, 40]  # of which task 1 of 2 has the last two


class Held(Loop):
    """Task 1's first computation after the warm-up ends only when ``let_go`` says so."""

    let_go: threading.Event
    calls: list[int]

    def _compute(self, rows, run):
        if self.member.rank == 1 and run.step >= 2:
            self.calls.append(run.step)
            self.let_go.wait()
        return super()._compute(rows, run)


def train_held(epochs, release_at, **options):
    """Two tasks; task 1 hangs in the third step until ``release_at`` steps have been made."""
    held, calls = threading.Event(), []

    class Here(Held):
        let_go = held

        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            self.calls = calls

        def _step(self, batch, rows, began):
            done = super()._step(batch, rows, began)
            if self.member.rank == 0 and self.progress.iteration == release_at - 1:
                held.set()
            return done

    options = {"batch_size": 16, "max_epochs": epochs, "stragglers": optim.DropLate(0.5, warm_up=2), **options}
    return exactly_once.train(COUNTS, 2, loop=Here, **options), calls


def test_steps_go_on_without_a_task_that_hangs_and_what_it_skipped_is_made_up():
    results, calls = train_held(3, release_at=9)
    (history, weights, _), (other, same, _) = results
    first, second, third = history
    # steps 2 to 8 of 10 went on while task 1 hung in step 2: 8 of 16 rows each, and whatever it was late for after
    assert calls[0] == 2 and set(calls[1:]).isdisjoint(range(3, 9))
    assert first["rows_skipped"] == first["rows_never"] >= 7 * 8
    assert first["rows_once"] + first["rows_never"] == 160 and first["samples"] == first["rows_once"]
    assert second["rows_made_up"] == second["rows_more"] > 0
    assert second["samples"] + second["rows_skipped"] == 160 + first["rows_skipped"]
    used = sum(line["samples"] for line in history)
    assert used == 3 * 160 - third["rows_skipped"] - sum(line["rows_lost"] for line in history)
    assert [dict(line, seconds=0) for line in other] == [dict(line, seconds=0) for line in history]
    for name, w in weights.items():
        np.testing.assert_array_equal(w, same[name])


def test_a_task_that_was_late_once_is_in_step_again():
    """Held from the third step to the fifth, it is in time again soon after, and for all steps of later epochs."""
    (first, second, third), _, _ = train_held(3, 5, stragglers=optim.DropLate(0.5, warm_up=2, grace=100))[0][0]
    assert 3 * 8 <= first["rows_skipped"] <= 8 * 8 and first["rows_lost"] == 0
    assert second["rows_made_up"] == first["rows_skipped"] and second["rows_skipped"] == 0
    assert (third["rows_once"], third["rows_skipped"], third["rows_made_up"]) == (160, 0, 0)


def test_the_mean_is_over_the_rows_that_are_there():
    """With one task absent from the third step on, weights are those of a serial loop over the other's rows."""
    from sparkdl.data.order import EpochPlan

    x, y, weight, _ = exactly_once.data(COUNTS)
    plan = EpochPlan(COUNTS, 16, 3, 0)
    state = exactly_once.net().state_dict()
    w, b = state["weight"].astype(np.float64), state["bias"].astype(np.float64)
    v, u = 0 * w, 0 * b
    for step in range(9):
        rows = plan.batch(step, 0, 4 if step < 2 else 2).rows
        slope = 2 * (x[rows] @ w.T + b - y[rows]) * weight[rows, None] / weight[rows].sum()
        v, u = 0.5 * v + slope.T @ x[rows], 0.5 * u + slope.sum(0)
        w, b = w - 0.01 * v, b - 0.01 * u
    ((_, found, _), _), _ = train_held(None, release_at=9, end=optim.max_iteration(9))
    np.testing.assert_allclose(found["weight"], w, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["bias"], b, rtol=1e-5, atol=1e-6)


def test_enough():
    optim.DropLate(0.25).check(3, 8)  # of 8 shards one task has 2
    optim.BackupTasks(2).check(3, 8)
    rows = np.array([10, 10, 10, 70])
    three, last = np.array([True, True, True, False]), np.array([False, False, False, True])
    assert not optim.DropLate(0.25).enough(three, rows) and optim.DropLate(0.3).enough(last, rows)
    assert optim.BackupTasks(1).enough(three, rows) and not optim.BackupTasks(2).enough(last, rows)
    assert not optim.BackupTasks(1).enough(three, np.array([0, 0, 0, 1]))  # a step needs a row


def test_nobody_is_late_without_a_reason_to_be_waited_for():
    """A policy that never fires gives the bits of none at all, micro-batches and reshuffling included."""
    never = optim.DropLate(1e-9, warm_up=0)
    for options in ({}, {"micro_batches": 2, "reshuffle": True}):
        expected = exactly_once.train(COUNTS, 2, **options)[0]
        found = exactly_once.train(COUNTS, 2, stragglers=never, **options)[0]
        assert found[0].exactly_once and [line["rows_skipped"] for line in found[0]] == [0, 0]
        for name, w in expected[1].items():
            np.testing.assert_array_equal(found[1][name], w)


def test_an_error_of_the_computation_is_the_users(monkeypatch):
    def fail(self, rows, run):
        raise ZeroDivisionError("the user's own")

    monkeypatch.setattr(Loop, "_compute", fail)
    with pytest.raises(ZeroDivisionError, match="the user's own"):
        exactly_once.train(COUNTS, 2, stragglers=optim.DropLate(0.5))


def test_sums_over_the_whole_batch_are_refused(monkeypatch):
    monkeypatch.setattr(exactly_once, "net", lambda: nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1)))
    with pytest.raises(ValueError, match="stragglers: this model or loss needs sums over the whole batch"):
        exactly_once.train(COUNTS, 2, stragglers=optim.BackupTasks(1))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: optim.DropLate(0), ValueError, "share must be > 0 and < 1.*got 0"),
        (lambda: optim.DropLate(float("nan")), ValueError, "share .*got nan"),
        (lambda: optim.DropLate(0.5, warm_up=-1), ValueError, "warm_up must be a whole number"),
        (lambda: optim.DropLate(0.5, grace=-1), ValueError, "grace must be a number >= 0"),
        (lambda: optim.BackupTasks(0), ValueError, "tasks must be a whole number >= 1"),
        (lambda: optim.BackupTasks(2).check(2, 8), ValueError, "needs more than 2 tasks to train, got 2"),
        (lambda: optim.DropLate(0.25).check(3, 9), ValueError, "leaves out none of 3 tasks, each of which has 33%"),
        (
            lambda: optim.Trainer(exactly_once.net(), nn.MSELoss(), optim.SGD(lr=0.1), stragglers=0.25),
            TypeError, "stragglers must be one such as .* got 0.25",
        ),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.usefixtures("by_value")
def test_on_executors_the_steps_do_not_follow_the_slow_task(cluster, tmp_path):
    """With a task that sleeps in every step, the other makes many steps for each of its."""
    import pandas as pd
    from pyspark import cloudpickle

    from . import slow_task

    cloudpickle.register_pickle_by_value(slow_task)
    rng = np.random.default_rng(0)
    frame = cluster.createDataFrame(
        pd.DataFrame({"x": rng.standard_normal((400, 3)).tolist(), "y": rng.standard_normal(400)})
    )
    from sparkdl.data import Column

    def fit(stragglers, seconds, steps):
        for file in tmp_path.iterdir():
            file.unlink()
        model = nn.Sequential(slow_task.Slow(str(tmp_path), seconds, 2), nn.Linear(3, 1))
        trainer = optim.Trainer(
            model, nn.MSELoss(), optim.SGD(lr=0.01), batch_size=10, progress=False, stragglers=stragglers,
            end=optim.max_iteration(steps),
        )  # fmt: skip
        history = trainer.fit(frame, features="x", label=Column(("y",), shape=(1,)))
        lines = {name: (tmp_path / name).read_text().split("\n")[:-1] for name in ("fast", "slow")}
        return history, {name: [float(line.split()[1]) for line in each] for name, each in lines.items()}

    try:
        waited, stamps = fit(None, 0.05, 12)
        assert len(stamps["fast"]) == len(stamps["slow"]) == 12
        assert all(
            a < b for a, b in zip(stamps["slow"][2:], stamps["fast"][3:], strict=False)
        )  # each waits for the slow
        history, stamps = fit(optim.DropLate(0.75, warm_up=2), 1.0, 60)
    finally:
        cloudpickle.unregister_pickle_by_value(slow_task)
    first, second = history
    assert waited.restarts == history.restarts == []
    assert waited.varies == [] and "no two runs have the same bits" in history.varies[0]
    assert len(stamps["fast"]) == 60 and len(stamps["slow"]) <= 30  # the slow one computed at most every other step
    assert sum(stamp < stamps["slow"][2] for stamp in stamps["fast"]) >= 10  # many steps went by during its first sleep
    assert first["rows_skipped"] == first["rows_never"] >= 100
    assert first["rows_once"] + first["rows_never"] == 400
