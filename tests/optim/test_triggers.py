import json
import math
import pickle

import pytest

from sparkdl import optim
from sparkdl.optim.progress import Progress


def losses(*values, name="Loss"):
    return Progress(epoch=len(values), epoch_ended=True, history=[{name: v, "loss": 0.0} for v in values])


CASES = [  # trigger, progress where it fires, progress where it does not
    (optim.max_epoch(3), [Progress(epoch=3), Progress(epoch=4)], [Progress(), Progress(epoch=2, iteration=99)]),
    (optim.max_iteration(7), [Progress(iteration=7)], [Progress(epoch=9, iteration=6)]),
    (optim.every_epoch(), [Progress(epoch=1, epoch_ended=True)], [Progress(), Progress(epoch=1, iteration=5)]),
    (optim.every_epoch(2), [Progress(epoch=4, epoch_ended=True)], [Progress(epoch=3, epoch_ended=True)]),
    (optim.several_iteration(5), [Progress(iteration=10)], [Progress(), Progress(iteration=11)]),
    (optim.wall_clock(60), [Progress(seconds=60.5)], [Progress(seconds=59)]),
    (optim.min_loss(0.5), [Progress(loss=0.4)], [Progress(), Progress(loss=0.5)]),
    (optim.min_loss(0.5, "Loss"), [losses(0.6, 0.4)], [Progress(loss=0.1), losses(0.4, 0.6)]),
    (
        optim.max_score(0.9),
        [losses(0.1, 0.95, name="Top1Accuracy")],
        [Progress(), losses(0.95, 0.9, name="Top1Accuracy"), losses(0.95)],
    ),
    (
        optim.early_stopping(patience=2),
        [losses(3, 2, 2, 2.5), losses(3, 2, math.nan, math.nan), losses(math.nan, math.nan)],
        [Progress(), losses(3, 2, 2.5), losses(3, 4, 2, 5), losses(math.nan, 3)],
    ),
    (optim.early_stopping(patience=1, min_delta=0.5), [losses(3, 2.6)], [losses(3, 2.4)]),
    (optim.early_stopping("AUC", mode="max"), [losses(0.5, 0.4, name="AUC")], [losses(0.5, 0.6, name="AUC")]),
    (
        optim.and_(optim.max_epoch(3), optim.min_loss(0.5)),
        [Progress(epoch=3, loss=0.1)],
        [Progress(epoch=3, loss=1), Progress(epoch=2, loss=0.1)],
    ),
    (
        optim.or_(optim.max_epoch(3), optim.min_loss(0.5), optim.wall_clock(1)),
        [Progress(epoch=3), Progress(loss=0.1), Progress(seconds=2)],
        [Progress()],
    ),
]
cases = pytest.mark.parametrize(("trigger", "fires", "does_not"), CASES, ids=lambda v: repr(v) if callable(v) else "")


def test_every_public_trigger_has_a_row():
    public = {n for n in optim.__all__ if isinstance(c := getattr(optim, n), type) and issubclass(c, optim.Trigger)}
    assert public == {type(row[0]).__name__ for row in CASES} | {"Trigger"}


@cases
def test_when_it_fires(trigger, fires, does_not):
    for _ in range(2):  # the same answer every time: it keeps no state
        assert all(trigger(p) is True for p in fires)
        assert not any(trigger(p) for p in does_not)


@cases
def test_it_comes_back_from_plain_json_and_pickle(trigger, fires, does_not):
    for again in (optim.from_config(json.loads(json.dumps(trigger.config()))), pickle.loads(pickle.dumps(trigger))):
        assert repr(again) == repr(trigger) and again(fires[0]) and not again(does_not[0])


def test_operators_combine():
    both = optim.every_epoch() & (optim.max_epoch(2) | optim.wall_clock(5))
    assert both(Progress(epoch=2, epoch_ended=True)) and not both(Progress(epoch=1, epoch_ended=True, seconds=4))
    assert [type(t).__name__ for t in both.leaves()] == ["every_epoch", "max_epoch", "wall_clock"]
    assert (optim.max_epoch(2) | (lambda p: p.samples > 3))(Progress(samples=4))


def test_monitors_are_named():
    stop = optim.max_epoch(9) | optim.early_stopping("AUC", mode="max") | optim.min_loss(1) | optim.max_score(1)
    assert stop.monitors() == {"AUC", "Top1Accuracy"}


def test_one_trigger_serves_two_purposes():
    trigger, progress = optim.every_epoch(), Progress(epoch=1, epoch_ended=True)
    assert [trigger(progress), trigger(progress)] == [True, True]


def test_early_stopping_counts_only_epochs_that_measured_the_figure_and_names_the_best():
    trigger = optim.early_stopping(patience=2, min_delta=0.1)
    history = [{"loss": 1}, {"Loss": 5.0}, {"loss": 1}, {"Loss": 4.0}, {"loss": 1}, {"Loss": 3.95}, {"loss": 1}]
    assert trigger.best(Progress(history=history)) == 3 and not trigger(Progress(history=history))
    assert trigger(Progress(history=[*history, {"Loss": math.nan}]))
    assert trigger.best(Progress()) is None and trigger.restore_best


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: optim.max_epoch(-1), "n must be a whole number >= 0"),
        (lambda: optim.several_iteration(0), "n must be a whole number >= 1"),
        (lambda: optim.wall_clock(float("nan")), "seconds must be a number"),
        (lambda: optim.early_stopping(mode="down"), "mode must be one of"),
        (lambda: optim.early_stopping(patience=0), "patience must be a whole number"),
        (lambda: optim.and_(), "combines triggers"),
        (lambda: optim.or_(3), "combines triggers"),
    ],
)
def test_wrong_arguments_get_one_clear_message(make, words):
    with pytest.raises(ValueError, match=words):
        make()
