"""Negative log of the probability that is given to the right class."""

import numpy as np

from sparkdl.nn.losses.loss import Loss, check_labels

_LEAST = 1e-20


class MultinomialLogisticLoss(Loss):
    """``-log(max(y[t], 1e-20))`` for the class number ``t``, summed over a sample's places, averaged over samples.

    Shapes
    ------
    y       (batch, classes, *)  probabilities, as nn.Softmax gives; nn.SoftmaxWithLoss on scores is more exact
    target  (batch, *)           class numbers

    Source: Caffe's layer of this name.
    """

    def check(self, y, target):
        check_labels(self, y, target)

    def fit(self, y, target):
        return np.expand_dims(target.astype(np.int64), 1)

    def terms(self, y, target):
        chosen = np.take_along_axis(y, target, 1)
        values = -np.log(np.maximum(chosen, y.dtype.type(_LEAST)))
        return values.reshape(len(y), -1 if y.size else 1).sum(1), None

    def slope(self, y, target):
        chosen = np.take_along_axis(y, target, 1)
        dy = np.zeros_like(y)
        np.put_along_axis(dy, target, -1 / np.maximum(chosen, y.dtype.type(_LEAST)), 1)
        return dy
