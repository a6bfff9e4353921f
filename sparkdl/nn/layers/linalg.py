"""Square matrices: inverse, determinant, Cholesky factor, linear equations."""

import numpy as np

from sparkdl.errors import DataError, ShapeError
from sparkdl.nn.module import Layer


class _OfMatrices(Layer):
    def _check(self, a, *others):
        if a.ndim < 3 or a.shape[-1] != a.shape[-2] or any(o.shape[:-1] != a.shape[:-1] for o in others):
            raise ShapeError(f"{self!r} takes square matrices (batch, *, n, n), got {[x.shape for x in (a, *others)]}.")

    def _try(self, function, *arrays):
        try:
            return function(*arrays)
        except np.linalg.LinAlgError as error:
            raise DataError(f"{self!r}: a matrix of the batch does not allow it ({error}).") from error


class Inverse(_OfMatrices):
    """``y = a^-1`` of each matrix.

    Shapes
    ------
    input, output  (batch, *, n, n)
    """

    def forward(self, a, ctx):
        self._check(a)
        y = self._try(np.linalg.inv, a)
        ctx.save(y)
        return y

    def backward(self, dy, ctx):
        turned = ctx.saved[0].swapaxes(-1, -2)
        return -(turned @ dy @ turned)


class Determinant(_OfMatrices):
    """``y = det(a)`` of each matrix, or with ``log`` the logarithm of its absolute value.

    The gradient is that of regular matrices: ``det(a) a^-T``, and ``a^-T`` of the logarithm.

    Shapes
    ------
    input   (batch, *, n, n)
    output  (batch, *)
    """

    def __init__(self, log: bool = False) -> None:
        super().__init__()
        self.log = log

    def forward(self, a, ctx):
        self._check(a)
        y = np.linalg.slogdet(a)[1] if self.log else np.linalg.det(a)
        ctx.save(a, y)
        return y

    def backward(self, dy, ctx):
        a, y = ctx.saved
        slope = self._try(np.linalg.inv, a).swapaxes(-1, -2)
        return (dy if self.log else dy * y)[..., None, None] * slope


class Cholesky(_OfMatrices):
    """The lower triangular ``l`` with ``l l^T = a`` of each symmetric positive definite matrix, of which only the lower
    triangle is read and gets a gradient.

    Shapes
    ------
    input, output  (batch, *, n, n)

    Source of the gradient: Murray (2016), "Differentiation of the Cholesky decomposition", equation 10.
    """

    def forward(self, a, ctx):
        self._check(a)
        y = self._try(np.linalg.cholesky, a)
        ctx.save(y)
        return y

    def backward(self, dy, ctx):
        (low,) = ctx.saved
        inner = np.tril(low.swapaxes(-1, -2) @ dy)
        inner = inner - 0.5 * inner * np.eye(low.shape[-1], dtype=low.dtype)
        inverse = np.linalg.inv(low)
        da = inverse.swapaxes(-1, -2) @ inner @ inverse
        da = da + da.swapaxes(-1, -2)  # of both triangles; the diagonal once
        return np.tril(da - np.eye(low.shape[-1], dtype=da.dtype) * da * da.dtype.type(0.5))


class Solve(_OfMatrices):
    """``x`` with ``a x = b``, for each matrix a and each column of b.

    Shapes
    ------
    inputs  (batch, *, n, n) and (batch, *, n, k)
    output  (batch, *, n, k)
    """

    def forward(self, a, b, ctx):
        self._check(a, b)
        x = self._try(np.linalg.solve, a, b)
        ctx.save(a, x)
        return x

    def backward(self, dy, ctx):
        a, x = ctx.saved
        db = self._try(np.linalg.solve, a.swapaxes(-1, -2), dy)
        return -(db @ x.swapaxes(-1, -2)), db
