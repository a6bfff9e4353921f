"""Mean absolute error."""

import numpy as np

from sparkdl.nn.losses.elementwise import ElementwiseLoss


class L1Loss(ElementwiseLoss):
    """``|y - target|``, averaged over all values; its slope at 0 is 0.

    Shapes
    ------
    y, target  (batch, *)
    """

    def terms(self, y, target):
        return np.abs(y - target), None

    def slope(self, y, target):
        return np.sign(y - target)
