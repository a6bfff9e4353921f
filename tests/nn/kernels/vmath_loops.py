"""Loops over the vector functions, as kernels use them."""

from sparkdl.kernel import elementwise, njit
from sparkdl.nn.kernels import vmath


@njit(inline="always")
def _exp(x):
    return vmath.exp(x)


@njit(inline="always")
def _log(x):
    return vmath.log(x)


@njit(inline="always")
def _tanh(x):
    return vmath.tanh(x)


@njit(inline="always")
def _sigmoid(x):
    return vmath.sigmoid(x)


@njit(inline="always")
def _erf(x):
    return vmath.erf(x)


exp, log, tanh, sigmoid, erf = (elementwise(f) for f in (_exp, _log, _tanh, _sigmoid, _erf))
