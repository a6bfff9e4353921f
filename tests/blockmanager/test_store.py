"""What every block store does."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest
from members import as_tasks, as_threads

from sparkdl.blockmanager.store import Block
from sparkdl.errors import BlockError

STORES = ["memory", *(pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("local", "cluster"))]


@pytest.fixture(params=STORES)
def together(request):
    """``together(work)`` runs ``work(store)`` in two members at once and returns both results."""
    if request.param == "memory":
        return as_threads
    spark = request.getfixturevalue(request.param)
    return lambda work: as_tasks(spark, work)


def refused(action):
    """The message of the BlockError that ``action`` raises."""
    try:
        action()
    except BlockError as error:
        return str(error)
    return "nothing was raised"


def test_what_one_member_puts_all_get(together):
    def work(store):
        values = np.arange(1000, dtype=np.float32) + store.rank
        store.put(Block("a", 1, store.rank), values)
        outs = [np.zeros(1000, np.float32), np.zeros(1000, np.float32)]
        store.get_many([Block("a", 1, 0), Block("a", 1, 1)], outs, timeout=30)
        alone = np.zeros(1000, np.float32)
        store.get(Block("a", 1, 1 - store.rank), alone, timeout=30)
        return outs[0][-1], outs[1][-1], alone[0], store.get(Block("a", 1, 0), timeout=30)

    for rank, (first, second, alone, data) in enumerate(together(work)):
        assert (first, second, alone) == (999, 1000, 1 - rank)
        assert data == np.arange(1000, dtype=np.float32).tobytes()


def test_a_block_is_made_of_pieces_and_comes_apart_into_others(together):
    def work(store):
        memory = store.share(1 << 16)
        half = memory[32 * store.rank :][: 1 << 10] if len(store.teams) == 1 else memory[: 1 << 10]
        half[:8] = np.arange(8)
        pieces = [b"head", half[:8], np.arange(3, dtype=np.int16), memoryview(b"tail")]
        store.put(Block("p", 1, store.rank, 1 - store.rank, 7), pieces)
        first, rest = np.zeros(6, np.uint8), memory[4096 + 128 * store.rank :][:16]
        store.get(Block("p", 1, 1 - store.rank, store.rank, 7), [first, rest], timeout=30)
        return bytes(first) + bytes(rest)

    expected = b"head" + bytes(range(8)) + np.arange(3, dtype=np.int16).tobytes() + b"tail"
    assert together(work) == [expected, expected]


def test_lent_memory_is_read_until_its_block_is_removed_and_is_free_then(together):
    def work(store):
        memory = store.share(1 << 20)
        place = store.teams[0].index(store.rank) if len(store.teams) == 1 else 0
        mine, out = memory[place << 18 :][: 1 << 17], memory[(2 + place) << 18 :][: 1 << 17]
        seen = []
        for step in range(1, 4):
            mine[:] = 10 * step + store.rank
            block, other = Block("l", step, store.rank), Block("l", step, 1 - store.rank)
            store.exchange([(block, [mine[:7], b"copied", mine[7:]] if step == 2 else mine)], lend=True)
            got = store.read(other, timeout=30) if step == 2 else None
            if got is None:
                store.exchange(gets=[(other, out)], timeout=30)
                got = bytes(out)
            seen.append((len(got), got[0], got[-1]))
            store.put(Block("done", step, store.rank), b"!")
            store.wait("done", step, [1 - store.rank], timeout=30)
            store.remove([block])
        return seen

    for rank, seen in enumerate(together(work)):
        values = [10 * step + 1 - rank for step in range(1, 4)]
        assert seen == [((1 << 17) + (6 if i == 1 else 0), value, value) for i, value in enumerate(values)]


def test_blocks_of_many_megabytes(together):
    def work(store):
        values = np.random.default_rng(store.rank).integers(0, 255, 9 << 20, np.uint8)
        blocks = [Block("m", 1, store.rank, part=part) for part in range(3)]
        store.exchange(puts=[(block, values[part:]) for part, block in enumerate(blocks)])
        other = [Block("m", 1, 1 - store.rank, part=part) for part in range(3)]
        outs = [np.zeros((9 << 20) - part, np.uint8) for part in range(3)]
        store.get_many(other, outs, timeout=60)
        expected = np.random.default_rng(1 - store.rank).integers(0, 255, 9 << 20, np.uint8)
        return [bool((out == expected[part:]).all()) for part, out in enumerate(outs)]

    assert together(work) == [[True] * 3] * 2


def test_the_first_put_of_a_name_wins(together):
    def work(store):
        block = Block("w", 1, store.rank)
        store.put(block, b"first")
        store.put(block, b"second, and longer")
        return store.get(block), store.stats().blocks_put

    for data, put in together(work):
        assert data == b"first"
        assert put in (1, 2)  # members of one executor are counted together


def test_a_member_can_look_whether_something_came(together):
    def work(store):
        other = 1 - store.rank
        before = store.came("c", 1, other, 0.005)
        store.put(Block("ready", 1, store.rank), b"1")
        store.wait("ready", 1, [other], timeout=30)
        block = Block("c", 3, store.rank)
        store.exchange(puts=[(block, b"1")], removes=[block])  # nobody fetches it
        store.wait("c", 3, [other], timeout=30)
        found = before, store.came("c", 3, other, 1.0), store.came("c", 4, other, 0.005)
        store.put(Block("end", 1, store.rank), b"1")
        store.wait("end", 1, [other], timeout=30)  # a task that has ended is an error
        return found

    assert together(work) == [(False, True, False)] * 2


def test_a_reader_waits_for_the_writer(together):
    def work(store):
        if store.rank == 0:
            time.sleep(0.5)
            store.put(Block("late", 4, 0), b"here")
            return b""
        store.wait("late", 4, [0], timeout=30)
        out = np.zeros(4, np.uint8)
        store.get(Block("late", 4, 0), out, timeout=30)
        return bytes(out)

    assert together(work)[1] == b"here"


def test_a_later_step_is_not_taken_for_an_earlier_one_nor_another_kind(together):
    def work(store):
        store.put(Block("a", 3, store.rank), b"three")
        store.put(Block("b", 9, store.rank), b"nine")
        store.wait("a", 3, [0, 1], timeout=30)
        other = 1 - store.rank
        seen = [refused(lambda k=k, n=n: store.wait(k, n, [other], timeout=0.2)) for k, n in (("a", 4), ("c", 1))]
        store.put(Block("end", 1, store.rank), b"1")
        store.wait("end", 1, [other], timeout=30)
        return seen

    for rank, (later, other) in enumerate(together(work)):
        assert re.search(rf"step 4 of blocks 'a' did not come from task {1 - rank}.* within 0.2 s.*: 3\. Look", later)
        assert re.search(r"step 1 of blocks 'c' did not come.*none\.", other)


def test_a_block_that_was_announced_and_is_gone_is_an_error(together):
    def work(store):
        store.put(Block("x", 1, store.rank), b"x")
        store.remove([Block("x", 1, store.rank)])
        store.put(Block("y", 1, store.rank), b"y")
        store.wait("y", 1, [1 - store.rank], timeout=30)
        return refused(lambda: store.get(Block("x", 1, 1 - store.rank), np.zeros(1, np.uint8), timeout=30))

    for rank, message in enumerate(together(work)):
        assert re.search(rf"block x_1_{1 - rank}_all_0 was put by task {1 - rank}.*cannot be had from there", message)


def test_a_block_of_another_size_is_an_error(together):
    def work(store):
        store.put(Block("s", 1, store.rank), b"12345")
        block = Block("s", 1, 1 - store.rank)
        return [refused(lambda n=n: store.get(block, np.zeros(n, np.uint8), timeout=30)) for n in (4, 6)]

    for short, long in together(work):
        assert "has 5 bytes, expected 4" in short
        assert "has 5 bytes, expected 6" in long


def test_removed_blocks_are_gone_and_those_that_are_not_there_are_no_error(together):
    def work(store):
        mine = [Block("r", step, store.rank) for step in (1, 2, 3)]
        for block in mine:
            store.put(block, bytes(100))
        store.wait("r", 3, [0, 1], timeout=30)
        store.exchange(puts=[(Block("go", 1, store.rank), b"1")], removes=[*mine[:2], Block("never", 1, store.rank)])
        store.put(Block("gone", 1, store.rank), b"1")  # whoever puts this has removed: a member's calls come in turn
        store.wait("gone", 1, [0, 1], timeout=30)
        held = store.stats()
        store.put(Block("end", 1, store.rank), b"1")
        store.wait("end", 1, [0, 1], timeout=30)
        return held.bytes_held, len(store.teams)

    for held, teams in together(work):  # a mate's last block, of one byte, may be there already
        assert held in ((102,) if teams == 2 else (204, 205))


def test_drop_leaves_nothing_here(together):
    def work(store):
        for step in range(1, 6):
            store.put(Block("d", step, store.rank), bytes(50))
        store.put(Block("end", 1, store.rank), b"1")
        store.wait("end", 1, [0, 1], timeout=30)
        store.drop()
        return store.stats()[-2:]

    assert together(work) == [(0, 0), (0, 0)]


def test_what_is_put_and_fetched_is_counted_to_the_byte(together):
    def work(store):
        blocks = [(Block("n", 1, store.rank, part=part), bytes(10**part)) for part in range(5)]
        store.exchange(puts=blocks)
        store.put(Block("n", 2, store.rank), b"")
        outs = [np.zeros(10**part, np.uint8) for part in range(5)]
        store.get_many([Block("n", 1, 1 - store.rank, part=part) for part in range(5)], outs, timeout=30)
        store.put(Block("end", 1, store.rank), b"1")
        store.wait("end", 1, [0, 1], timeout=30)
        return store.stats(), len(store.teams)

    for stats, teams in together(work):
        members = 3 - teams
        assert (stats.blocks_put, stats.bytes_put) == (7 * members, (11_111 + 1) * members)
        assert (stats.blocks_fetched, stats.bytes_fetched) == ((5, 11_111) if teams == 2 else (0, 0))
        assert (stats.blocks_held, stats.bytes_held) == (stats.blocks_put, stats.bytes_put)


def test_a_team_shares_memory(together):
    def work(store):
        first, second = store.share(100), store.share(1 << 20)
        clean = not first.any() and not second.any()
        store.put(Block("clean", 1, store.rank), b"1")
        store.wait("clean", 1, [0, 1], timeout=30)
        first[store.rank], second[-1 - store.rank] = 7, 9
        store.put(Block("end", 1, store.rank), b"1")
        store.wait("end", 1, [0, 1], timeout=30)
        mates = next(team for team in store.teams if store.rank in team)
        return clean, mates, bytes(first[:2]), bytes(second[-2:])

    for rank, (clean, mates, first, second) in enumerate(together(work)):
        assert clean
        if len(mates) == 2:
            assert (first, second) == (b"\7\7", b"\t\t")
        else:
            assert (first[rank], second[1 - rank], sum(first), sum(second)) == (7, 9, 7, 9)


def test_buffers_must_be_contiguous(together):
    def work(store):
        try:
            store.put(Block("c", 1, store.rank), np.zeros((4, 4))[:, 1])
        except ValueError as error:
            return str(error)

    assert all("must be contiguous" in message for message in together(work))


def test_closing_twice_is_no_error(together):
    def work(store):
        store.put(Block("end", 1, store.rank), b"1")
        store.wait("end", 1, [0, 1], timeout=30)
        store.close()
        store.close()

    together(work)
