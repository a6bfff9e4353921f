"""Watching executors: no task is started for it, every one is heard of, and the figures add up."""

from __future__ import annotations

import pytest

from sparkdl.optim import LivePage
from sparkdl.optim.costs import LAYERS
from sparkdl.optim.watch.phases import PHASES
from tests.optim.watch.runs import Heard, bits, data, frame, trainer

FIT = {"features": "features", "label": "label"}


def jobs_since(spark, first):
    """How many tasks each job of the session from number ``first`` on has had."""
    context = spark.sparkContext._jsc.sc()
    context.listenerBus().waitUntilEmpty(10_000)
    jobs, found = context.statusStore().jobsList(None).iterator(), {}
    while jobs.hasNext():
        job = jobs.next()
        if job.jobId() >= first:
            found[job.jobId()] = job.numTasks()
    assert len(found) == context.dagScheduler().numTotalJobs() - first
    return [found[number] for number in sorted(found)]


def test_watching_starts_no_job_and_no_task_and_changes_no_bit(local, tmp_path):
    df = frame(local, *data()).cache()
    df.count()
    costs, weights = [], []
    for options in ({}, {}, {"watch": LivePage(tmp_path / "page.html", histograms=4), "callbacks": [Heard(5, True)]}):
        first = local.sparkContext._jsc.sc().dagScheduler().numTotalJobs()
        one = trainer(tasks=2, max_epochs=12, **options)
        one.fit(df, **FIT, validation=df)
        costs.append(jobs_since(local, first))
        weights.append(bits(one.model))
    df.unpersist()
    assert costs[1] == costs[2]  # the first run also opens the door
    assert weights[0] == weights[1] == weights[2]
    assert '"kind":"end"' in (tmp_path / "page.html").read_text()


def test_every_executor_is_heard_of_and_its_costs_are_those_of_the_formula(cluster, tmp_path):
    heard, x_y = Heard(histograms=7), data(3000)
    df = frame(cluster, *x_y)
    one = trainer(tasks=2, max_epochs=30, callbacks=heard, watch=tmp_path / "page.html")
    history = one.fit(df, **FIT)
    assert heard.epochs == list(history) and heard.ends == [(history, None)]
    last = [reading for _, figures in heard.steps for reading in figures["workers"] if reading]
    assert {len(figures["workers"]) for _, figures in heard.steps} == {2}
    assert all(reading["memory"] > 1 << 20 for reading in last)
    assert heard.counted and all(step == 1 or step % 7 == 0 for step in heard.counted)
    steps = history[-1]["iteration"]
    for rank, task in enumerate(history.costs):
        costs = task["costs"]
        assert costs["steps"] == steps
        assert costs["sent"] - costs["side_sent"] == steps * task["per_step"]["put"]
        assert costs["received"] - costs["side_received"] == steps * task["per_step"]["fetched"]
        assert costs["side_sent"] > 0  # BatchNorm's sums
        assert task["over_time"]["sent"][-1] == costs["sent"] and set(task["phases"]) == set(PHASES)
        assert -1e-3 <= history.costs.rest(rank) <= 0.5 * task["wall"]
        assert set(task["layers"]) == set(LAYERS) and all(seconds > -0.1 for seconds in task["layers"].values())
        assert task["layers"]["train"] == pytest.approx(task["wall"], abs=2.0)
        assert task["reads"]["local"] + task["reads"]["remote"] > 0 and task["reads"]["locality"]
    assert sum(task["rows"] for task in history.costs) == 30 * 3000
    assert {task["place"]["executor"] for task in history.costs} == {"0", "1"}
    text = str(history.costs)
    assert all(word in text for word in ("schedule", "locality", "compute", "received"))
    assert set(history.costs.to_pandas()["rank"]) == {0, 1}
