"""Checkpoints: going on from one equals never having stopped; damaged ones are passed over."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sparkdl import kernel, nn, optim
from sparkdl.errors import DataError, FormatError, UnsupportedError
from sparkdl.optim import loop
from sparkdl.optim.checkpoint.checkpoints import Checkpoints
from sparkdl.optim.checkpoint.files import LocalFiles
from sparkdl.optim.checkpoint.halves import Writer, sweep, writer
from sparkdl.optim.checkpoint.snapshot import Epoch, Snapshot

from . import oracle


def net():
    nn.manual_seed(4)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(144, 10)
    )


def fit(folder=None, steps=20, rule=None, resume=None, metrics=None, **options):
    x, y = oracle.data(150)
    model = net()
    rule = rule or optim.SGD(lr=0.05, momentum=0.9)
    trainer = optim.Trainer(
        model, nn.CrossEntropyLoss(), rule, batch_size=16, seed=2, end=optim.max_iteration(steps), progress=False,
        checkpoint=folder, **options,
    )  # fmt: skip
    history = trainer.fit((x, y), validation=(x[:50], y[:50]), metrics=metrics, resume=resume)
    return model.state_dict(), history


@pytest.mark.parametrize("stop", [1, 7, 10, 13])
@pytest.mark.parametrize("rule", [optim.SGD, optim.Adam])
def test_training_k_and_going_on_equals_training_on(tmp_path, stop, rule):
    def made():
        return rule(lr=0.01, momentum=0.9) if rule is optim.SGD else rule(lr=0.01)

    whole, expected = fit(rule=made())
    fit(tmp_path, steps=stop, rule=made())
    resumed, history = fit(tmp_path, rule=made(), resume=tmp_path)
    for name, w in whole.items():
        np.testing.assert_array_equal(resumed[name], w, err_msg=name)
    for mine, theirs in zip(history, expected, strict=True):
        assert {k: v for k, v in mine.items() if k != "seconds"} == {k: v for k, v in theirs.items() if k != "seconds"}


def test_figures_that_are_arrays_come_back_as_arrays(tmp_path):
    _, expected = fit(metrics=[optim.ConfusionMatrix(10), optim.Loss()])
    fit(tmp_path, steps=13, metrics=[optim.ConfusionMatrix(10), optim.Loss()])
    _, history = fit(tmp_path, metrics=[optim.ConfusionMatrix(10), optim.Loss()], resume=tmp_path)
    for mine, theirs in zip(history, expected, strict=True):
        (name,) = [name for name in theirs if "onfusion" in name]
        assert mine[name].shape == (10, 10) and mine[name].dtype == theirs[name].dtype
        np.testing.assert_array_equal(mine[name], theirs[name])


def test_the_folder_of_another_run_is_refused_also_when_going_on(tmp_path):
    fit(tmp_path / "one", steps=12)
    fit(tmp_path / "other", steps=60, checkpoint_every=optim.several_iteration(15))
    before = LocalFiles(tmp_path / "other").names()
    with pytest.raises(DataError, match="another run"):
        fit(tmp_path / "other", resume=tmp_path / "one")
    assert LocalFiles(tmp_path / "other").names() == before
    whole, _ = fit()
    resumed, _ = fit(tmp_path / "new", resume=tmp_path / "one")
    assert LocalFiles(tmp_path / "new").names() == ["step-0000000020.ckpt"]
    for name, w in whole.items():
        np.testing.assert_array_equal(resumed[name], w)
    fit(tmp_path / "one", resume=f"{tmp_path}/./one/")  # another way to say the same folder


def test_shorter_epochs_than_the_one_that_was_begun_are_refused(tmp_path):
    fit(tmp_path, steps=15)  # ten steps and five
    with pytest.raises(DataError, match="5 steps into an epoch, and steps_per_epoch=3"):
        fit(tmp_path, resume=tmp_path, steps_per_epoch=3)


def test_a_monitor_that_is_not_measured_is_refused(tmp_path):
    with pytest.raises(ValueError, match="monitor='Top1Acuracy' is not measured; measured are Loss, loss"):
        fit(tmp_path, monitor="Top1Acuracy")


def test_the_newest_stay_and_the_best(tmp_path):
    fit(tmp_path, steps=60, keep=2, monitor="Loss", monitor_mode="min")
    names = LocalFiles(tmp_path).names()
    assert names == ["best.ckpt", "step-0000000050.ckpt", "step-0000000060.ckpt"]
    best = Checkpoints(LocalFiles(tmp_path)).best()
    assert best.progress.history[-1]["Loss"] == min(line["Loss"] for line in best.progress.history)


def test_the_best_stays_also_where_no_checkpoint_falls_on_an_epochs_end(tmp_path):
    """Epochs have ten steps."""
    for stop, newest in ((68, [63, 68]), (50, [49, 50])):  # in an epoch, and at the end of the best one
        folder = tmp_path / str(stop)
        fit(folder, stop, checkpoint_every=optim.several_iteration(7), keep=2, monitor="Loss", monitor_mode="min")
        assert LocalFiles(folder).names() == ["best.ckpt", *(f"step-{step:010d}.ckpt" for step in newest)]
        best = Checkpoints(LocalFiles(folder)).best()
        history = fit(steps=stop)[1]
        least = min(history[: stop // 10], key=lambda line: line["Loss"])
        assert best.progress.iteration == least["iteration"] and not best.for_best
    assert best.progress.iteration == 50
    resumed, _ = fit(tmp_path / "50", resume=tmp_path / "50", steps=60)
    for name, w in fit(steps=60)[0].items():
        np.testing.assert_array_equal(resumed[name], w)


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b[:100], lambda b: b[:500] + b"x" + b[501:], lambda b: b""]
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tmp_path, caplog, damage):
    whole, _ = fit()
    fit(tmp_path, steps=12, checkpoint_every=optim.several_iteration(5))
    newest = tmp_path / "step-0000000012.ckpt"
    newest.write_bytes(damage(newest.read_bytes()))
    with caplog.at_level(logging.WARNING):
        resumed, _ = fit(tmp_path, resume=tmp_path)
    assert "step-0000000012.ckpt" in caplog.text
    for name, w in whole.items():
        np.testing.assert_array_equal(resumed[name], w)


def test_a_damaged_checkpoint_of_a_later_step_takes_no_place(tmp_path):
    """Training that was gone on with from before it writes on, and is gone on with again."""
    whole, _ = fit()
    fit(tmp_path, steps=5, keep=1)
    (tmp_path / "step-0000000012.ckpt").write_bytes(b"cut off")
    fit(tmp_path, steps=8, keep=1, resume=tmp_path)
    assert LocalFiles(tmp_path).names() == ["step-0000000008.ckpt", "step-0000000012.ckpt"]
    resumed, _ = fit(tmp_path, keep=1, resume=tmp_path)
    for name, w in whole.items():
        np.testing.assert_array_equal(resumed[name], w)
    assert LocalFiles(tmp_path).names() == ["step-0000000020.ckpt"]


def test_a_checkpoint_that_is_half_written_counts_for_nothing_and_goes(tmp_path, monkeypatch):
    """The driver dies between the bytes and the name that makes them a checkpoint."""
    whole, _ = fit()
    replace, written = os.replace, []

    def die(half, name):
        written.append(half)
        if len(written) == 2:
            raise KeyboardInterrupt
        replace(half, name)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", die)
        fit(tmp_path, checkpoint_every=optim.several_iteration(5))
    assert written[1].exists()
    resumed, _ = fit(tmp_path, resume=tmp_path)
    for name, w in whole.items():
        np.testing.assert_array_equal(resumed[name], w)
    assert LocalFiles(tmp_path).names() == [f"step-{step:010d}.ckpt" for step in (5, 10, 20)]


def test_what_a_dead_writer_left_goes_and_nothing_else(tmp_path):
    """Written out: run-process-start-machine, where start is field 22 of /proc/<process>/stat."""
    mine = writer(5)
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = int(Path(f"/proc/{other.pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
    lives = Writer(1, other.pid, started, mine.machine)
    before = f".step-0000000003.ckpt.4-{mine.process}-{mine.start}-{mine.machine}.half"
    again = lives._replace(start=started - 1).half("best.ckpt")  # its number was given anew
    stay = [
        mine.half("step-0000000004.ckpt"), lives.half("step-0000000004.ckpt"),
        lives._replace(process=2**22 + 1, machine="0123456789abcdef").half("best.ckpt"),
        ".notes.half", ".step-0000000004.ckpt.half", "step-0000000004.ckpt", ".model.ckpt.4-1-1-00.half",
    ]  # fmt: skip
    for name in (before, again, *stay):
        (tmp_path / name).write_bytes(b"some")
    files = LocalFiles(tmp_path)
    assert sorted(sweep(files, mine)) == sorted([before, again])
    assert files.names() == sorted(stay)
    other.communicate(b"\n")
    assert sweep(files, mine) == [lives.half("step-0000000004.ckpt")]


def test_nothing_intact_is_an_error_and_nothing_at_all_a_fresh_start(tmp_path):
    (tmp_path / "step-0000000001.ckpt").write_bytes(b"no")
    with pytest.raises(FormatError, match="step-0000000001"):
        fit(resume=tmp_path)
    fresh, _ = fit(steps=3)
    also, _ = fit(steps=3, resume=tmp_path / "empty")
    for name, w in fresh.items():
        np.testing.assert_array_equal(also[name], w)


def test_other_data_or_settings_cannot_be_gone_on_with(tmp_path):
    fit(tmp_path, steps=3)
    x, y = oracle.data(150, seed=1)
    trainer = optim.Trainer(net(), nn.CrossEntropyLoss(), optim.SGD(lr=0.1), batch_size=17, seed=2, progress=False)
    with pytest.raises(DataError, match="batch_size was 16 and is 17.*"):
        trainer.fit((x, y), resume=tmp_path)


def test_going_on_computes_as_before(tmp_path, monkeypatch):
    """With the choices of then; where that is not possible it is refused."""
    monkeypatch.setitem(kernel._table, "choices", {"some shape": "a way"})
    fit(tmp_path, steps=3)
    kernel._table["choices"] = {"some shape": "another way"}
    fit(resume=tmp_path)
    assert kernel._table["choices"] == {"some shape": "a way"}
    monkeypatch.setattr(loop, "arithmetic", lambda: "plain on something")
    with pytest.raises(DataError, match=f"arithmetic was '{kernel.arithmetic()}' and is 'plain on something'"):
        fit(resume=tmp_path)


def test_tasks_that_compute_differently_are_refused():
    others = SimpleNamespace(gather=lambda mine: [mine, np.frombuffer(b"plain on an old one", np.uint8)])
    with pytest.raises(UnsupportedError, match=f"would not have the same bits: {kernel.arithmetic()}, plain on an old"):
        loop.Loop._arithmetic(SimpleNamespace(exchange=others))


def test_a_snapshot_survives_its_one_file_form():
    progress = optim.Progress(epoch=2, iteration=9, epoch_ended=True, loss=0.5, history=({"loss": 0.5, "epoch": 1},))
    snapshot = Snapshot(progress, Epoch(3, 1.5, 2.0, 48, 0.1, {"Loss": 1.0}), {"rows": 7}, {"model/w": np.arange(3.0)})
    again = Snapshot.unpack(snapshot.pack(), "x")
    assert (again.progress, again.epoch, again.run) == (progress, snapshot.epoch, snapshot.run)
    np.testing.assert_array_equal(again.part("model")["w"], np.arange(3.0))
