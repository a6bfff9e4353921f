"""The progress bar: what it says and where it is drawn."""

from __future__ import annotations

import io

import pytest

from sparkdl.optim import bar as module
from sparkdl.optim.bar import Bar
from sparkdl.optim.progress import Progress

EPOCH = {"epoch": 1, "iteration": 10, "loss": 0.25, "samples": 320, "seconds": 2.0, "Top1Accuracy": 0.5}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Seconds that the test sets."""
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    return now


def test_on_a_terminal_it_tells_loss_rate_and_time_left(clock):
    out = Terminal()
    bar = Bar(out)
    bar.on_step(Progress(iteration=100, samples=3200, loss=0.75), {"step": 100, "steps": 1000})
    clock[0] = 10.0
    bar.on_step(Progress(iteration=150, samples=4800, loss=0.5), {"step": 150, "steps": 1000})
    first, second = out.getvalue().split("\r")[:2]
    assert (
        "10%" in first and "loss 0.75" in first and "samples/s" not in first
    )  # of what came before it nothing is known
    assert "epoch   1" in second and "15%" in second and "loss 0.5" in second
    assert "160 samples/s" in second and "2:50 left" in second


def test_in_a_notebook_it_is_drawn_as_on_a_terminal():
    """A Jupyter kernel's stream says that it is no terminal."""
    stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    assert not stream.isatty()
    bar = Bar(stream)
    bar.on_step(Progress(iteration=5, loss=0.5), {"step": 5, "steps": 10})
    bar.on_epoch(Progress(iteration=10), EPOCH)
    running, epoch = stream.getvalue().split("\r")
    assert "50%" in running and epoch.startswith("epoch   1  loss 0.25")
    assert len(epoch.rstrip("\n")) >= len(running)  # what stood there is written over


def test_after_a_restart_it_counts_from_there(clock):
    out = Terminal()
    bar = Bar(out)
    bar.on_step(Progress(iteration=90, samples=90, loss=1.0), {"step": 90, "steps": 100})
    clock[0] = 60.0
    bar.on_step(Progress(iteration=50, samples=50, loss=1.0), {"step": 50, "steps": 100})
    clock[0] = 61.0
    bar.on_step(Progress(iteration=60, samples=60, loss=1.0), {"step": 60, "steps": 100})
    assert "10 samples/s  0:04 left" in out.getvalue().split("\r")[2]


def test_it_is_drawn_a_few_times_a_second_however_often_it_is_told(clock):
    out = Terminal()
    bar = Bar(out)
    for step in range(1, 100):
        clock[0] = step / 1000
        bar.on_step(Progress(iteration=step), {"step": step, "steps": 1000})
    assert out.getvalue().count("\r") == 1


def test_in_a_file_there_is_one_line_per_epoch():
    out = io.StringIO()
    bar = Bar(out)
    bar.on_step(Progress(iteration=5), {"step": 5, "steps": 10})
    bar.on_epoch(Progress(iteration=10), EPOCH)
    bar.on_end(None, None)
    assert out.getvalue().split() == "epoch 1 loss 0.25 Top1Accuracy 0.5 160 samples/s 2.0 s".split()
