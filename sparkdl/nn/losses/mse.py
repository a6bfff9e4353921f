"""Mean squared error."""

import numpy as np

from sparkdl.nn.losses.elementwise import ElementwiseLoss


class MSELoss(ElementwiseLoss):
    """``(y - target)**2``, averaged over all values.

    Shapes
    ------
    y, target  (batch, *)
    """

    def terms(self, y, target):
        return np.square(y - target), None

    def slope(self, y, target):
        return (y - target) * y.dtype.type(2)
