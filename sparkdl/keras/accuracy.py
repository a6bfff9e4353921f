"""Accuracy as Keras means it by its name."""

from __future__ import annotations

import numpy as np

from sparkdl.optim.metrics.accuracy import CategoricalAccuracy, Top1Accuracy
from sparkdl.optim.metrics.base import SumMetric


class Accuracy(SumMetric):
    """Share of rows whose highest score is that of their class; targets are class numbers or one-hot."""

    def terms(self, output, target, weight):
        one_hot = np.shape(target) == np.shape(output)
        return (CategoricalAccuracy() if one_hot else Top1Accuracy()).terms(output, target, weight)
