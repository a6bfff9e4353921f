"""Losses at zero and at huge outputs: where PyTorch's float32 value is finite, so is ours, and the same."""

import numpy as np
import pytest
import torch

from sparkdl import nn, optim
from tests.nn.losses.cases import BATCH, CASES
from tests.nn.losses.test_losses import as_tuple, example, run_loss, to_torch

LIMITED = {
    *("BCELoss", "NLLLoss", "CTCLoss", "KLDivLoss", "GaussianNLLLoss"),  # probabilities, their logarithms, variances
    *("GaussianLoss", "KLDLoss"),  # the reference are PyTorch's distributions, which refuse such deviations
}
ROWS = [case for case in CASES if case.torch and type(case.make()).__name__ not in LIMITED]


def as_float32(x):
    if isinstance(x, tuple):
        return tuple(as_float32(each) for each in x)
    return x.astype(np.float32) if x is not None and x.dtype.kind == "f" else x


@pytest.mark.parametrize("scale", [0.0, 100.0, 1e4, 1e30])
@pytest.mark.parametrize("case", ROWS, ids=[case.name for case in ROWS])
def test_value_and_gradient_are_pytorchs(case, scale):
    y, target = example(case, np.float32)
    y = tuple(each * np.float32(scale) for each in as_tuple(y)) if isinstance(y, tuple) else y * np.float32(scale)
    target = as_float32(target)
    inputs = as_tuple(to_torch(y, grad=True))
    wanted = case.torch(*inputs, *([] if target is None else [to_torch(target)]))
    wanted.backward()
    loss = case.make()
    with np.errstate(all="ignore"):
        value = loss(y, target)
        _, weights, slopes = run_loss(loss, y, target, [0, BATCH])
    if torch.isfinite(wanted):
        assert value == pytest.approx(wanted.item(), rel=2e-5, abs=1e-6)
    if scale == 0 and getattr(loss, "swap", False):
        return  # both distances are equal, and either one's slope is right
    for slope, each in zip(slopes, inputs, strict=True):
        there = each.grad.numpy()
        known = np.isfinite(there)
        got = slope / weights.sum().astype(np.float32)
        np.testing.assert_allclose(got[known], there[known], rtol=2e-4, atol=1e-6)


def test_all_labels_ignored():
    """PyTorch's mean over nothing is NaN, and so is ours; the gradient is zero, and training goes on."""
    y, ignored = np.ones((3, 4), np.float32), np.full(3, -100)
    assert np.isnan(nn.CrossEntropyLoss()(y, ignored))
    assert not nn.CrossEntropyLoss().slope(y, ignored).any()
    model = nn.Linear(2, 4)
    x, labels = np.ones((6, 2), np.float32), np.array([1, 2, -100, -100, 3, 0])
    options = {"batch_size": 2, "shuffle": False, "progress": False}
    optim.Trainer(model, nn.CrossEntropyLoss(), optim.SGD(0.1), **options).fit((x, labels))
    assert all(np.isfinite(p.value).all() for p in model.parameters())


def test_softmax_of_huge_and_of_infinite_numbers():
    x = np.array([[1e30, -1e30, 0], [-np.inf, 0, 0], [88, 89, 90]], np.float32)
    for ours, theirs in ((nn.Softmax(), torch.softmax), (nn.LogSoftmax(), torch.log_softmax)):
        np.testing.assert_allclose(ours(x), theirs(torch.from_numpy(x), 1).numpy(), rtol=1e-5, atol=1e-7)
