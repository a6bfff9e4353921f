"""Overlap of outputs and targets."""

from sparkdl.nn.losses.elementwise import ElementwiseLoss
from sparkdl.nn.losses.loss import flat


class DiceLoss(ElementwiseLoss):
    """``1 - (2 * sum(y * t) + smooth) / (sum(y) + sum(t) + smooth)`` of each sample, averaged over the samples.

    Shapes
    ------
    y, target  (batch, *)  in 0 .. 1

    Source: Milletari et al. (2016), section 3, with plain sums in the denominator.
    """

    def __init__(self, smooth: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.smooth = smooth

    def _parts(self, y, target):
        y, t = flat(y), flat(target)
        smooth = y.dtype.type(self.smooth)
        return 2 * (y * t).sum(1) + smooth, y.sum(1) + t.sum(1) + smooth

    def terms(self, y, target):
        above, below = self._parts(y, target)
        return 1 - above / below, None

    def slope(self, y, target):
        above, below = (part.reshape(-1, *[1] * (y.ndim - 1)) for part in self._parts(y, target))
        return (above / below - 2 * target) / below
