from __future__ import annotations

from sparkdl.optim.rules.adam import Adam


class AdamW(Adam):
    """Adam whose weight decay is apart from the gradient: ``w *= 1 - lr weight_decay`` before Adam's step.

    Source: Loshchilov & Hutter (2019), algorithm 2.
    """

    decoupled = True

    def __init__(self, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, **shared):
        super().__init__(lr, betas, eps, weight_decay, **shared)
