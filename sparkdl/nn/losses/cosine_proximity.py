"""Products of normalised vectors."""

import numpy as np

from sparkdl.nn.losses.elementwise import ElementwiseLoss


class CosineProximityLoss(ElementwiseLoss):
    """``-y / |y| * t / |t|``, lengths along the last axis, averaged over all values.

    With ``of_vectors`` the products of a vector are added up, to minus its cosine, and averaged over the vectors.

    Shapes
    ------
    y, target  (batch, *, features)

    Source: Keras 1, ``cosine_proximity``; with ``of_vectors`` Keras 2 and 3, ``cosine_similarity``.
    """

    def __init__(self, of_vectors: bool = False, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.of_vectors = of_vectors

    def _unit(self, x):
        length = np.sqrt(np.maximum((x * x).sum(-1, keepdims=True), x.dtype.type(1e-12)))
        return x / length, length

    def terms(self, y, target):
        values = -self._unit(y)[0] * self._unit(target)[0]
        return values.sum(-1) if self.of_vectors else values, None

    def slope(self, y, target):
        (u, length), v = self._unit(y), self._unit(target)[0]
        return (u * (u * v).sum(-1, keepdims=True) - v) / length
