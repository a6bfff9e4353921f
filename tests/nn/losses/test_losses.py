"""What every loss must do, for each row of the table."""

import importlib
import inspect
import pickle
import pkgutil

import numpy as np
import pytest
import torch

from sparkdl import nn, optim
from sparkdl.errors import DataError, SparkDLError
from sparkdl.nn import losses
from sparkdl.nn.context import Context, Run
from tests.nn.losses.cases import BATCH, CASES

each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def example(case, dtype=np.float64):
    rng = np.random.default_rng(7)
    y = case.y(rng)
    y = tuple(each.astype(dtype) for each in y) if isinstance(y, tuple) else y.astype(dtype)
    return y, case.target(rng)


def rows_of(x, rows):
    if x is None:
        return None
    return tuple(rows_of(each, rows) for each in x) if isinstance(x, tuple) else x[rows]


def as_tuple(x):
    return x if isinstance(x, tuple) else (x,)


def run_loss(loss, y, target, bounds, weight=None):
    """Leaf sums, leaf weights and the gradients of the mean."""
    run = Run(training=True, bounds=np.array(bounds), shards=len(bounds) - 1)
    ctx = Context(run, 0, True, (True,), as_tuple(y)[0].dtype)
    sums, weights = loss.forward(y, target, weight, ctx)
    return sums, weights, as_tuple(loss.backward(ctx))


def to_torch(x, grad=False):
    if x is None:
        return None
    if isinstance(x, tuple):
        return tuple(to_torch(each, grad) for each in x)
    return torch.tensor(x, requires_grad=grad)


def test_every_public_loss_has_a_row():
    defined = set()
    for module in pkgutil.iter_modules(losses.__path__, "sparkdl.nn.losses."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if inspect.isclass(value) and issubclass(value, nn.Loss) and value.__module__ == module.name:
                defined.add(name)
    public = {name for name in defined if name[0] != "_"} - {"Loss", "ElementwiseLoss", "CombinedLoss"}
    assert public == {type(case.make()).__name__ for case in CASES}
    assert public <= set(nn.__all__)


@each_case
def test_value_and_gradient_are_those_of_the_reference(case):
    y, target = example(case)
    loss = case.make()
    sums, weights, slopes = run_loss(loss, y, target, [0, BATCH])
    if case.naive:
        assert loss(y, target) == pytest.approx(case.naive(y, target), rel=1e-9)
        return
    ys = as_tuple(to_torch(y, grad=True))
    expected = case.torch(*ys, *([] if target is None else [to_torch(target)]))
    expected.backward()
    assert loss(y, target) == pytest.approx(expected.item(), rel=1e-9)
    for slope, each, given in zip(slopes, ys, as_tuple(y), strict=True):
        assert slope.shape == given.shape
        if isinstance(loss, nn.CTCLoss):  # PyTorch's reference went through a log-softmax, which y already is
            slope = slope - np.exp(given) * slope.sum(2, keepdims=True)
        np.testing.assert_allclose(slope / weights.sum(), each.grad.numpy(), rtol=1e-7, atol=1e-10)


@each_case
def test_gradient_is_that_of_finite_differences(case):
    y, target = example(case)
    loss, step = case.make(), 1e-6
    _, weights, slopes = run_loss(loss, y, target, [0, BATCH])
    for number, slope in enumerate(slopes):
        measured = np.zeros(slope.shape)
        for place in np.ndindex(slope.shape):
            ends = []
            for sign in (1, -1):
                moved = [each.copy() for each in as_tuple(y)]
                moved[number][place] += sign * step
                sums, *_ = run_loss(loss, tuple(moved) if isinstance(y, tuple) else moved[0], target, [0, BATCH])
                ends.append(sums.sum())
            measured[place] = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(slope, measured, rtol=1e-5, atol=1e-6)


def test_a_slope_of_another_shape_is_refused():
    class Off(nn.Loss):
        def terms(self, y, target):
            return np.abs(y - target), None

        def slope(self, y, target):
            return np.sign(y - target)

    with pytest.raises(SparkDLError, match=r"slope gave shape \(4, 4\) for outputs \(4, 1\)"):
        run_loss(Off(), np.zeros((4, 1)), np.zeros(4), [0, 4])


@each_case
def test_each_leaf_gets_the_same_bits_alone_and_among_others(case):
    loss = case.make()
    if isinstance(loss, nn.ParallelLoss):
        pytest.skip("its parts are divided by totals over all leaves")
    y, target = example(case, np.float32)
    bounds = [0, 1, 1, 4, BATCH]
    sums, weights, slopes = run_loss(loss, y, target, bounds)
    for i, (a, b) in enumerate(zip(bounds, bounds[1:], strict=False)):
        rows = slice(a, b)
        alone = run_loss(loss, rows_of(y, rows), rows_of(target, rows), [0, b - a])
        assert alone[0][0] == sums[i]
        assert alone[1][0] == weights[i] or loss.reduction == "sum"
        for part, whole, given in zip(alone[2], slopes, as_tuple(y), strict=True):
            np.testing.assert_array_equal(part, whole[rows])
            assert part.dtype == given.dtype
    if loss.reduction != "sum":
        assert loss(y, target) == pytest.approx(sums.sum() / weights.sum(), rel=1e-6)


@each_case
def test_a_sample_of_weight_two_counts_like_two_samples(case):
    y, target = example(case)
    loss, weight = case.make(), np.array([1.0, 2, 0, 1, 2, 1])
    again = np.repeat(np.arange(BATCH), weight.astype(int))
    assert loss(y, target, weight) == pytest.approx(loss(rows_of(y, again), rows_of(target, again)), rel=1e-12)
    slopes = run_loss(loss, y, target, [0, BATCH], weight)[2]
    plain = run_loss(loss, y, target, [0, BATCH])[2]
    if not isinstance(loss, nn.ParallelLoss):
        for slope, each in zip(slopes, plain, strict=True):
            np.testing.assert_allclose(slope, each * weight.reshape(-1, *[1] * (each.ndim - 1)), rtol=1e-12)


@each_case
def test_float32_is_close_to_float64_and_arrays_may_lie_anyhow_in_memory(case):
    loss = case.make()
    (y, target), (y32, _) = example(case), example(case, np.float32)
    assert loss(y32, target) == pytest.approx(loss(y, target), rel=2e-4)
    strided = tuple(np.repeat(each[..., None], 2, -1)[..., 0] for each in as_tuple(y))
    assert loss(strided if isinstance(y, tuple) else strided[0], target) == pytest.approx(loss(y, target), rel=1e-12)


@each_case
def test_an_empty_batch_sums_to_zero(case):
    y, target = example(case)
    y, target = rows_of(y, slice(0)), rows_of(target, slice(0))
    sums, weights, slopes = run_loss(case.make(), y, target, [0, 0, 0])
    assert not sums.any() and (not weights.any() or case.make().reduction == "sum")
    assert [slope.shape for slope in slopes] == [each.shape for each in as_tuple(y)]


@each_case
def test_reductions_agree(case):
    y, target = example(case)
    loss = case.make()
    if "reduction" not in inspect.signature(type(loss)).parameters or isinstance(loss, nn.CTCLoss):
        pytest.skip("this loss takes no reduction, or its mean is over something else")
    total, _, _ = run_loss(loss, y, target, [0, BATCH])
    make = {**loss.config(), "reduction": "sum"}
    assert type(loss)(**make)(y, target) == pytest.approx(total.sum(), rel=1e-12)
    each = type(loss)(**{**make, "reduction": "none"})(y, target)
    assert each.shape[0] == BATCH and each.sum() == pytest.approx(total.sum(), rel=1e-12)
    with pytest.raises(ValueError, match="reduction must be one of"):
        type(loss)(**{**make, "reduction": "average"})


@each_case
def test_targets_that_do_not_fit_are_refused(case):
    y, target = example(case)
    loss = case.make()
    wrong = rows_of(target, slice(0, 4)) if target is not None else None
    if wrong is None:
        pytest.skip("this loss takes no targets")
    with pytest.raises(SparkDLError, match="got"):
        loss(y, wrong)


NO_NUMBERS = {
    "text": lambda x: np.full(np.shape(x), "cat"),
    "bytes": lambda x: np.full(np.shape(x), b"cat"),
    "complex": lambda x: np.asarray(x) * (1 + 1j),
    "object": lambda x: np.asarray(x).astype(object),
    "dates": lambda x: np.full(np.shape(x), np.datetime64("2020-01-01")),
}


@pytest.mark.parametrize("kind", NO_NUMBERS)
@each_case
def test_what_is_not_a_real_number_gets_one_clear_message(case, kind):
    y, target = example(case)
    made = NO_NUMBERS[kind]

    def spoiled(given):
        return (*given[:-1], made(given[-1])) if isinstance(given, tuple) else made(given)

    calls = {"outputs": (spoiled(y), target), "weights": (y, target, made(np.ones(BATCH)))}
    if target is not None:
        calls["targets"] = (y, spoiled(target))
    for what, arguments in calls.items():
        with pytest.raises(DataError, match=rf"{what} are real numbers .*, got .* of shape .*; convert them first"):
            case.make()(*arguments)


@each_case
def test_no_outputs_and_rows_that_differ_in_length_get_one_clear_message(case):
    y, target = example(case)
    with pytest.raises(DataError, match="outputs are one array of numbers, got rows that differ in length; pad them"):
        case.make()([[0.1, 0.2], [0.3]], target)
    with pytest.raises(DataError, match="got None; give what the model returned"):
        case.make()(None, target)


def test_outputs_of_whole_numbers_are_not_what_targets_are_cut_to():
    assert nn.MSELoss()([1, 2], [1.5, 2.5]) == 0.25
    assert nn.BCELoss()(np.array([True]), np.array([0.0])) == nn.BCELoss()(np.array([1.0]), np.array([0.0]))


@each_case
def test_a_copy_made_from_its_config_or_by_pickle_is_the_same(case):
    y, target = example(case)
    loss = case.make()
    assert type(loss)(**loss.config())(y, target) == loss(y, target)
    assert pickle.loads(pickle.dumps(loss))(y, target) == loss(y, target)


def test_samples_of_any_weight_may_count_as_one_each():
    rng = np.random.default_rng(1)
    y, target, weight = rng.normal(size=(5, 4)), rng.integers(0, 4, 5), rng.random(5)
    parts = [nn.CrossEntropyLoss(weight=[1.0, 2.0, 0.5, 3.0]), nn.MSELoss()]
    both, figures = nn.ParallelLoss(parts, [0.5, 2.0]), []
    for loss in (*parts, both):
        loss.weighted_mean = False
    for loss, each in zip(parts, (target, y[::-1]), strict=True):
        values, counts = loss.totals(y, each)
        figures.append((values * weight).sum() / np.sum(counts * np.ones(5)))
        assert loss(y, each, weight) == pytest.approx(figures[-1], rel=1e-12)
        assert optim.Loss(loss)(y, each, weight) == pytest.approx(figures[-1], rel=1e-12)
    together = both((y, y), (target, y[::-1]), weight)
    assert together == pytest.approx(0.5 * figures[0] + 2 * figures[1], rel=1e-12)


def test_samples_of_a_combination_are_divided_by_their_places():
    y, target = np.random.default_rng(0).normal(size=(2, 3, 3, 4)), np.array([[0, 1, 2, -100]] * 3)
    loss = nn.ParallelLoss([nn.CrossEntropyLoss(), nn.MSELoss()], [1.0, 0.5])
    each, _ = loss.totals((y[0], y[1]), (target, y[0]))
    ce = nn.CrossEntropyLoss(reduction="none")(y[0], target).mean(1)
    np.testing.assert_allclose(each, ce + 0.5 * np.square(y[1] - y[0]).mean((1, 2)))
    with pytest.raises(ValueError, match="takes one output, the model has 2; give each its loss by nn.ParallelLoss"):
        nn.MSELoss()((y[0], y[1]), y[0])


def test_ctc_takes_lengths_and_counts_what_cannot_be_aligned_as_infinite():
    rng = np.random.default_rng(3)
    y = torch.tensor(rng.normal(size=(3, 5, 4))).log_softmax(2)
    labels, steps, lengths = np.array([[1, 2, 3], [2, 2, 2], [3, 1, 1]]), np.array([5, 4, 3]), np.array([3, 3, 0])
    target = (labels, steps, lengths)
    each = nn.CTCLoss(reduction="none")(y.numpy(), target)
    expected = torch.nn.functional.ctc_loss(
        y.transpose(0, 1), *(torch.tensor(part) for part in target), reduction="none"
    )
    np.testing.assert_allclose(each, expected.numpy(), rtol=1e-9)
    assert np.isinf(each[1]) and nn.CTCLoss(zero_infinity=True, reduction="none")(y.numpy(), target)[1] == 0


def test_cross_entropy_stays_finite_for_far_scores():
    y = np.array([[1e4, -1e4, 0]], np.float32)
    assert nn.CrossEntropyLoss()(y, np.array([1])) == 2e4
    assert nn.CrossEntropyLoss()(y, np.array([0])) == 0


def test_targets_may_be_a_column_or_flat():
    y = np.array([[0.5], [2.0]], np.float32)
    assert nn.MSELoss()(y, np.array([1.0, 1.0])) == nn.MSELoss()(y[:, 0], np.array([[1], [1]])) == 0.625


@pytest.mark.parametrize(
    ("loss", "y", "target", "message"),
    [
        (
            nn.CrossEntropyLoss(),
            np.zeros((2, 3)),
            np.array([0, 3]),
            "0 to 2, got 3 for sample 1; labels start at 0",
        ),
        (nn.CrossEntropyLoss(), np.zeros((2, 3)), np.array([0.5, 1]), "from 0 to 2, got 0.5 for sample 0"),
        (nn.NLLLoss(weight=[1.0, 2.0]), np.zeros((1, 3)), np.array([0]), "one number per class, 3, got"),
        (nn.BCEWithLogitsLoss(), np.zeros(3), np.array([0, 2, 1]), r"targets lie in 0 .. 1, got 2 for sample 1"),
        (nn.MarginLoss(), np.zeros(2), np.array([0, 1]), "targets are -1 or 1, got 0 for sample 0"),
        (nn.KLDLoss(), np.zeros(2), None, r"takes 2 outputs \(mean, log_variance\), got one array"),
        (nn.CTCLoss(), np.zeros((1, 4, 3)), np.array([[1, 0]]), "other than the blank, got 0 for sample 0"),
        (
            nn.ParallelLoss([nn.MSELoss()]),
            (np.zeros(2), np.zeros(2)),
            (np.zeros(2),),
            "takes 1 outputs, one per loss",
        ),
    ],
)
def test_errors_name_the_first_offender(loss, y, target, message):
    with pytest.raises(ValueError, match=message):
        loss(y, target)
