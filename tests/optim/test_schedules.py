import json
import math
import pickle
import warnings
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from sparkdl import optim
from sparkdl.optim.progress import Progress

S = torch.optim.lr_scheduler
LR = 0.3


@dataclass
class Case:
    """``expected`` is a function of t, or makes PyTorch's scheduler from its optimizer (``torch=True``)."""

    make: Any
    expected: Any
    torch: bool = False
    unit: str = "epoch"

    @property
    def id(self):
        return repr(self.make())


def half(epoch):
    return 0.5**epoch


CASES = [
    Case(lambda: optim.FixedLR(), lambda t: LR),
    Case(lambda: optim.ConstantLR(0.5, 4), lambda o: S.ConstantLR(o, 0.5, 4), True),
    Case(lambda: optim.InverseTimeLR(0.1), lambda t: LR / (1 + 0.1 * t), unit="iteration"),
    Case(lambda: optim.StepLR(3, 0.5), lambda o: S.StepLR(o, 3, 0.5), True),
    Case(lambda: optim.StepLR(3, 0.5, unit="iteration"), lambda t: LR * 0.5 ** (t // 3), unit="iteration"),
    Case(lambda: optim.MultiStepLR((2, 5, 5, 9)), lambda o: S.MultiStepLR(o, (2, 5, 5, 9)), True),
    Case(lambda: optim.ExponentialLR(0.9), lambda o: S.ExponentialLR(o, 0.9), True),
    Case(lambda: optim.ExponentialLR(0.9, 4), lambda t: LR * 0.9 ** (t / 4)),
    Case(lambda: optim.ExponentialLR(0.9, 4, staircase=True), lambda t: LR * 0.9 ** (t // 4)),
    Case(lambda: optim.NaturalExpLR(0.2, 3), lambda t: LR * math.exp(-0.2 * (t // 3)), unit="iteration"),
    Case(lambda: optim.InversePowerLR(0.1, 0.75), lambda t: LR * (1 + 0.1 * t) ** -0.75, unit="iteration"),
    Case(lambda: optim.SigmoidLR(-0.5, 6), lambda t: LR / (1 + math.exp(0.5 * (t - 6))), unit="iteration"),
    Case(lambda: optim.PolynomialLR(12, 2.0), lambda o: S.PolynomialLR(o, 12, 2.0), True),
    Case(lambda: optim.EpochDecayLR(half), lambda t: LR * 0.1 ** (0.5**t)),
    Case(lambda: optim.EpochScheduleLR(((2, 0.2), (5, 0.1))), lambda t: LR if t < 2 else 0.2 if t < 5 else 0.1),
    Case(lambda: optim.LambdaLR(half), lambda o: S.LambdaLR(o, half), True),
    Case(lambda: optim.LinearLR(0.2, 0.8, 7), lambda o: S.LinearLR(o, 0.2, 0.8, 7), True),
    Case(lambda: optim.CosineAnnealingLR(8, 0.01), lambda o: S.CosineAnnealingLR(o, 8, 0.01), True),
    Case(
        lambda: optim.CosineAnnealingWarmRestarts(4, 2, 0.01),
        lambda o: S.CosineAnnealingWarmRestarts(o, 4, 2, 0.01),
        True,
    ),
    Case(lambda: optim.CosineAnnealingWarmRestarts(5), lambda o: S.CosineAnnealingWarmRestarts(o, 5), True),
    *(
        Case(
            lambda s=strategy, three=three: optim.OneCycleLR(
                0.7, 20, pct_start=0.25, anneal_strategy=s, div_factor=10, final_div_factor=50, three_phase=three
            ),
            lambda o, s=strategy, three=three: S.OneCycleLR(
                o, 0.7, 20, pct_start=0.25, anneal_strategy=s, div_factor=10, final_div_factor=50, three_phase=three
            ),
            True,
            "iteration",
        )
        for strategy in ("cos", "linear")
        for three in (False, True)
    ),
    Case(
        lambda: optim.SequentialLR((optim.LinearLR(0.1, 1.0, 4), optim.ExponentialLR(0.8)), (4,)),
        lambda o: S.SequentialLR(o, [S.LinearLR(o, 0.1, 1.0, 4), S.ExponentialLR(o, 0.8)], [4]),
        True,
    ),
    Case(
        lambda: optim.ChainedLR(optim.ConstantLR(0.5, 4), optim.ExponentialLR(0.8)),
        lambda o: S.ChainedScheduler([S.ConstantLR(o, 0.5, 4), S.ExponentialLR(o, 0.8)], o),
        True,
    ),
    Case(
        lambda: optim.LinearWarmup(5, optim.CosineAnnealingLR(15, unit="iteration"), start_factor=0.2),
        lambda t: LR * (1 + math.cos(math.pi * t / 15)) / 2 * min(1, 0.2 + 0.8 * t / 5),
        unit="iteration",
    ),
    Case(
        lambda: optim.WarmupLR(0.1, 5, optim.InverseTimeLR(0.5)),
        lambda t: LR + 0.1 * t if t < 5 else (LR + 0.5) / (1 + 0.5 * t),
        unit="iteration",
    ),
    Case(
        lambda: optim.WarmupLR(0.1, 4, optim.EpochDecayLR(half), unit="epoch"),
        lambda t: LR + 0.1 * t if t < 4 else (LR + 0.4) * 0.1 ** (0.5**t),
    ),
]
ELSEWHERE = {"Schedule", "Clocked", "ReduceLROnPlateau", "OneCycleMomentum"}
cases = pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)


def at(unit, t):
    return Progress(epoch=t) if unit == "epoch" else Progress(epoch=t // 7, iteration=t)


def torch_curve(make, steps, lr=LR, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        o = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr, **options)
        scheduler, curve = make(o), []
        for _ in range(steps):
            curve.append(dict(o.param_groups[0]))
            o.step()
            scheduler.step()
    return curve


def test_every_public_schedule_has_a_row():
    public = {n for n in optim.__all__ if isinstance(c := getattr(optim, n), type) and issubclass(c, optim.Schedule)}
    assert public == {type(c.make()).__name__ for c in CASES} | ELSEWHERE


@cases
def test_the_curve_is_pytorchs_or_the_formulas(case):
    schedule = case.make()
    expected = (
        [g["lr"] for g in torch_curve(case.expected, 20)] if case.torch else [case.expected(t) for t in range(20)]
    )
    assert [schedule(LR, at(case.unit, t)) for t in range(20)] == pytest.approx(expected, rel=1e-9, abs=1e-12)


@cases
def test_it_is_pure_and_comes_back_from_pickle_and_plain_json(case):
    schedule = case.make()
    curve = [schedule(LR, at(case.unit, t)) for t in range(15)]
    assert [schedule(LR, at(case.unit, t)) for t in reversed(range(15))] == curve[::-1]
    again = [pickle.loads(pickle.dumps(schedule))]
    if "function" not in json.dumps(schedule.config()):
        again.append(optim.from_config(json.loads(json.dumps(schedule.config()))))
    for one in again:
        assert [one(LR, at(case.unit, t)) for t in range(15)] == curve
        assert repr(one) == repr(schedule)


@pytest.mark.parametrize("three", [False, True])
def test_one_cycle_of_the_momentum_is_pytorchs(three):
    options = {"pct_start": 0.25, "three_phase": three}
    curve = torch_curve(lambda o: S.OneCycleLR(o, 0.7, 20, **options), 20, momentum=0.9)
    schedule = optim.OneCycleMomentum(20, **options)
    mine = [schedule(0.9, Progress(iteration=t)) for t in range(20)]
    assert mine == pytest.approx([g["momentum"] for g in curve])
    assert schedule((0.9, 0.999), Progress(iteration=3)) == (mine[3], 0.999)
    assert repr(optim.from_config(schedule.config())) == repr(schedule)


def test_one_cycle_without_a_peak_takes_the_rules_rate():
    with_peak, without = optim.OneCycleLR(0.5, 10), optim.OneCycleLR(None, 10)
    for t in range(12):
        assert without(0.5, Progress(iteration=t)) == with_peak(123.0, Progress(iteration=t))


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize("cooldown", [0, 2])
def test_reduce_on_plateau_is_pytorchs_and_a_function_of_the_history(mode, threshold_mode, cooldown):
    figures = [5, 4, 4, 4.1, 3.99, 4, 6, 3, 3, 3, 3, 3, 3, 3, 8, 9, 9, 9, 9, math.nan, 9, 9, 9, 10]
    options = {
        "mode": mode, "factor": 0.5, "patience": 1, "threshold": 0.05, "threshold_mode": threshold_mode,
        "cooldown": cooldown, "min_lr": 0.01,
    }  # fmt: skip
    o = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], LR)
    scheduler = S.ReduceLROnPlateau(o, **options)
    schedule = optim.ReduceLROnPlateau(**options, monitor="Loss")
    history = [{"loss": 1.0}]  # an epoch without validation does not count
    assert schedule(LR, Progress(history=history)) == LR
    for value in figures:
        scheduler.step(value)
        history.append({"Loss": value})
        assert schedule(LR, Progress(history=history)) == pytest.approx(o.param_groups[0]["lr"])
    assert schedule.monitors() == {"Loss"}
    assert optim.LinearWarmup(3, schedule).monitors() == optim.ChainedLR(schedule).monitors() == {"Loss"}
    assert repr(optim.from_config(schedule.config())) == repr(schedule)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: optim.StepLR(0), "step_size must be a whole number"),
        (lambda: optim.StepLR(3, unit="step"), "unit must be one of 'epoch', 'iteration'"),
        (lambda: optim.MultiStepLR((5, 2)), "milestones must not fall"),
        (lambda: optim.ExponentialLR(float("nan")), "gamma must be a number"),
        (lambda: optim.EpochScheduleLR(((3, 1), (3, 2))), "epochs rising"),
        (lambda: optim.SequentialLR([optim.FixedLR()], [3]), "1 schedules need 0"),
        (lambda: optim.OneCycleLR(1, 20, anneal_strategy="cubic"), "anneal_strategy must be"),
        (lambda: optim.ReduceLROnPlateau(factor=1.0), "factor must be in"),
        (lambda: optim.ReduceLROnPlateau(mode="low"), "mode must be one of"),
        (lambda: optim.CosineAnnealingLR(0), "T_max"),
    ],
)
def test_wrong_arguments_get_one_clear_message(make, words):
    with pytest.raises(ValueError, match=words):
        make()
