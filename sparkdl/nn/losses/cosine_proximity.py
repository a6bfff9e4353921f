"""Products of normalised vectors."""

import numpy as np

from sparkdl.nn.losses.elementwise import ElementwiseLoss


class CosineProximityLoss(ElementwiseLoss):
    """``-y / |y| * t / |t|``, lengths along the last axis, averaged over all values.

    Shapes
    ------
    y, target  (batch, *, features)

    Source: Keras 1, ``cosine_proximity``.
    """

    def _unit(self, x):
        length = np.sqrt(np.maximum((x * x).sum(-1, keepdims=True), x.dtype.type(1e-12)))
        return x / length, length

    def terms(self, y, target):
        return -self._unit(y)[0] * self._unit(target)[0], None

    def slope(self, y, target):
        (u, length), v = self._unit(y), self._unit(target)[0]
        return (u * (u * v).sum(-1, keepdims=True) - v) / length
