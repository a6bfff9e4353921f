"""Cross entropy in which every class counts for every other."""

import numpy as np

from sparkdl.errors import ShapeError
from sparkdl.nn.losses.loss import Loss, as_weights, check_labels
from sparkdl.nn.losses.nll import as_classes, places
from sparkdl.nn.losses.softmax_with_loss import NORMALIZATIONS


class InfogainLoss(Loss):
    """``-sum_c matrix[t, c] * log softmax(y)[c]`` for the class number ``t``.

    ``normalization`` says what the sum is divided by: ``"valid"`` the places whose target is not ``ignore_label``,
    ``"full"`` all places, ``"batch_size"`` the samples, ``"none"`` nothing. An identity matrix gives SoftmaxWithLoss.

    Shapes
    ------
    matrix  (classes, classes)
    y       (batch, classes, *)
    target  (batch, *)  class numbers

    Source: Caffe's layer of this name.
    """

    def __init__(self, matrix, ignore_label: int | None = None, normalization: str = "valid") -> None:
        if normalization not in NORMALIZATIONS:
            raise ValueError(f"InfogainLoss: normalization is one of {NORMALIZATIONS}, got {normalization!r}.")
        super().__init__("sum" if normalization == "none" else "mean")
        weights = as_weights(matrix)
        if weights is None or weights.ndim != 2 or weights.shape[0] != weights.shape[1]:
            raise ShapeError(f"InfogainLoss: matrix is (classes, classes), got {np.shape(matrix)}.")
        self.matrix = weights
        self.ignore_label, self.normalization = ignore_label, normalization

    def check(self, y, target):
        check_labels(self, y, target, self.ignore_label)
        if y.shape[1] != len(self.matrix):
            raise ShapeError(f"{self!r}: a matrix for {len(self.matrix)} classes, the outputs have {y.shape[1]}.")

    def fit(self, y, target):
        return np.ascontiguousarray(target, np.int64)

    def _rows(self, y, target):
        """For each place: scores less their highest, the matrix's row (zeros where ignored), what counts."""
        scores, labels = places(y), target.ravel()
        scores = scores - scores.max(1, keepdims=True)
        counted = np.ones(labels.shape, bool) if self.ignore_label is None else labels != self.ignore_label
        wanted = self.matrix.astype(y.dtype)[np.where(counted, labels, 0)] * counted[:, None]
        return scores, wanted, counted

    def terms(self, y, target):
        scores, wanted, counted = self._rows(y, target)
        logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
        values = -(wanted * logs).sum(1).reshape(target.shape)
        if self.normalization == "full":
            return values, None
        if self.normalization == "batch_size":
            return values, np.full(values.shape, 1 / max(values[:1].size, 1), values.dtype)
        return values, counted.astype(values.dtype).reshape(values.shape)

    def slope(self, y, target):
        scores, wanted, _ = self._rows(y, target)
        e = np.exp(scores)
        return as_classes(e / e.sum(1, keepdims=True) * wanted.sum(1, keepdims=True) - wanted, y)
