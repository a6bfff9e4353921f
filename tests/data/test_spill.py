"""Growing columns: whole and in order in memory and in files, within the budget, nothing left behind."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkdl.data import spill
from sparkdl.data.spill import Budget, Growing, Spilled


@given(st.lists(st.integers(0, 300_000), min_size=1, max_size=8), st.sampled_from([100, 1 << 20, 1 << 30]))
@settings(deadline=None, max_examples=25)
def test_rows_come_back_as_they_were_appended(sizes, limit):
    budget = Budget(limit)
    column, other = Growing(budget, np.float32, (2,)), Growing(budget, np.int64)
    chunks = [np.arange(2 * size, dtype=np.float32).reshape(-1, 2) + i for i, size in enumerate(sizes)]
    for chunk in chunks:
        column.append(chunk)
        other.append(chunk[:, 0])
    assert budget.held <= limit and budget.held + budget.spilled == 16 * sum(sizes)
    for growing, expected in ((column, np.concatenate(chunks)), (other, np.concatenate(chunks)[:, 0])):
        values = growing.finish()
        assert isinstance(values, Spilled) == (growing.file is not None)
        some = np.arange(0, len(expected), 7)[::-1]
        assert np.array_equal(values[:], expected) and np.array_equal(values[3:9], expected[3:9])
        assert np.array_equal(values.take(some, axis=0), expected[some])


def test_the_largest_column_goes_first():
    budget = Budget(3000)
    small, large = Growing(budget, np.uint8), Growing(budget, np.uint8)
    small.append(np.zeros(1000, np.uint8))
    large.append(np.zeros(2500, np.uint8))
    assert small.file is None and large.file is not None


def test_files_have_no_name(tmp_path):
    budget = Budget(0, str(tmp_path))
    column = Growing(budget, np.int64)
    column.append(np.arange(1000))
    assert os.listdir(tmp_path) == []
    rows = column.finish((10,))
    assert rows.shape == (100, 10) and rows[99:].tolist() == [list(range(990, 1000))]
    file = rows.file.handle
    del rows, column, budget
    with pytest.raises(OSError):
        os.fstat(file)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(OSError) as error:
        Growing(Budget(0, str(tmp_path / "missing")), np.int64).append(np.arange(3))
    assert "memory budget (0 bytes) go to" in error.value.__notes__[0]


def test_spark_local_dirs_are_used(monkeypatch, tmp_path):
    monkeypatch.setenv("SPARK_LOCAL_DIRS", f"/nowhere,{tmp_path}")
    assert spill.local_folder() == str(tmp_path)
    monkeypatch.delenv("SPARK_LOCAL_DIRS")
    assert os.path.isdir(spill.local_folder())


def test_the_default_budget_is_shared_by_tasks():
    assert spill.default_budget() >= spill.default_budget(4) >= 64 << 20


PROGRAM = """
import numpy as np, pyarrow as pa
from sparkdl.data.fields import Field
from sparkdl.data.order import EpochPlan
from sparkdl.data.taskrows import FramePlan

def now(what):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(what)) * 1024

rows, width, count = 1000, 1000, 64                                  # 64 batches of 4 MB
fields = (Field("c0", ("x",), "list", "feature", "float32"), Field("c1", ("y",), "number", "label", "int64"))
plan = FramePlan(fields, ("x", "y"), 8, "float32", hashed=True)

def batches(count):
    for i in range(count):
        x = np.repeat(np.arange(i * rows, (i + 1) * rows, dtype=np.float32), width)
        lists = pa.ListArray.from_arrays(np.arange(rows + 1, dtype=np.int32) * width, x)
        place = np.arange(i * rows, (i + 1) * rows)
        names = ["_sparkdl_hash", "c0", "c1"]
        yield pa.RecordBatch.from_arrays([pa.array(place * 7919), lists, pa.array(place)], names=names)

plan.decode(batches(1), 0, 1, budget=BUDGET)                       # imports and pools are there
start = now("VmRSS")
open("/proc/self/clear_refs", "w").write("5")                      # the high-water mark starts anew
feed, _ = plan.decode(batches(count), 0, 1, budget=BUDGET)
order = EpochPlan(feed.counts, 250, seed=1)
seen = 0
for step in range(order.steps):
    (x,), y, *_ = feed.rows(order.batch(step))
    assert (x == y[:, None]).all()
    seen += y.sum()
assert seen == rows * count * (rows * count - 1) // 2
print(feed.spilled, now("VmHWM") - start)
"""


def test_a_partition_four_times_the_budget_stays_within_it():
    """256 MB of rows, read and then visited in random order, with 64 MB to hold them."""
    budget = 64 << 20
    program = PROGRAM.replace("BUDGET", str(budget))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    spilled, grown = map(int, done.stdout.split())
    assert spilled == 256_000_000
    assert grown < 1.25 * budget
