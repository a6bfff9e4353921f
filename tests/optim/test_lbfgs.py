import json

import numpy as np
import pytest
import torch

from sparkdl import optim
from sparkdl.errors import UnsupportedError
from sparkdl.optim.rules.wolfe import ENOUGH, FLATTER, strong_wolfe


def rosenbrock(w):
    """Value and gradient of Rosenbrock's chained function in float64."""
    t = torch.tensor(np.asarray(w, np.float64), requires_grad=True)
    f = ((1 - t[:-1]) ** 2).sum() + 100 * ((t[1:] - t[:-1] ** 2) ** 2).sum()
    f.backward()
    return f.item(), t.grad.numpy()


@pytest.mark.parametrize(("lr", "search"), [(1e-3, None), (1.0, "strong_wolfe")])
def test_steps_follow_pytorch(lr, search):
    w, state = np.linspace(-1, 2, 6), {}
    rule = optim.LBFGS(lr, max_iter=5, line_search_fn=search)
    parameter = torch.nn.Parameter(torch.from_numpy(w.copy()))
    other = torch.optim.LBFGS([parameter], lr, max_iter=5, line_search_fn=search)

    def closure():
        other.zero_grad()
        f = ((1 - parameter[:-1]) ** 2).sum() + 100 * ((parameter[1:] - parameter[:-1] ** 2) ** 2).sum()
        f.backward()
        return f

    for _ in range(6):
        assert rule.step(rosenbrock, w, state) == pytest.approx(other.step(closure).item(), rel=1e-6)
    np.testing.assert_allclose(w, parameter.detach().numpy(), rtol=1e-6)


def test_it_finds_the_minimum_and_resumes_from_its_state_bit_for_bit():
    rule = optim.LBFGS(max_iter=10)
    whole, state = np.linspace(-1, 2, 6), {}
    for _ in range(8):
        rule.step(rosenbrock, whole, state)
    assert rosenbrock(whole)[0] < 1e-10
    half, state = np.linspace(-1, 2, 6), {}
    for _ in range(4):
        rule.step(rosenbrock, half, state)
    kept = {k: np.array(v).copy() for k, v in state.items()}
    again, kept = optim.rule_from_config(json.loads(json.dumps(rule.config()))), {k: v[()] for k, v in kept.items()}
    for _ in range(4):
        again.step(rosenbrock, half, kept)
    np.testing.assert_array_equal(half, whole)


def test_history_is_bounded_and_float32_weights_work():
    w, state = np.linspace(-1, 2, 30).astype(np.float32), {}
    rule = optim.LBFGS(history_size=3)
    for _ in range(3):
        rule.step(rosenbrock, w, state)
    assert w.dtype == np.float32 and state["changes"].shape == (2, 3, 30)


@pytest.mark.parametrize(
    "f",
    [
        lambda t: (np.cos(3 * t) + 0.1 * t * t, -3 * np.sin(3 * t) + 0.2 * t),
        lambda t: ((t - 50) ** 2, 2 * (t - 50)),
        lambda t: (-t / (t * t + 2), (t * t - 2) / (t * t + 2) ** 2),
    ],
)
@pytest.mark.parametrize("first", [1e-3, 0.3, 10.0])
def test_the_line_search_ends_at_a_point_that_fulfils_the_conditions(f, first):
    start = 0.1
    loss, slope = f(start)
    t, value, gradient, used = strong_wolfe(lambda t: (*f(start + t), t), first, loss, slope, 0.0, 1e-12)
    assert value == f(start + t)[0] and gradient == t and used <= 25
    assert value <= loss + ENOUGH * t * slope
    assert abs(f(start + t)[1]) <= FLATTER * abs(slope)


def test_it_is_refused_where_it_cannot_work():
    rule = optim.LBFGS()
    with pytest.raises(UnsupportedError, match="on one machine"):
        rule.update(np.zeros(3), np.zeros(3), {}, 1, [])
    with pytest.raises(UnsupportedError, match="no groups"):
        optim.LBFGS(groups={"a": {"lr": 1}})
    assert rule.closure and not optim.SGD().closure
