"""Cross entropy with Caffe's ways to divide."""

import numpy as np

from sparkdl.nn.losses.cross_entropy import CrossEntropyLoss

NORMALIZATIONS = ("valid", "full", "batch_size", "none")


class SoftmaxWithLoss(CrossEntropyLoss):
    """Softmax over axis 1 and negative log likelihood, as Caffe's layer of this name.

    ``normalization`` says what the sum is divided by: ``"valid"`` the places whose target is not ``ignore_label``,
    ``"full"`` all places, ``"batch_size"`` the samples, ``"none"`` nothing.

    Shapes
    ------
    y       (batch, classes, *)
    target  (batch, *)  or (batch, 1, *), class numbers
    """

    def __init__(self, ignore_label: int | None = None, normalization: str = "valid") -> None:
        if normalization not in NORMALIZATIONS:
            raise ValueError(f"SoftmaxWithLoss: normalization is one of {NORMALIZATIONS}, got {normalization!r}.")
        super().__init__(None, -100 if ignore_label is None else ignore_label)
        self.ignore_label, self.normalization = ignore_label, normalization
        self.reduction = "sum" if normalization == "none" else "mean"

    def check(self, y, target):
        super().check(y, self._places(y, target))

    def fit(self, y, target):
        return super().fit(y, self._places(y, target))

    def _places(self, y, target):
        has_channel = target is not None and target.ndim == y.ndim and target.shape[1] == 1
        return target[:, 0] if has_channel else target

    def totals(self, y, target):
        values, counts = super().totals(y, target)
        if self.normalization == "valid" or self.normalization == "none":
            return values, counts
        return values, float(np.prod(y.shape[2:])) if self.normalization == "full" else 1.0
