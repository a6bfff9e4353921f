from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.optim.metrics.base import SumMetric, weighed


class Loss(SumMetric):
    """Mean of a loss over all rows: ``sum(terms) / sum(weights)``, as ``loss(y, target)`` gives for one batch.

    ``loss`` None stands for the loss that is trained with; the trainer fills it in by `of`.
    """

    def __init__(self, loss: Any = None, name: str | None = None) -> None:
        self.loss = loss
        super().__init__(name)

    def of(self, loss: Any) -> Loss:
        """This metric with ``loss`` where it has none of its own."""
        return self if self.loss is not None else Loss(loss, self.name)

    def terms(self, output, target, weight):
        if self.loss is None:
            raise ValueError("Loss: which loss? Give one, as in Loss(nn.NLLLoss()), or let a Trainer evaluate it.")
        self.loss.check(output, target)  # a class number that is out of range would read foreign memory
        values, counted = self.loss.totals(output, self.loss.fit(output, target))
        counted = np.broadcast_to(counted, values.shape)
        return weighed(values, weight), weighed(counted, weight if self.loss.weighted_mean else None)
