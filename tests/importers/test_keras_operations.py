"""Operations of ``keras.ops`` in functional models that real Keras saves here: each gives Keras's own values."""

from __future__ import annotations

import os

import numpy as np
import pytest

from sparkdl.errors import UnsupportedError
from sparkdl.importers import load_keras

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")  # Keras's own


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip("torch")
    return pytest.importorskip("keras")


ROW = np.arange(1, 7, dtype=np.float32)
TABLE = np.arange(12, dtype=np.float32).reshape(6, 2) / 7


def inside(o, x):
    return o.clip(x, -0.9, 0.9)


def nan(o, x):
    return o.where(x > 1, np.nan, x)


def definite(o, x):
    return o.matmul(x, o.transpose(x, (0, 2, 1))) + 3 * np.eye(4, dtype=np.float32)


# group -> shapes of the inputs a, b, ... and the operations on them, o being keras.ops
GROUPS = {
    "functions": (((4, 6),), [
        lambda o, a: o.arcsin(inside(o, a)), lambda o, a: o.arccos(inside(o, a)), lambda o, a: o.arctanh(inside(o, a)),
        lambda o, a: o.arccosh(o.abs(a) + 1.1), lambda o, a: o.cbrt(a), lambda o, a: o.exp2(a), lambda o, a: o.trunc(a),
        lambda o, a: o.sinc(a), lambda o, a: o.erfc(a), lambda o, a: o.signbit(a), lambda o, a: o.deg2rad(a), lambda o, a: o.rad2deg(a),
        lambda o, a: o.isinf(1 / o.relu(a)), lambda o, a: o.isfinite(1 / o.relu(a)), lambda o, a: o.isnan(nan(o, a)),
        lambda o, a: o.isposinf(1 / o.relu(a)), lambda o, a: o.isneginf(-1 / o.relu(a)), lambda o, a: o.round(a, decimals=1),
        lambda o, a: o.nan_to_num(nan(o, a), nan=3.0), lambda o, a: o.nan_to_num(1 / o.relu(a), posinf=2.0),
        lambda o, a: o.cast(3 * a, "int32"), lambda o, a: o.cast(a, "bool"), lambda o, a: o.logical_not(o.relu(a)),
        lambda o, a: o.full_like(a, 2.5), lambda o, a: o.normalize(a, order=1), lambda o, a: 2.0**a, lambda o, a: o.maximum(a, ROW / 4),
    ]),
    "functions of two": (((4, 6), (4, 6)), [
        lambda o, a, b: o.arctan2(a, b), lambda o, a, b: o.hypot(a, b), lambda o, a, b: o.fmod(a, b), lambda o, a, b: o.logaddexp(a, b),
        lambda o, a, b: o.logaddexp2(a, b), lambda o, a, b: o.heaviside(a, b), lambda o, a, b: o.power(o.abs(a) + 0.2, b),
        lambda o, a, b: o.fmax(nan(o, a), b), lambda o, a, b: o.fmin(a, nan(o, b)), lambda o, a, b: o.divide_no_nan(a, o.relu(b)),
        lambda o, a, b: o.logical_and(o.relu(a), o.relu(b)), lambda o, a, b: o.logical_or(a > 1, b > 1), lambda o, a, b: o.logical_xor(a > 0, b > 0),
        lambda o, a, b: o.isclose(a, b, atol=0.5), lambda o, a, b: o.where(o.relu(a), a, b), lambda o, a, b: o.where(a > 0, ROW, b),
        lambda o, a, b: o.arctan2(0.5, a), lambda o, a, b: o.hypot(a, ROW), lambda o, a, b: o.select([a > 1, b > 0], [a, -b], default=0.5),
        lambda o, a, b: o.binary_crossentropy(o.sigmoid(a), o.sigmoid(b)), lambda o, a, b: o.categorical_crossentropy(o.softmax(a), b, from_logits=True),
        lambda o, a, b: o.sparse_categorical_crossentropy(o.argmax(a, -1), o.softmax(b)),
    ]),
    "along axes": (((4, 6),), [
        lambda o, a: o.cumsum(a, axis=1), lambda o, a: o.cumprod(a, axis=-1), lambda o, a: o.sort(a, axis=1), lambda o, a: o.argsort(o.floor(a)),
        *[lambda o, a, i=i: o.top_k(a, 3)[i] for i in (0, 1)], lambda o, a: o.argmax(a > 0, axis=-1), lambda o, a: o.argmin(o.floor(a), axis=1, keepdims=True),
        lambda o, a: o.prod(a, axis=(1, 2)), lambda o, a: o.any(a > 1.5, axis=1), lambda o, a: o.all(a < 1, axis=2),
        lambda o, a: o.ptp(a, axis=2), lambda o, a: o.median(a, axis=1), lambda o, a: o.quantile(a, 0.3, axis=(1, 2), keepdims=True),
        lambda o, a: o.diff(a, n=2), lambda o, a: o.trapezoid(a, dx=0.5, axis=1),
        *[lambda o, a, i=i: o.moments(a, axes=[1])[i] for i in (0, 1)], lambda o, a: o.average(a, axis=2, weights=ROW),
        *[lambda o, a, p=p: o.norm(a, ord=p, axis=2) for p in (1, 3, np.inf)], lambda o, a: o.nansum(nan(o, a), axis=1), lambda o, a: o.nanmax(nan(o, a), axis=1),
        lambda o, a: o.nanmean(nan(o, a), axis=2), lambda o, a: o.nanvar(nan(o, a), axis=2, keepdims=True), lambda o, a: o.take_along_axis(a, o.argsort(a, axis=1), axis=1),
        lambda o, a: o.digitize(a, np.float32([-1, 0, 0.5])), lambda o, a: o.isin(o.floor(a), np.float32([0, 1])), lambda o, a: o.layer_normalization(a, ROW, ROW),
    ]),
    "products": (((4, 6), (6, 3), (5, 6)), [
        lambda o, a, b, c: o.einsum("bij,bjk->bik", a, b), lambda o, a, b, c: o.einsum("...ij,...kj", a, c), lambda o, a, b, c: o.einsum("bij,jk->bki", a, TABLE),
        lambda o, a, b, c: o.einsum("bij->b", a), lambda o, a, b, c: o.matmul(a, b), lambda o, a, b, c: o.matmul(a, TABLE), lambda o, a, b, c: o.matmul(TABLE.T @ TABLE, b[:, :2]),
        lambda o, a, b, c: o.dot(a, ROW), lambda o, a, b, c: o.inner(a, TABLE.T), lambda o, a, b, c: o.tensordot(a, TABLE, axes=[[2], [0]]), lambda o, a, b, c: o.cross(b, o.flip(b, axis=1), axis=-1),
        lambda o, a, b, c: o.inv(definite(o, a)), lambda o, a, b, c: o.det(definite(o, a)), lambda o, a, b, c: o.cholesky(definite(o, a)), lambda o, a, b, c: o.logdet(definite(o, a)),
        lambda o, a, b, c: o.solve(definite(o, a), a), lambda o, a, b, c: o.solve_triangular(definite(o, a), a, lower=True), lambda o, a, b, c: o.slogdet(definite(o, a))[1],
    ]),
    "parts": (((4, 6), (2, 3)), [
        lambda o, a, b: o.tril(a), lambda o, a, b: o.triu(a, k=1), lambda o, a, b: o.diagonal(a, offset=1, axis1=1, axis2=2), lambda o, a, b: o.trace(a, axis1=1, axis2=2),
        lambda o, a, b: o.rot90(a, k=3, axes=(1, 2)), lambda o, a, b: o.fliplr(a), lambda o, a, b: o.hstack([a, a]), lambda o, a, b: o.append(a, a, axis=2),
        lambda o, a, b: o.array_split(a, 4, axis=2)[1], lambda o, a, b: o.slice(a, (0, 1, 2), (5, 2, 3)), lambda o, a, b: o.slice_update(a, (0, 1, 2), b),
        lambda o, a, b: o.moveaxis(a, [1, 2], [2, 1]), lambda o, a, b: o.expand_dims(a, [1, -1]), lambda o, a, b: o.roll(a, (1, 2), axis=(1, 2)),
        lambda o, a, b: o.pad(a, ((0, 0), (1, 2), (0, 1)), mode="reflect"), lambda o, a, b: o.one_hot(o.cast(o.abs(a), "int32"), 6, axis=1),
    ]),
    "pictures": (((6, 6, 3),), [
        lambda o, a: o.image.rgb_to_grayscale(a), lambda o, a: o.image.crop_images(a, 1, 1, target_height=2, target_width=3), lambda o, a: o.image.pad_images(a, 1, 2, 1, 0),
        lambda o, a: o.image.extract_patches(a, 2), lambda o, a: o.image.extract_patches(a, 3, strides=2, padding="same"), lambda o, a: o.image.gaussian_blur(a, (3, 3), (1.0, 1.0)),
        lambda o, a: o.image.resize(a, (4, 9), interpolation="nearest", pad_to_aspect_ratio=True), lambda o, a: o.max_pool(a, 3, 2, "same"),
    ]),
    "signals": (((64,),), [
        *[lambda o, a, i=i: o.rfft(a, fft_length=48)[i] for i in (0, 1)], *[lambda o, a, i=i: o.stft(a, 12, 8, 16)[i] for i in (0, 1)],
        lambda o, a: o.extract_sequences(a, 16, 8),
    ]),
}  # fmt: skip


@pytest.mark.parametrize("name", GROUPS)
def test_operations_give_what_keras_gives(keras, tmp_path, name):
    shapes, operations = GROUPS[name]
    inputs = [keras.Input(shape) for shape in shapes]
    model = keras.Model(inputs, [keras.ops.cast(each(keras.ops, *inputs), "float32") for each in operations])
    model.save(tmp_path / "model.keras")
    xs = [np.random.default_rng(i).normal(size=(5, *shape)).astype(np.float32) for i, shape in enumerate(shapes)]
    wanted = [keras.ops.convert_to_numpy(y) for y in model(xs if len(xs) > 1 else xs[0])]
    made = load_keras(tmp_path / "model.keras")(*xs)
    wrong = []
    for i, (got, y) in enumerate(zip(made, wanted, strict=True)):
        tolerance = 1e-4 * np.abs(y).max(initial=0, where=np.isfinite(y)) + 1e-6
        if got.shape != y.shape or not np.allclose(got, y, rtol=0, atol=tolerance, equal_nan=True):
            wrong.append((i, got.shape, y.shape))
    assert not wrong, f"operations of the group {name!r}, by number: {wrong}"


@pytest.mark.parametrize(
    "operation, words",
    [
        (lambda o, a: o.ravel(a), "Ravel"),
        (lambda o, a: o.flip(a, axis=0), "batch"),
        (lambda o, a: o.sum(a), "batch"),
        (lambda o, a: o.svd(a)[1], "SVD"),
        (lambda o, a: o.quantile(a, [0.3, 0.5], axis=1), "before the batch"),
    ],
    ids=["ravel", "flip", "sum", "svd", "quantiles"],
)
def test_what_mixes_the_samples_is_refused(keras, tmp_path, operation, words):
    x = keras.Input((4, 6))
    keras.Model(x, operation(keras.ops, x)).save(tmp_path / "model.keras")
    with pytest.raises(UnsupportedError, match=words):
        load_keras(tmp_path / "model.keras")
