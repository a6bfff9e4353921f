"""One row per update rule: how to make it, and what it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sparkdl import optim

Vector = np.ndarray


@dataclass
class Case:
    """``torch`` makes PyTorch's optimizer; ``naive(w, g, state, step, norm_w...)`` is a float64 step from the paper."""

    make: Callable[[], optim.UpdateRule]
    torch: Callable[[list[Any]], torch.optim.Optimizer] | None = None
    naive: Callable[[Vector, Vector, dict[str, Any], int], Vector] | None = None

    @property
    def id(self) -> str:
        return repr(self.make())


def ftrl(w, g, s, step):
    """McMahan et al. (2013), algorithm 1: lr 0.1, beta 0.5, l1 0.05, l2 (theirs) 0.2."""
    n, z = s.get("n", np.full_like(w, 0.1)), s.get("z", np.zeros_like(w))
    sigma = (np.sqrt(n + g * g) - np.sqrt(n)) / 0.1
    z = z + g - sigma * w
    n = n + g * g
    s.update(n=n, z=z)
    return np.where(np.abs(z) <= 0.05, 0, -(z - np.sign(z) * 0.05) / ((0.5 + np.sqrt(n)) / 0.1 + 0.2))


def lion(w, g, s, step):
    """Chen et al. (2023), algorithm 2: lr 0.01, betas 0.9 and 0.99, decay 0.1."""
    m = s.get("m", np.zeros_like(w))
    u = np.sign(0.9 * m + 0.1 * g)
    s["m"] = 0.99 * m + 0.01 * g
    return w - 0.01 * (u + 0.1 * w)


def lars(w, g, s, step):
    """You et al. (2017), algorithm 1: rate 0.1, trust 0.02, momentum 0.9, decay 0.01."""
    rate = 0.02 * np.linalg.norm(w) / (np.linalg.norm(g) + 0.01 * np.linalg.norm(w))
    s["v"] = 0.9 * s.get("v", 0) + 0.1 * rate * (g + 0.01 * w)
    return w - s["v"]


def lamb(w, g, s, step):
    """You et al. (2020), algorithm 2: rate 0.01, betas 0.9 and 0.999, eps 1e-6, decay 0.01."""
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0) + 0.001 * g * g
    r = (s["m"] / (1 - 0.9**step)) / (np.sqrt(s["v"] / (1 - 0.999**step)) + 1e-6) + 0.01 * w
    return w - 0.01 * np.linalg.norm(w) / np.linalg.norm(r) * r


T = torch.optim
CASES = [
    Case(lambda: optim.SGD(0.1), lambda p: T.SGD(p, 0.1)),
    Case(lambda: optim.SGD(0.1, 0.9, 0.1, 0.01), lambda p: T.SGD(p, 0.1, 0.9, 0.1, 0.01)),
    Case(lambda: optim.SGD(0.1, 0.9, nesterov=True), lambda p: T.SGD(p, 0.1, 0.9, nesterov=True)),
    Case(lambda: optim.Adam(0.1), lambda p: T.Adam(p, 0.1)),
    Case(lambda: optim.Adam(0.1, (0.8, 0.9), 1e-6, 0.1), lambda p: T.Adam(p, 0.1, (0.8, 0.9), 1e-6, 0.1)),
    Case(lambda: optim.AdamW(0.1), lambda p: T.AdamW(p, 0.1)),
    Case(lambda: optim.AMSGrad(0.1, weight_decay=0.1), lambda p: T.Adam(p, 0.1, weight_decay=0.1, amsgrad=True)),
    Case(lambda: optim.Adamax(0.1, weight_decay=0.1), lambda p: T.Adamax(p, 0.1, weight_decay=0.1)),
    Case(lambda: optim.NAdam(0.1, weight_decay=0.1), lambda p: T.NAdam(p, 0.1, weight_decay=0.1)),
    Case(lambda: optim.Adagrad(0.1, 0.1, 0.1, 0.2), lambda p: T.Adagrad(p, 0.1, 0.1, 0.1, 0.2)),
    Case(lambda: optim.Adadelta(0.1, weight_decay=0.1), lambda p: T.Adadelta(p, 0.1, weight_decay=0.1)),
    Case(lambda: optim.RMSprop(0.01, weight_decay=0.1), lambda p: T.RMSprop(p, 0.01, weight_decay=0.1)),
    Case(
        lambda: optim.RMSprop(0.01, momentum=0.5, centered=True),
        lambda p: T.RMSprop(p, 0.01, momentum=0.5, centered=True),
    ),
    Case(lambda: optim.Rprop(0.1), lambda p: T.Rprop(p, 0.1)),
    Case(lambda: optim.Ftrl(0.1, l1=0.05, l2=0.1, beta=0.5), naive=ftrl),
    Case(lambda: optim.Lion(0.01, weight_decay=0.1), naive=lion),
    Case(lambda: optim.LARS(0.1, 0.9, 0.01, trust=0.02, eps=0), naive=lars),
    Case(lambda: optim.LAMB(0.01, weight_decay=0.01), naive=lamb),
]
ELSEWHERE = {"LBFGS": "test_lbfgs.py", "UpdateRule": "abstract"}
