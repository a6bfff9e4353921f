import numpy as np
import pytest
from exchange_run import SHARDS, first_weights, leaf_gradient, leaf_header, parts_of, rows, run
from feedback import Feedback

from sparkdl.blockmanager.memory import MemoryHub
from sparkdl.optim.clip import ClipNorm
from sparkdl.optim.exchange import AllReduce, Local, Member, bytes_per_step
from sparkdl.optim.rules.adam import Adam
from sparkdl.optim.rules.base import UpdateRule
from sparkdl.optim.rules.sgd import SGD

TEAMS = {
    1: [None],
    2: [None, [[0, 1]]],
    3: [None, [[0, 2], [1]], [[0, 1, 2]]],
    4: [None, [[0, 1], [2, 3]], [[0, 2], [1, 3]], [[0, 1, 2], [3]]],
    8: [None, [[0, 1, 2, 3], [4, 5, 6, 7]], [[0, 5], [1, 6, 7], [2], [3, 4]]],
}
EVERY = [(size, teams) for size, several in TEAMS.items() for teams in several]


def momentum():
    return SGD(lr=0.1, momentum=0.9, weight_decay=1e-3)


class Scaled(UpdateRule):
    """``w -= lr |w| / |g| g``, both norms over the whole parameter."""

    norms = ("weight", "grad")

    def __init__(self, lr=0.1):
        super().__init__(lr)

    def apply(self, w, g, state, step, s):
        w -= w.dtype.type(s.lr * s.norms["weight"] / s.norms["grad"]) * g


@pytest.mark.parametrize("rule", [momentum, Adam, Scaled])
@pytest.mark.parametrize(("size", "teams"), EVERY)
def test_any_number_of_tasks_and_teams_gives_the_same_bits(size, teams, rule):
    (alone,) = run(0, rule)
    for result in run(size, rule, teams=teams):
        assert result.weights.tobytes() == alone.weights.tobytes()
        assert np.array_equal(result.totals, alone.totals)
        assert result.merged.tobytes() == alone.merged.tobytes()
        assert result.state.keys() == alone.state.keys()
        for slot, vector in result.state.items():
            assert vector.tobytes() == alone.state[slot].tobytes()


@pytest.mark.parametrize("elements", [1, 1023, 1024, 1025, 5000])
def test_few_elements_leave_some_owners_without_any(elements):
    (alone,) = run(0, momentum, elements)
    for result in run(4, momentum, elements, teams=[[0, 1], [2, 3]]):
        assert result.weights.tobytes() == alone.weights.tobytes()


def test_it_is_the_plain_mean_of_all_gradients():
    elements, steps = 2000, 4
    w = first_weights(elements, np.float64)
    for step in range(1, steps + 1):
        g = sum(leaf_gradient(elements, step, leaf, np.float64) for leaf in range(SHARDS))
        w -= 0.1 * g / sum(leaf_header(step, leaf)[1] for leaf in range(SHARDS))
    for size in (0, 3):
        got = run(size, lambda: SGD(lr=0.1), elements, steps, dtype=np.float64)[0].weights
        np.testing.assert_allclose(got, w, rtol=1e-13)


def test_gradients_made_in_shared_memory_and_weights_used_there_are_the_same():
    def work(exchange, member, store, rule, elements, steps, dtype):
        exchange.bind(member, store, first_weights(elements), parts_of(elements), rule)
        for step in range(1, steps + 1):
            exchange.grads[:] = rows(lambda leaf, s=step: leaf_gradient(elements, s, leaf), member)
            exchange.step(exchange.grads, rows(lambda leaf, s=step: leaf_header(s, leaf), member), step)
        weights = exchange.weights.copy()
        exchange.finish()
        return weights

    (alone,) = run(0, momentum)
    for weights in run(3, momentum, teams=[[0, 1], [2]], work=work):
        assert weights.tobytes() == alone.weights.tobytes()


def test_a_batch_without_weight_changes_nothing():
    def work(exchange, member, store, rule, elements, steps, dtype):
        weights = first_weights(elements)
        exchange.bind(member, store, weights, parts_of(elements), rule)
        s = len(member.subtrees)
        exchange.step(np.zeros((s, elements), np.float32), np.zeros((s, 3)), 1)
        return weights

    for weights in run(2, lambda: SGD(lr=0.1), work=work):
        assert weights.tobytes() == first_weights(10_000).tobytes()


@pytest.mark.parametrize("codec", ["fp16", "bf16"])
@pytest.mark.parametrize("weight_codec", ["none", "fp16", "bf16"])
def test_lossy_codecs_end_on_the_same_weights_everywhere_and_near_the_exact_ones(codec, weight_codec):
    (exact,) = run(0, momentum)
    results = run(4, momentum, teams=[[0, 1], [2], [3]], codec=codec, weight_codec=weight_codec)
    assert len({r.weights.tobytes() for r in results}) == 1
    np.testing.assert_allclose(results[0].weights, exact.weights, rtol=2e-2, atol=1e-3)
    if weight_codec != "none":
        np.testing.assert_allclose(results[0].state["weights"], exact.weights, rtol=2e-3, atol=1e-4)


def test_in_one_team_nothing_travels_and_nothing_is_lost():
    (alone,) = run(0, momentum)
    for result in run(2, momentum, teams=[[0, 1]], codec="bf16", weight_codec="bf16"):
        assert result.weights.tobytes() == alone.weights.tobytes()
        assert result.exchange.costs.sent == result.exchange.costs.received == 0


@pytest.mark.parametrize(("size", "teams"), [(1, None), (2, None), (3, [[0, 2], [1]]), (8, TEAMS[8][2])])
def test_clipping_by_the_norm_over_all_parameters_gives_the_same_bits(size, teams):
    (alone,) = run(0, momentum, clip=ClipNorm(0.5))
    (free,) = run(0, momentum)
    assert alone.weights.tobytes() != free.weights.tobytes()
    for result in run(size, momentum, teams=teams, clip=ClipNorm(0.5)):
        assert result.weights.tobytes() == alone.weights.tobytes()


def test_clipping_scales_the_gradient_to_the_largest_norm():
    elements = 3000
    w = first_weights(elements, np.float64)
    g = sum(leaf_gradient(elements, 1, leaf, np.float64) for leaf in range(SHARDS))
    g *= 0.01 / np.linalg.norm(g)
    got = run(2, lambda: SGD(lr=1.0), elements, 1, dtype=np.float64, clip=ClipNorm(0.01))[0].weights
    np.testing.assert_allclose(w - got, g, rtol=1e-4, atol=1e-9)


def test_a_rule_goes_on_from_a_state_under_another_number_of_tasks():
    def until(exchange, member, store, rule, elements, steps, dtype):
        weights = first_weights(elements)
        exchange.bind(member, store, weights, parts_of(elements), rule)
        for step in range(1, 4):
            advance(exchange, member, elements, step)
        return weights, exchange.state()

    def after(exchange, member, store, rule, elements, steps, dtype):
        weights = snapshot[0].copy()
        exchange.bind(member, store, weights, parts_of(elements), rule)
        exchange.load_state(snapshot[1])
        for step in range(4, 7):
            advance(exchange, member, elements, step)
        return weights

    def advance(exchange, member, elements, step):
        exchange.step(
            rows(lambda leaf: leaf_gradient(elements, step, leaf), member),
            rows(lambda leaf: leaf_header(step, leaf), member),
            step,
        )

    snapshot = run(3, Adam, work=until)[1]
    (whole,) = run(0, Adam, steps=6)
    for weights in run(4, Adam, teams=[[0, 1], [2, 3]], work=after):
        assert weights.tobytes() == whole.weights.tobytes()


@pytest.mark.parametrize("codecs", [("codec",), ("weight_codec",), ("codec", "weight_codec")])
@pytest.mark.parametrize("teams", [None, [[0, 1], [2], [3]]])
def test_what_codecs_keep_is_part_of_the_state(teams, codecs):
    def steps(first, stop, begin=None, left_out=""):
        def work(exchange, member, store, rule, elements, steps, dtype):
            weights, state = begin or (first_weights(elements) / 10, None)
            exchange.bind(member, store, weights.copy(), parts_of(elements), rule)
            if state is not None:
                exchange.load_state({k: v for k, v in state.items() if not (left_out and k.startswith(left_out))})
            for step in range(first, stop):
                grads = rows(lambda leaf, s=step: leaf_gradient(elements, s, leaf), member)
                exchange.step(grads, rows(lambda leaf, s=step: leaf_header(s, leaf), member), step)
            return exchange.weights.copy(), exchange.state()

        return run(4, Adam, teams=teams, work=work, **dict.fromkeys(codecs, Feedback()))

    whole = steps(1, 7)
    half = steps(1, 4)[1]  # as task 1 has it; every task has all of it
    assert sorted(k for k in half[1] if k.startswith("codec/")) == [f"codec/{rank}" for rank in range(4)]
    for resumed, undisturbed in zip(steps(4, 7, half), whole, strict=True):
        assert resumed[0].tobytes() == undisturbed[0].tobytes()
        assert {k: v.tobytes() for k, v in resumed[1].items()} == {k: v.tobytes() for k, v in undisturbed[1].items()}
    assert steps(4, 7, half, "codec/")[0][0].tobytes() != whole[0][0].tobytes()


def test_what_codecs_keep_serves_the_same_teams_only():
    def work(exchange, member, store, rule, elements, steps, dtype):
        exchange.bind(member, store, first_weights(elements), parts_of(elements), rule)
        if state:
            exchange.load_state(state)
        exchange.step(exchange.grads, np.ones((len(member.subtrees), 3)), 1)
        return exchange.state()

    state = {}
    state = run(3, momentum, work=work, codec=Feedback())[0]
    run(3, momentum, teams=[[0, 1], [2]], work=work, codec=Feedback())
    run(4, momentum, work=work, codec=Feedback())
    run(3, momentum, work=work)  # exact ones have no state


@pytest.mark.parametrize(("size", "teams"), [(2, None), (3, None), (4, [[0, 1], [2, 3]]), (8, TEAMS[8][2])])
@pytest.mark.parametrize(("codec", "weight_codec"), [("none", "none"), ("fp16", "none"), ("bf16", "fp16")])
def test_bytes_per_step_are_those_of_the_formula(size, teams, codec, weight_codec):
    elements, steps = 2_100_000, 2

    def work(exchange, member, store, rule, elements, steps, dtype):
        exchange.bind(member, store, first_weights(elements), parts_of(elements), rule)
        before = store.stats()
        for step in range(1, steps + 1):
            exchange.step(exchange.grads, np.ones((len(member.subtrees), 3)), step)
        exchange.merge(np.zeros((len(member.subtrees), 1)))  # all have done all steps
        return member, exchange.costs, before, store.stats()

    for member, costs, before, after in run(
        size, lambda: SGD(lr=0.1), elements, steps, teams, work=work, codec=codec, weight_codec=weight_codec
    ):
        expected = bytes_per_step(member, elements, codec, weight_codec)
        merges = 8 * sum(len(member.subtrees_of(rank)) for rank in member.mates)
        assert after.bytes_put - before.bytes_put == steps * expected.put + merges
        if len(member.mates) == 1:
            others = sum(len(member.subtrees_of(rank)) for rank in range(size) if rank != member.rank)
            assert (costs.sent, costs.received) == (
                steps * expected.put + merges,
                steps * expected.fetched + 8 * others,
            )


def test_only_two_generations_of_blocks_live_at_a_time():
    def work(exchange, member, store, rule, elements, steps, dtype):
        exchange.bind(member, store, first_weights(elements), parts_of(elements), rule)
        held = []
        for step in range(1, 30):
            exchange.step(exchange.grads, np.ones((len(member.subtrees), 3)), step)
            held.append(store.stats().bytes_held)
        return held, bytes_per_step(member, elements).put

    for held, once in run(2, lambda: SGD(lr=0.1), work=work):
        assert max(held) <= 2 * once


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Member(2, 2), "0 <= rank < size <= shards"),
        (lambda: Member(0, 9, 8), "fewer tasks"),
        (lambda: Member(0, 2, 8, ((0,),)), "each of 2 ranks once"),
        (lambda: AllReduce(codec="zip"), "codec must be one of none, fp16, bf16"),
        (lambda: AllReduce().bind(Member(), None, np.zeros(3), [], SGD()), "needs a block store"),
        (lambda: AllReduce().bind(Member(0, 2), MemoryHub(3).connect(0), np.zeros(3), [], SGD()), "store connects"),
        (lambda: Local().bind(Member(0, 2), None, np.zeros(3), [], SGD()), "use AllReduce"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_gradients_of_another_shape_are_named():
    exchange = AllReduce().bind(Member(), MemoryHub(1).connect(0), np.zeros(40, np.float32), parts_of(40), SGD())
    with pytest.raises(ValueError, match=r"\(1, 40\), got \(1, 41\)"):
        exchange.step(np.zeros((1, 41), np.float32), np.ones((1, 3)), 1)
