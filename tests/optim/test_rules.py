import copy
import json
import pickle
import warnings

import numpy as np
import pytest
import torch

from sparkdl import optim
from sparkdl.nn.flat import Segment

from .rulecases import CASES, ELSEWHERE
from .sliced import layout, norms_of, one_step, problem, train

cases = pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)


def test_every_public_rule_has_a_row():
    public = {n for n in optim.__all__ if isinstance(c := getattr(optim, n), type) and issubclass(c, optim.UpdateRule)}
    assert public == {type(c.make()).__name__ for c in CASES} | set(ELSEWHERE)


@cases
def test_thirty_steps_give_what_pytorch_or_the_paper_gives(case):
    segments, w, gradient = problem()
    rule = case.make()
    state = {k: np.zeros_like(w) for k in rule.slots}
    if case.torch:
        parameter = torch.nn.Parameter(torch.from_numpy(w.copy()))
        other = case.torch([parameter])
    expected, memory = (
        {s.name: w[s.start : s.stop].astype(np.float64) for s in segments},
        {s.name: {} for s in segments},
    )
    for step in range(1, 31):
        g = gradient(w, step)
        if case.torch:
            parameter.grad = torch.from_numpy(g.copy())
            other.step()
        else:
            for s in segments:
                wide = g[s.start : s.stop].astype(np.float64)
                expected[s.name] = case.naive(expected[s.name], wide, memory[s.name], step)
        one_step(rule, segments, w, g, state, step, [0, w.size])
    for s in segments:
        there = parameter.detach().numpy()[s.start : s.stop] if case.torch else expected[s.name]
        np.testing.assert_allclose(w[s.start : s.stop], there, rtol=2e-5, atol=2e-5)


@cases
def test_slices_give_the_same_bits_as_the_whole(case):
    segments, w, gradient = problem()
    whole, state = train(case.make(), segments, w, gradient, 10)
    for cuts in ([0, 1024, w.size], [0, 1024, 2048, 3072, w.size]):
        sliced, sliced_state = train(case.make(), segments, w, gradient, 10, cuts)
        np.testing.assert_array_equal(sliced, whole)
        for slot in state:
            np.testing.assert_array_equal(sliced_state[slot], state[slot])


@cases
def test_going_on_from_stored_weights_and_state_gives_the_same_bits(case):
    segments, w, gradient = problem()
    whole, _ = train(case.make(), segments, w, gradient, 20)
    half, state = train(case.make(), segments, w, gradient, 10)
    again = optim.rule_from_config(json.loads(json.dumps(case.make().config())))
    resumed, _ = train(again, segments, half, gradient, 10, state=state, first=11)
    np.testing.assert_array_equal(resumed, whole)


@cases
def test_padding_between_parameters_stays_zero(case):
    segments, w, gradient = problem()
    w, _ = train(case.make(), segments, w, gradient, 5)
    used = np.concatenate([np.arange(s.start, s.stop) for s in segments])
    assert not np.delete(w, used).any()


@cases
def test_float64_is_kept(case):
    segments, w, gradient = problem(dtype=np.float64)
    w, state = train(case.make(), segments, w, gradient, 3)
    assert w.dtype == np.float64 and np.isfinite(w).all()


@cases
def test_config_and_pickle_give_the_rule_again(case):
    rule = case.make()
    for again in (optim.rule_from_config(json.loads(json.dumps(rule.config()))), pickle.loads(pickle.dumps(rule))):
        assert repr(again) == repr(rule) and again.config() == rule.config() and again.slots == rule.slots


@pytest.mark.parametrize("case", [c for c in CASES if not isinstance(c.make(), optim.Rprop)], ids=lambda c: c.id)
def test_rate_zero_moves_nothing(case):
    """Rprop's step sizes have a smallest value of their own."""
    segments, w, gradient = problem()
    rule = copy.deepcopy(case.make())
    rule = type(rule)(**{**rule.arguments(), "schedule": lambda lr, progress: 0.0})
    after, _ = train(rule, segments, w, gradient, 2)
    np.testing.assert_array_equal(after, w)


# -- groups, schedules ------------------------------------------------------------------------------------------------
def test_groups_take_their_own_options_and_rules():
    segments, w, gradient = problem()
    rule = optim.SGD(
        0.1,
        momentum=0.9,
        weight_decay=0.5,
        groups={"*.bias": {"weight_decay": 0, "lr": 0.2}, "norm.*": optim.Adam(0.01)},
    )
    assert rule.slots == ("momentum", "m", "v")
    after, _ = train(rule, segments, w, gradient, 5, [0, 1024, w.size])
    alone = {
        ".weight": optim.SGD(0.1, momentum=0.9, weight_decay=0.5),
        ".bias": optim.SGD(0.2, momentum=0.9),
        "norm": optim.Adam(0.01),
    }
    for part, one in alone.items():
        expected, _ = train(one, segments, w, gradient, 5)
        for s in segments:
            if part in s.name and ("norm" in s.name) == (part == "norm"):
                np.testing.assert_array_equal(after[s.start : s.stop], expected[s.start : s.stop])


def test_neighbours_with_equal_options_are_one_run():
    segments, n = layout()
    assert [r.span for r in optim.SGD(0.1).segments(segments, 0, n)] == [slice(0, segments[-1].stop)]
    spans = [(r.name, r.span) for r in optim.SGD(0.1, groups={"*.bias": {"lr": 1.0}}).segments(segments, 0, n)]
    assert [name for name, _ in spans] == ["conv.weight", "conv.bias", "norm.weight", "fc.bias"]
    parts = optim.SGD(0.1).segments(segments, 1024, 2048)
    assert [(r.name, r.span) for r in parts] == [("fc.weight", slice(0, 1024))]
    assert len(optim.LARS().segments(segments, 0, n)) == len(optim.SGD().segments(segments, 0, n, apart=True)) == 5


def test_a_schedule_steers_groups_from_their_own_rate_and_any_number():
    segments, n = layout()
    rule = optim.SGD(
        0.1,
        momentum=0.9,
        schedule={"lr": optim.StepLR(1, 0.5), "momentum": lambda m, progress: m / 3},
        groups={"*.bias": {"lr": 1.0}, "norm.*": optim.Adam(0.01)},
    )
    runs = {r.name: r for r in rule.segments(segments, 0, n, optim.Progress(epoch=2))}
    assert runs["conv.weight"].lr == runs["conv.weight"].options["lr"] == 0.025
    assert runs["conv.weight"].options["momentum"] == pytest.approx(0.3)
    assert runs["conv.bias"].lr == 0.25
    assert runs["norm.weight"].lr == 0.01  # a rule of its own has its own schedule


def test_a_scheduled_momentum_gets_its_state_even_if_it_starts_at_zero():
    assert optim.SGD(0.1, schedule={"momentum": lambda m, progress: 0.5}).slots == ("momentum",)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: optim.SGD(-1), "lr must be >= 0, got -1"),
        (lambda: optim.SGD(float("nan")), "lr must be a number, got nan"),
        (lambda: optim.SGD(0.1, momentum=float("nan")), "momentum"),
        (lambda: optim.SGD(0.1, nesterov=True), "nesterov needs momentum"),
        (lambda: optim.Adam(betas=(1.0, 0.9)), "beta1 must be in"),
        (lambda: optim.Adam(eps=0), "eps must be > 0"),
        (lambda: optim.SGD(groups={"a": 3}), "group 'a' must be an update rule or a dict"),
        (lambda: optim.SGD(groups={"a": {"weight_dacay": 0}}), "weight_decay"),
        (lambda: optim.SGD(groups={"a": {"lr": -1}}), "lr must be >= 0"),
        (lambda: optim.SGD(groups={"a": optim.SGD(groups={"b": {"lr": 1}})}), "has groups itself"),
        (lambda: optim.SGD(schedule={"mass": lambda v, p: v}), "schedule for 'mass'"),
        (lambda: optim.SGD(schedule=3), "schedule for 'lr'"),
        (lambda: optim.SGD(groups={"x*": {"lr": 1}}).segments(layout()[0], 0, 10), "matches no trainable parameter"),
        (lambda: optim.SGD(groups={"a": optim.LBFGS()}), "as a whole"),
        (lambda: optim.rule_from_config({"type": "system"}), "no class of sparkdl.optim"),
        (lambda: optim.rule_from_config({"type": "SGD", "rate": 1}), "has no argument 'rate'"),
        (lambda: optim.rule_from_config({"type": "max_epoch", "n": 1}), "not an update rule"),
        (lambda: optim.rule_from_config(optim.SGD(schedule=lambda lr, p: lr).config()), "was not stored"),
    ],
)
def test_wrong_arguments_get_one_clear_message(make, words):
    with pytest.raises(ValueError, match=words):
        make()


class Halving(optim.UpdateRule):
    """A user's own rule."""

    def __init__(self, lr=1.0, **shared):
        super().__init__(lr, **shared)

    def apply(self, w, g, state, step, s):
        w *= w.dtype.type(1 - s.lr / 2)


def test_a_rule_of_ones_own_takes_groups_and_is_found_by_name_when_given():
    segments, w, gradient = problem()
    rule = optim.rule_from_config(Halving(groups={"*.bias": {"lr": 0.0}}).config(), known={"Halving": Halving})
    after, _ = train(rule, segments, w, gradient, 1)
    for s in segments:
        factor = np.float32(1 if "bias" in s.name else 0.5)
        np.testing.assert_array_equal(after[s.start : s.stop], w[s.start : s.stop] * factor)


# -- clipping and regularisers ----------------------------------------------------------------------------------------
def test_every_public_clipping_and_regularizer_is_tested_here():
    for base, tested in (
        (optim.Clip, "ClipValue ClipNorm ClipLayerNorm Clip"),
        (optim.Regularizer, "L1 L2 L1L2 Regularizer"),
    ):
        public = {n for n in optim.__all__ if isinstance(c := getattr(optim, n), type) and issubclass(c, base)}
        assert public == set(tested.split())


def test_clipping_gives_what_pytorch_gives():
    segments, _, gradient = problem()
    g = gradient(np.zeros(layout()[1], np.float32), 1)
    tensors = [torch.nn.Parameter(torch.zeros(s.stop - s.start)) for s in segments]

    def torch_grads(clip):
        for t, s in zip(tensors, segments, strict=True):
            t.grad = torch.from_numpy(g[s.start : s.stop].copy())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clip()
        return np.concatenate([t.grad.numpy() for t in tensors])

    norms = norms_of(segments, g)
    total = float(np.sqrt(sum(n * n for n in norms.values())))
    per_layer = lambda: [torch.nn.utils.clip_grad_norm_([t], 2.0) for t in tensors]  # noqa: E731
    for clip, other in (
        (optim.ClipValue(0.5), lambda: torch.nn.utils.clip_grad_value_(tensors, 0.5)),
        (optim.ClipNorm(1.5), lambda: torch.nn.utils.clip_grad_norm_(tensors, 1.5)),
        (optim.ClipNorm(1e6), lambda: None),
        (optim.ClipLayerNorm(2.0), per_layer),
    ):
        runs = optim.SGD().segments(segments, 0, g.size, apart=clip.apart)
        for run in runs:
            run.norms = {"grad": norms[run.name]}
        clipped = g.copy()
        clip(clipped, runs, total)
        mine = np.concatenate([clipped[s.start : s.stop] for s in segments])
        np.testing.assert_allclose(mine, torch_grads(other), rtol=1e-6, atol=1e-7)
        assert repr(optim.from_config(clip.config())) == repr(clip)


@pytest.mark.parametrize(
    "make", [lambda: optim.ClipValue(-1), lambda: optim.ClipNorm(0), lambda: optim.ClipLayerNorm(float("nan"))]
)
def test_clips_refuse_limits_that_clip_everything(make):
    with pytest.raises(ValueError, match="must be"):
        make()


@pytest.mark.parametrize("regularizer", [optim.L1(0.3), optim.L2(0.2), optim.L1L2(0.3, 0.2)])
def test_a_regularizer_adds_the_derivative_of_its_penalty(regularizer):
    w = np.random.default_rng(0).standard_normal(20)
    w[np.abs(w) < 0.01] = 0.5
    g = np.ones_like(w)
    regularizer.add_slope(g, w)
    for i in range(w.size):
        up, down = w.copy(), w.copy()
        up[i] += 1e-6
        down[i] -= 1e-6
        slope = (regularizer.penalty(up) - regularizer.penalty(down)) / 2e-6
        assert g[i] == pytest.approx(1 + slope, rel=1e-6)
    l1, l2 = regularizer.l1, regularizer.l2
    assert regularizer.penalty(w) == pytest.approx(l1 * np.abs(w).sum() + l2 * (w**2).sum())
    assert repr(optim.from_config(regularizer.config())) == repr(regularizer)


def test_segments_keep_up_with_another_model():
    rule = optim.SGD()
    for n in (5, 7):
        assert rule.segments([Segment("a", 0, n)], 0, 16)[0].span == slice(0, n)
