import threading

import numpy as np
import pytest

from sparkdl.blockmanager.arena import Arena, Layout
from sparkdl.errors import BlockError


def test_arrays_of_a_layout_do_not_overlap_and_start_on_cache_lines():
    layout = Layout()
    shapes = [((3,), np.float32), ((0, 5), np.float64), ((7, 9), np.int16), ((), np.int64), ((64,), np.uint8)]
    numbers = [layout.add(shape, dtype) for shape, dtype in shapes]
    memory = np.zeros(layout.nbytes, np.uint8)
    arrays = layout.place(memory)
    assert numbers == list(range(len(shapes)))
    for number, (shape, dtype) in enumerate(shapes):
        assert arrays[number].shape == shape and arrays[number].dtype == dtype
        assert (arrays[number].ctypes.data - memory.ctypes.data) % 64 == 0
        arrays[number].fill(number + 1)
    for number, array in enumerate(arrays):
        assert (array == number + 1).all()


@pytest.mark.parametrize("members", [1, 2, 5])
def test_nobody_leaves_a_meeting_before_all_have_come(members):
    counters = np.zeros((members, 8), np.int64)
    data = np.zeros(members, np.int64)
    wrong = []

    def member(index):
        arena = Arena(counters, index, members)
        for turn in range(1, 200):
            data[index] = turn
            arena.meet(timeout=60)
            if not (data == turn).all():
                wrong.append((index, turn, data.copy()))
            arena.meet(timeout=60)

    threads = [threading.Thread(target=member, args=(index,)) for index in range(members)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_member_who_does_not_come_is_named():
    arena = Arena(np.zeros((3, 8), np.int64), 0, 3)
    with pytest.raises(BlockError, match=r"task 1 of this executor's 3 did not come to meeting 1 within 0\.[0-9] s"):
        arena.meet(timeout=0.05)
