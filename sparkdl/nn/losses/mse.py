"""Mean squared error."""

import numpy as np

from sparkdl.nn.losses.loss import Loss, check_same_shape


class MSELoss(Loss):
    """``(y - target)**2``, averaged over all values.

    Shapes
    ------
    y, target  (batch, *)
    """

    def check(self, y, target):
        check_same_shape(self, y, target)

    def terms(self, y, target):
        values = np.square(y - target, dtype=np.float64).reshape(len(y), -1)
        return values.sum(1), np.full(len(y), float(values.shape[1]))

    def slope(self, y, target):
        return (y - target) * y.dtype.type(2)
