from __future__ import annotations

import math

from sparkdl.kernel import njit
from sparkdl.optim.rules.adam import Adam


class AMSGrad(Adam):
    """Adam that divides by the largest ``v`` so far: ``w -= lr m^ / (sqrt(max v) / sqrt(1 - b2^step) + eps)``.

    Source: Reddi et al. (2018), algorithm 2, with the bias correction of PyTorch's ``Adam(amsgrad=True)``.
    """

    slots = ("m", "v", "v_max")

    def apply(self, w, g, state, step, s):
        real, o = w.dtype.type, s.options
        b1, b2 = o["betas"]
        rate, root = s.lr / (1 - b1**step), math.sqrt(1 - b2**step)
        _amsgrad(
            w, g, state["m"], state["v"], state["v_max"], real(rate), real(1 - b1), real(b2), real(1 - b2),
            real(1 / root), real(o["eps"]), real(o["weight_decay"]),
        )  # fmt: skip


@njit
def _amsgrad(w, g, m, v, v_max, rate, new1, b2, new2, scale, eps, decay):
    for i in range(w.size):
        d = g[i] + decay * w[i]
        m[i] += new1 * (d - m[i])
        v[i] = b2 * v[i] + new2 * d * d
        v_max[i] = max(v_max[i], v[i])
        w[i] -= rate * m[i] / (math.sqrt(v_max[i]) * scale + eps)
