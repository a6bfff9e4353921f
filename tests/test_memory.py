"""Memory that is used again: only when nobody holds it."""

import gc
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
