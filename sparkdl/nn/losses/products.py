"""Losses linear in the outputs or in their logarithms."""

import numpy as np

from sparkdl.errors import DataError
from sparkdl.nn.losses.elementwise import ElementwiseLoss
from sparkdl.nn.losses.loss import Loss, flat


class DotProductLoss(ElementwiseLoss):
    """``sum(y * target)`` of each sample, averaged over the samples: the target is the gradient.

    Shapes
    ------
    y, target  (batch, *)
    """

    def terms(self, y, target):
        return flat(y * target).sum(1), None

    def slope(self, y, target):
        return target


class PGLoss(ElementwiseLoss):
    """``-sum(log(y) * target)`` of each sample, averaged over the samples: the policy gradient.

    Shapes
    ------
    y       (batch, actions)  probabilities of the actions
    target  (batch, actions)  the reward at the action that was taken, 0 elsewhere

    Source: Williams (1992), section 4.
    """

    def check(self, y, target):
        super().check(y, target)
        if not (y > 0).all():
            raise DataError(f"{self!r} takes probabilities above 0, got {y.min()}; end the model with nn.Softmax.")

    def terms(self, y, target):
        return -flat(np.log(y) * target).sum(1), None

    def slope(self, y, target):
        return -target / y


class L1Cost(Loss):
    """``sum |y|`` of each sample, averaged over the samples.

    Shapes
    ------
    y       (batch, *)
    target  not used, may be None
    """

    def terms(self, y, target):
        return flat(np.abs(y)).sum(1), None

    def slope(self, y, target):
        return np.sign(y)
