"""Ways of kernels: by rule, timed where that is asked for, kept on disk, and part of the table that tasks get."""

import json

import numpy as np
import pytest

from sparkdl import kernel, kernelcache
from sparkdl.nn.kernels import choice, conv

KEY = ("forward", "float32", (3, 3), (1, 1), (1, 1), 1, 32, 32, (8, 8), (8, 8))


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """No choices, and a folder of its own for those that are made."""
    monkeypatch.setattr(kernelcache, "folder", lambda: tmp_path)
    monkeypatch.setitem(kernel._table, "choices", {})
    choice._load.cache_clear()
    yield tmp_path
    choice._load.cache_clear()


def sleeping(times):
    """Work that takes so long, by a clock that only it moves."""
    clock, done = [0.0], []

    def run(way):
        done.append(way)
        clock[0] += times[way]

    return run, done, lambda: clock[0]


def test_the_rule_counts_unless_shapes_are_timed(empty, monkeypatch):
    run, done, clock = sleeping({"a": 2.0, "b": 1.0})
    monkeypatch.setattr(choice.time, "perf_counter", clock)
    assert choice.pick(KEY, ("a", "b"), run) == "a" and not done
    monkeypatch.setenv("SPARKDL_TIMED", "1")
    assert choice.pick(KEY, ("a", "b"), None) == "a" and not done  # only asked
    assert choice.pick(KEY, ("a",), run) == "a" and not done  # nothing to choose
    assert choice.pick(KEY, ("a", "b"), run) == "b" and set(done) == {"a", "b"}
    done.clear()
    assert choice.pick(KEY, ("a", "b"), run) == "b" and not done  # known by now
    assert choice.in_force() == {repr(KEY): "b"}
    (kept,) = empty.glob("choices-*.json")
    assert json.loads(kept.read_text()) == {repr(KEY): "b"}
    assert kept.stat().st_mode & 0o077 == 0


def test_choices_are_read_from_disk_and_a_damaged_file_is_none(empty, monkeypatch):
    monkeypatch.setenv("SPARKDL_TIMED", "1")
    choice._path().write_text(json.dumps({repr(KEY): "b"}))
    run, done, clock = sleeping({"a": 1.0, "b": 2.0})
    monkeypatch.setattr(choice.time, "perf_counter", clock)
    assert choice.pick(KEY, ("a", "b"), run) == "b" and not done
    kernel._table["choices"].clear()
    choice._load.cache_clear()
    choice._path().write_text("{")
    assert choice.pick(KEY, ("a", "b"), run) == "a" and done


def test_a_drivers_choices_hold_for_convolutions(empty):
    rng = np.random.default_rng(0)
    x, y, other = (rng.standard_normal((2, 8, 8, 32), dtype=np.float32).transpose(0, 3, 1, 2) for _ in range(3))
    w = rng.standard_normal((3, 3, 32, 32), dtype=np.float32)
    assert conv.ways(KEY[0], np.float32, *KEY[2:]) == ("winograd", "direct")
    conv.forward(y, x, w, None, (1, 1), (1, 1), (1, 1), 1)
    choice.take({repr(KEY): "direct"})
    assert conv.way(*KEY) == "direct"
    conv.forward(other, x, w, None, (1, 1), (1, 1), (1, 1), 1)
    assert not np.array_equal(y, other)  # other roundings: it went the other way
    np.testing.assert_allclose(y, other, rtol=0, atol=1e-4 * np.abs(y).max())
