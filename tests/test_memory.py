"""Memory that is used again: only when nobody holds it."""

import gc
import platform
import subprocess
import sys
import threading

import numpy as np
import pytest

from sparkdl import memory


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    pool = memory._Pool()
    monkeypatch.setattr(memory, "pool", pool)
    return pool


def test_small_arrays_are_plain():
    assert memory.empty((3, 4), np.float64).base is None
    assert memory.empty((0, 5)).shape == (0, 5)


def test_a_block_comes_back_when_the_last_view_has_gone(fresh):
    a = memory.empty((512, 1024))
    at = a.ctypes.data
    assert at % 64 == 0 and a.shape == (512, 1024) and a.dtype == np.float32 and a.flags.c_contiguous
    view = a[10:].transpose()[3]
    del a
    gc.collect()
    b = memory.empty((512, 1024))
    assert b.ctypes.data != at
    del view
    gc.collect()
    c = memory.empty((512, 1000))  # a little smaller: the same block
    assert c.ctypes.data == at
    assert fresh.lent == 2 * (1 << 21)


def test_a_block_of_up_to_twice_the_size_will_do(fresh):
    large = memory.empty((1 << 20,))
    at = large.ctypes.data
    del large
    gc.collect()
    third, half = memory.empty((300 << 10,)), memory.empty((1 << 19,))
    assert third.ctypes.data != at and half.ctypes.data == at
    assert fresh.lent == (1 << 22) + third.base.base.size and fresh.idle == 0


FAULTS = """
import resource
import numpy as np
import sparkdl.memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.empty(1 << 20, np.uint8).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults(), faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have limits of their own")
def test_what_the_c_library_serves_stays_with_the_process():
    """256 pages the first time, and none the second: else the system would give them, cleared, each time."""
    first, second = map(int, subprocess.check_output([sys.executable, "-c", FAULTS], text=True).split())
    assert first > 100 and second < 20


def test_no_more_is_kept_than_was_in_use(fresh):
    a, b = memory.empty((1 << 18,)), memory.empty((1 << 18,))
    del a, b
    c = memory.empty((1 << 19,))
    del c
    gc.collect()
    assert fresh.lent == 0 and fresh.idle <= fresh.most == 2 << 20
    fresh.clear()
    assert fresh.idle == 0 and not fresh.free


def test_threads_do_not_share_memory(fresh):
    wrong = []

    def work(n):
        for _ in range(200):
            a = memory.empty((1 << 17,))
            a.fill(n)
            if not (a == n).all():
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong
