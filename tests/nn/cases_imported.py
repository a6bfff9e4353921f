"""Rows for layers that nets of Keras and Caffe bring with them."""

import numpy as np

from sparkdl import nn
from sparkdl.nn.layers.hashes import fingerprint
from tests.nn.case import Case, distinct, positive
from tests.nn.cases_basic import max_pool
from tests.nn.cases_norms import normalised


def axis_norm(layer, x):
    shape = [x.shape[i] if i in layer.dims else 1 for i in range(x.ndim)]
    y = normalised(x, layer.dims, layer.eps)
    return y * layer.weight.value.reshape(shape) + layer.bias.value.reshape(shape)


def root_mean_square(layer, x):
    return x / np.sqrt((x**2).mean(2, keepdims=True) + layer.eps) * layer.weight.value


def columns(layer, x):
    (kh, kw), (sh, sw), (top, left) = layer.kernel_size, layer.stride, layer.padding
    x = np.pad(x, ((0, 0), (0, 0), (top, top), (left, left)))
    rows, across = (x.shape[2] - kh) // sh + 1, (x.shape[3] - kw) // sw + 1
    y = np.zeros((len(x), x.shape[1] * kh * kw, rows, across))
    for r, c in np.ndindex(rows, across):
        y[:, :, r, c] = x[:, :, r * sh : r * sh + kh, c * sw : c * sw + kw].reshape(len(x), -1)
    return y


def pooled_with_places(layer, x):
    layer.dilation = 1
    values = max_pool(layer, x)
    places = np.zeros_like(values)
    for n, c, i, j in np.ndindex(values.shape):
        places[n, c, i, j] = np.flatnonzero(x[n, c].ravel() == values[n, c, i, j])[0]
    return values, places


def unpooled(layer, x, places):
    y = np.zeros((*x.shape[:2], *layer.size))
    for n, c, i, j in np.ndindex(x.shape):
        y[n, c].flat[places[n, c, i, j]] += x[n, c, i, j]
    return y


def reorganised(layer, x):
    n, c, h, w = x.shape
    y = np.zeros((n, c * 4, h // 2, w // 2))
    for i, j in np.ndindex(2, 2):
        y[:, (2 * i + j) * c : (2 * i + j + 1) * c] = x[:, :, i::2, j::2]
    return y


def without_mean(layer, x):
    y = x - x.mean((2, 3), keepdims=True)
    return y / (x.std((2, 3), keepdims=True) + layer.eps) if layer.variance else y


LETTERS = np.array([fingerprint(b"A"), fingerprint(b"B")], np.uint64).view(np.int64)


def picture_boxes(rng, shape):
    """Regions of pictures in another order, the last one's end before its start."""
    boxes = np.resize([[0, 1, 2, 9, 12], [2, 0, 3, 13, 5], [0, 8, 6, 5, 4]], (shape[0], 5))
    boxes[:, 0] %= max(shape[0], 1)
    return boxes.astype(float)


def roi_pool_by_picture(layer, x, regions):
    y = np.zeros((len(regions), x.shape[1], 2, 3))
    for r, region in enumerate(regions):
        x1, y1, x2, y2 = (int(np.floor(v * layer.spatial_scale + 0.5)) for v in region[1:])
        high, wide = max(y2 - y1 + 1, 1) / 2, max(x2 - x1 + 1, 1) / 3
        for i, j in np.ndindex(2, 3):
            rows = slice(y1 + int(i * high), min(y1 + int(np.ceil((i + 1) * high)), x.shape[2]))
            columns = slice(x1 + int(j * wide), min(x1 + int(np.ceil((j + 1) * wide)), x.shape[3]))
            part = x[int(region[0]), :, rows, columns]
            y[r, :, i, j] = part.max((1, 2)) if part.size else 0
    return y


def roi_align_by_picture(layer, x, regions):
    at = [np.flatnonzero(regions[:, 0] == i) for i in range(len(x))]
    y = np.zeros((len(regions), x.shape[1], 2, 3))
    for i, rows in enumerate(at):
        boxes = np.concatenate([regions[rows, 1:3], np.maximum(regions[rows, 3:], regions[rows, 1:3])], 1)
        y[rows] = nn.RoiAlign((2, 3), 0.5, 2).double()(x[i : i + 1], boxes[None])[0]
    return y


def psroi_pool(layer, x, regions):
    size, scale = layer.group_size, layer.spatial_scale
    y = np.zeros((len(regions), layer.output_dim, size, size))
    for r, (n, *corners) in enumerate(regions):
        start = [np.floor(v + 0.5) * scale for v in corners[:2]]
        width = [max((np.floor(v + 0.5) + 1) * scale - s, 0.1) / size for v, s in zip(corners[2:], start, strict=True)]
        for c, i, j in np.ndindex(y.shape[1:]):
            low = [max(int(np.floor(s + at * w)), 0) for s, w, at in zip(start, width, (j, i), strict=True)]
            high = [max(int(np.ceil(s + (at + 1) * w)), 0) for s, w, at in zip(start, width, (j, i), strict=True)]
            part = x[int(n), (c * size + i) * size + j, low[1] : high[1], low[0] : high[0]]
            y[r, c, i, j] = part.mean() if part.size else 0
    return y


def best_places(layer, x):
    return np.stack([np.argsort(-row)[:2] for row in x.reshape(len(x), -1)])[:, None]


def keras_same(layer, x):
    pads = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(x.shape[2:], (3, 2), (2, 2), strict=True)]
    return np.pad(x, [(0, 0), (0, 0), *((p // 2, p - p // 2) for p in pads)])


def corrected(layer, means, x):
    """Keras's means: windows of 3 every 2 places over 5, of which the first and last see two places."""
    return means * np.array([3 / 2, 1, 3 / 2])


def unit(layer, x):
    return x / np.sqrt((x**2).sum((1, 2), keepdims=True))


def masked_mean(layer, x, mask):
    return np.stack([row[m].mean(0) if m.any() else row[0] * 0 for row, m in zip(x, mask != 0, strict=True)])


def coin(rng, shape):
    return (rng.random(shape) < 0.6) * 1.0


def sparsemax(layer, x):
    """The threshold found by halving: the parts above it sum to 1."""
    low, high = x.min(1, keepdims=True) - 1, x.max(1, keepdims=True)
    for _ in range(100):
        middle = (low + high) / 2
        over = np.maximum(x - middle, 0).sum(1, keepdims=True) > 1
        low, high = np.where(over, middle, low), np.where(over, high, middle)
    return np.maximum(x - low, 0)


def sparsemax_of_keras(layer, x):
    """Row by row: the threshold is made from the sum of all running sums of the support."""
    y = np.zeros_like(x)
    for place in np.ndindex(x.shape[:-1]):
        sums, kept, falling = 0.0, [], sorted(x[place], reverse=True)
        for i, value in enumerate(falling):
            sums += value
            if 1 + (i + 1) * value > sums:
                kept.append(sums)
        y[place] = np.maximum(x[place] - (sum(kept) - 1) / len(kept), 0)
    return y


def scores_masked(layer, scores, mask):
    kept = np.tri(*scores.shape[-2:]) * (mask != 0)[:, None, None]
    return np.where(kept, scores, -1e9)


def counted(layer, x):
    return np.stack([np.bincount(row, minlength=5) for row in x])


def prior_boxes(layer, feature, picture):
    """Two by one places in a picture of 20 by 30: squares of 4, of sqrt(4 * 9) and boxes of 2:1 and 1:2."""
    boxes = []
    for row in range(2):
        for side in ((4, 4), (6, 6), (4 * np.sqrt(2), 4 / np.sqrt(2)), (4 / np.sqrt(2), 4 * np.sqrt(2))):
            x, y, w, h = 15, (row + 0.5) * 10, side[0] / 2, side[1] / 2
            boxes += [(x - w) / 30, (y - h) / 20, (x + w) / 30, (y + h) / 20]
    return np.stack([[boxes, [0.1, 0.1, 0.2, 0.2] * 8]] * len(feature))


def detections(layer, locations, confidences, priors):
    """Codes of zero give the priors back; the second box overlaps the better first one and goes."""
    return np.array([[[[n, 1, 0.9, 0, 0, 0.5, 0.5], [n, 1, 0.7, 0.5, 0.5, 1, 1]]] for n in range(2)])


def resampled(layer, x):
    """Place by place, with the kernels written out as in the literature."""

    def weight(t):
        t = abs(t)
        if layer.kernel == "bicubic":
            return 1.5 * t**3 - 2.5 * t**2 + 1 if t <= 1 else -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0
        if layer.kernel == "mitchellcubic":
            near, far = 21 * t**3 - 36 * t**2 + 16, -7 * t**3 + 36 * t**2 - 60 * t + 32
            return (near if t < 1 else far if t < 2 else 0) / 18
        if layer.kernel == "gaussian":
            return np.exp(-(t**2) / 0.5) if t < 1.5 else 0
        radius = int(layer.kernel[-1])
        return np.sinc(t) * np.sinc(t / radius) if t < radius else 0

    def row(i, n, m):
        if layer.kernel == "nearest":
            return np.eye(n)[min(int((i + 0.5) * n / m), n - 1)]
        if layer.kernel == "area":
            inside = [max(0, min(p + 1, (i + 1) * n / m) - max(p, i * n / m)) for p in range(n)]
        else:
            at = (i + 0.5) * n / m - 0.5
            at = np.floor(at) + round((at - np.floor(at)) * 1024) / 1024 if layer.kernel == "bicubic" else at
            inside = [weight(p - at) for p in range(n)]
        return np.array(inside) / sum(inside)

    (high, wide), (h, w) = layer.size, x.shape[2:]
    rows, columns = np.stack([row(i, h, high) for i in range(high)]), np.stack([row(i, w, wide) for i in range(wide)])
    return np.einsum("bchw,Hh,Ww->bcHW", x, rows, columns)


def fixed(array):
    return lambda rng, shape: np.repeat(np.array(array, np.float64)[:1], shape[0], 0)


WHOLE = ("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "gcd", "lcm")


def of_two(layer, a, b):
    return getattr(np, layer.name)(*((a.astype(int), b.astype(int)) if layer.name in WHOLE else (a, b)))


def regular(rng, shape):
    """Matrices far from singular ones."""
    return rng.normal(0, 0.3, shape) + 2 * np.eye(*shape[-2:])


def definite(rng, shape):
    """Symmetric positive definite matrices."""
    x = regular(rng, shape)
    return x @ x.swapaxes(-1, -2)


def einsum(torch):
    class Einsum(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(4, 3))

        def forward(self, x):
            return torch.einsum("abc,cd->abd", x, self.weight)

    return Einsum()


CASES = {
    "AxisNorm": Case(
        lambda: nn.AxisNorm((1, 3), (4, 3)),
        (2, 4, 5, 3),
        axis_norm,
        bad=[((2, 4, 5), "does not fit")],
        tolerance=2e-5,
        refused=[(lambda: nn.AxisNorm((0,), (4,)), "none of them the batch")],
    ),
    "AxisNorm, by the root mean square": Case(
        lambda: nn.AxisNorm((2,), (5,), shift=False, centre=False),
        (2, 4, 5),
        root_mean_square,
        tolerance=2e-5,
    ),
    "L2Normalize": Case(
        lambda: nn.L2Normalize((1, 2)),
        (3, 4, 2),
        unit,
        torch=lambda t: lambda x: t.nn.functional.normalize(x.flatten(1)).reshape(x.shape),
    ),
    "L2Normalize, eps added": Case(
        lambda: nn.L2Normalize((1,), 0.5, True),
        (3, 4),
        lambda layer, x: x / np.sqrt((x**2).sum(1, keepdims=True) + 0.5),
    ),
    "MeanVarianceNorm": Case(lambda: nn.MeanVarianceNorm((2, 3)), (2, 3, 4, 5), without_mean, tolerance=2e-5),
    "MeanVarianceNorm, only the mean": Case(lambda: nn.MeanVarianceNorm((2, 3), False), (2, 3, 4, 5), without_mean),
    "SlopeBelowZero": Case(
        lambda: nn.SlopeBelowZero((4, 1)),
        (3, 4, 5),
        lambda layer, x: np.where(x > 0, x, x * layer.weight.value),
        bad=[((3, 5, 4), "does not fit")],
    ),
    "Squareplus": Case(nn.Squareplus, (3, 4), lambda layer, x: (x + np.sqrt(x**2 + 4)) / 2),
    "SparsePlus": Case(
        nn.SparsePlus,
        (3, 8),
        lambda layer, x: np.where(x <= -1, 0, np.where(x >= 1, x, (x + 1) ** 2 / 4)),
    ),
    "Sparsemax": Case(nn.Sparsemax, (3, 6), sparsemax, bad=[((3,), "no axis 1")]),
    "Sparsemax, along another axis": Case(lambda: nn.Sparsemax(-2), (2, 5, 3), lambda layer, x: sparsemax(layer, x)),
    "Sparsemax, Keras's": Case(lambda: nn.Sparsemax(2, keras=True), (3, 2, 6), sparsemax_of_keras),
    "Im2col": Case(
        lambda: nn.Im2col((2, 3), (2, 1), (1, 0)),
        (2, 3, 5, 6),
        columns,
        torch=lambda t: lambda x: t.nn.functional.unfold(x, (2, 3), 1, (1, 0), (2, 1)).reshape(2, 18, -1, 4),
        bad=[((2, 3, 5), "does not fit")],
    ),
    "MaxPoolWithIndices2d": Case(
        lambda: nn.MaxPoolWithIndices2d(3, 2, 1),
        (2, 2, 6, 5),
        pooled_with_places,
        torch=lambda t: lambda x: t.nn.functional.max_pool2d(x, 3, 2, 1, return_indices=True),
        inputs=distinct,
        bad=[((2, 3, 5), "height, width")],
    ),
    "MaxUnpool2d": Case(
        lambda: nn.MaxUnpool2d((4, 5)),
        ((2, 3, 2, 2), (2, 3, 2, 2)),
        unpooled,
        inputs=[None, lambda rng, s: rng.integers(0, 20, s)],
        bad=[(((2, 3, 2, 2), (2, 3, 2, 1)), "one shape")],
    ),
    "Reorg": Case(
        nn.Reorg,
        (2, 3, 4, 6),
        reorganised,
        bad=[((2, 3, 5, 6), "does not divide")],
        refused=[(lambda: nn.Reorg(0), "stride must be >= 1")],
    ),
    "Reorg, back": Case(
        lambda: nn.Reorg(2, True),
        (2, 8, 2, 3),
        lambda layer, x: (
            np.stack([x[:, 2 * k : 2 * k + 2] for k in range(4)], -1)
            .reshape(2, 2, 2, 3, 2, 2)
            .transpose(0, 1, 2, 4, 3, 5)
            .reshape(2, 2, 4, 6)
        ),
    ),
    "CropLike": Case(
        lambda: nn.CropLike(2, (1, 2)),
        ((2, 3, 5, 6), (2, 1, 3, 2)),
        lambda layer, x, like: x[:, :, 1:4, 2:4],
        bad=[(((2, 3, 5, 6), (2, 1, 5, 2)), "5 values from 1")],
    ),
    "TopKIndices": Case(
        lambda: nn.TopKIndices(2),
        (3, 2, 4),
        best_places,
        inputs=distinct,
        bad=[((3, 1), "2 values are wanted")],
        refused=[(lambda: nn.TopKIndices(0), "k must be a whole number")],
    ),
    "SamePad": Case(lambda: nn.SamePad((3, 2), (2, 2)), (2, 3, 6, 5), keras_same, bad=[((2, 3, 6), "does not fit")]),
    "SameMeanCorrection": Case(
        lambda: nn.SameMeanCorrection((3,), (2,)),
        ((2, 4, 3), (2, 4, 5)),
        corrected,
    ),
    "NotEqualMask": Case(
        nn.NotEqualMask,
        (3, 4, 2),
        lambda layer, x: (x != 0).any(2) * 1.0,
        inputs=lambda rng, s: rng.integers(0, 2, s) * 1.0,
    ),
    "StepMask": Case(
        nn.StepMask,
        ((3, 4, 2), (3,)),
        lambda layer, x, lengths: np.array([[float(t < n) for t in range(x.shape[1])] for n in lengths]).reshape(-1, 4),
        inputs=[None, lambda rng, s: rng.integers(0, 5, s)],
        bad=[(((3, 4, 2), (3, 2)), "mask"), (((3,), (3,)), "steps")],
    ),
    "StepMask of a mask": Case(
        nn.StepMask,
        ((3, 4), (3, 4)),
        lambda layer, x, mask: (mask != 0) * 1.0,
        inputs=[None, lambda rng, s: rng.integers(0, 3, s)],
    ),
    "MaskSteps": Case(
        nn.MaskSteps,
        ((3, 4, 2), (3, 4)),
        lambda layer, x, mask: x * (mask != 0)[:, :, None],
        inputs=[None, lambda rng, s: rng.integers(0, 2, s)],
        bad=[(((3, 4, 2), (3, 2)), "mask")],
    ),
    "MaskedMean": Case(
        nn.MaskedMean,
        ((3, 4, 2), (3, 4)),
        masked_mean,
        inputs=[None, lambda rng, s: rng.integers(0, 2, s)],
        bad=[(((3, 4, 2), (3, 2)), "mask")],
    ),
    "MaskScores": Case(
        lambda: nn.MaskScores(True),
        ((2, 3, 4, 5), (2, 5)),
        scores_masked,
        no_gradient="next to -1e9 no difference can be seen; see test_attention.py",
        inputs=[None, lambda rng, s: rng.integers(0, 2, s)],
        bad=[(((2, 3, 4, 5), (2, 4)), "mask of shape")],
    ),
    "MaskScores, of weights": Case(
        lambda: nn.MaskScores(fill=0.0),
        ((2, 3, 4, 5), (2, 5)),
        lambda layer, x, mask: x * (mask != 0)[:, None, None],
        inputs=[None, lambda rng, s: rng.integers(0, 2, s)],
    ),
    "MaskScores, a window": Case(
        lambda: nn.MaskScores(window=2),
        (2, 3, 4, 5),
        lambda layer, x: np.where(np.tri(4, 5, 1) * np.tri(5, 4, 1).T, x, -1e9),
        no_gradient="next to -1e9 no difference can be seen; see test_attention.py",
        refused=[(lambda: nn.MaskScores(window=0), "window must be")],
    ),
    "MaskScores, all kept": Case(
        lambda: nn.MaskScores(),
        ((2, 3, 4, 5), (2, 5)),
        lambda layer, x, mask: x,
        inputs=[None, lambda rng, s: np.ones(s, int)],
    ),
    "Einsum": Case(
        lambda: nn.Einsum("abc,cd->abd", (4, 3)),
        (2, 5, 4),
        lambda layer, x: x @ layer.weight.value,
        torch=einsum,
        bad=[((2, 4), "does not fit")],
        refused=[(lambda: nn.Einsum("abc,cd->bad", (4, 3)), "keep the batch")],
    ),
    "EinsumOf": Case(
        lambda: nn.EinsumOf("abc,adc,ae->abd"),
        ((2, 3, 4), (2, 5, 4), (2, 6)),
        lambda layer, x, y, z: (x @ y.swapaxes(1, 2)) * z.sum(1)[:, None, None],
        bad=[(((2, 3, 4), (2, 5, 3), (2, 6)), "does not fit")],
        refused=[
            (lambda: nn.EinsumOf("ab,bc->ac"), "one batch"),
            (lambda: nn.EinsumOf("abb->ab"), "twice"),
            (lambda: nn.EinsumOf("ab->ac"), "letters"),
        ],
    ),
    "CumSum": Case(
        lambda: nn.CumSum(2), (2, 3, 4), lambda layer, x: x @ np.triu(np.ones((4, 4))), bad=[((2, 3), "no axis 2")]
    ),
    "CumProd": Case(
        lambda: nn.CumProd(1),
        (2, 4, 3),
        lambda layer, x: np.stack([x[:, : i + 1].prod(1) for i in range(4)], 1),
        inputs=lambda rng, s: rng.normal(size=s) * (rng.uniform(size=s) > 0.2),
    ),
    "ReduceProd": Case(
        lambda: nn.ReduceProd((1, 3)),
        (2, 3, 4, 2),
        lambda layer, x: x.prod(3).prod(1),
        inputs=lambda rng, s: rng.normal(size=s) * (rng.uniform(size=s) > 0.1),
        bad=[((2,), "batch")],
    ),
    "Sort": Case(
        lambda: nn.Sort(1), (2, 5, 3), lambda layer, x: np.sort(x, 1), inputs=distinct, bad=[((2,), "no axis")]
    ),
    "ArgSort": Case(lambda: nn.ArgSort(), (2, 3, 5), lambda layer, x: np.argsort(x, 2), inputs=distinct),
    "TopK": Case(
        lambda: nn.TopK(2),
        (2, 3, 5),
        lambda layer, x: (-np.sort(-x, 2)[..., :2], np.argsort(-x, 2)[..., :2]),
        inputs=distinct,
        bad=[((2, 1), "n >= 2")],
        refused=[(lambda: nn.TopK(0), "k must be a whole number")],
    ),
    **{
        f"Quantile, {method}": Case(
            lambda method=method: nn.Quantile(0.3, (1, 3), method=method),
            (2, 3, 4, 2),
            lambda layer, x: np.quantile(x, 0.3, (1, 3), method=layer.method),
            inputs=distinct,
            bad=[((2,), "other than the batch")],
            refused=[(lambda: nn.Quantile(2, (1,)), "from 0 to 1")],
        )
        for method in ("linear", "lower", "higher", "nearest", "midpoint")
    },
    "TakeAlong": Case(
        lambda: nn.TakeAlong(1),
        ((2, 4, 3), (2, 5, 3)),
        lambda layer, x, places: np.take_along_axis(x, places, 1),
        inputs=[None, lambda rng, s: rng.integers(-4, 4, s)],
        bad=[(((2, 4, 3), (2, 5, 2)), "input's shape")],
    ),
    **{
        f"FunctionOfTwo, {name}": Case(
            lambda name=name: nn.FunctionOfTwo(name),
            ((2, 3, 1), (2, 3, 4)),
            of_two,
            inputs=positive if name not in WHOLE else lambda rng, shape: rng.integers(1, 9, shape) * 1.0,
            no_gradient="of whole numbers" if name in WHOLE else "",
            refused=[(lambda: nn.FunctionOfTwo("gamma"), "one of")],
        )
        for name in nn.FunctionOfTwo.NAMES
    },
    "Inverse": Case(
        nn.Inverse,
        (2, 3, 3),
        lambda layer, x: np.linalg.inv(x),
        inputs=regular,
        bad=[((2, 3, 4), "square")],
        tolerance=1e-4,
    ),
    "Determinant": Case(nn.Determinant, (2, 3, 3), lambda layer, x: np.linalg.det(x), inputs=regular),
    "Determinant, log": Case(
        lambda: nn.Determinant(log=True), (2, 3, 3), lambda layer, x: np.log(np.abs(np.linalg.det(x))), inputs=regular
    ),
    "Cholesky": Case(nn.Cholesky, (2, 3, 3), lambda layer, x: np.linalg.cholesky(x), inputs=definite),
    "Solve": Case(
        nn.Solve, ((2, 3, 3), (2, 3, 2)), lambda layer, a, b: np.linalg.inv(a) @ b, inputs=regular, tolerance=1e-4
    ),
    "Bins": Case(
        lambda: nn.Bins((-0.5, 0.5)),
        (4, 3),
        lambda layer, x: (x >= -0.5) * 1.0 + (x >= 0.5),
        refused=[(lambda: nn.Bins((1, 0)), "must rise")],
    ),
    "CountCategories": Case(
        lambda: nn.CountCategories(5, "count"),
        (3, 4),
        counted,
        inputs=lambda rng, s: rng.integers(0, 5, s),
    ),
    "Lookup": Case(
        lambda: nn.Lookup((7, 3), (4, 5), 2, 1),
        (4, 3),
        lambda layer, x: np.vectorize({7: 4, 3: 5, 2: 1, 5: 2}.get)(x) * 1.0,
        inputs=lambda rng, s: rng.choice([7, 3, 2, 5], s),
        refused=[(lambda: nn.Lookup((1, 1), (2, 3)), "distinct")],
    ),
    "CaffePriorBox": Case(
        lambda: nn.CaffePriorBox((4.0,), (9.0,), (2.0,), variances=(0.1, 0.1, 0.2, 0.2)),
        ((2, 3, 2, 1), (2, 3, 20, 30)),
        prior_boxes,
        bad=[(((2, 3), (2, 3, 4, 5)), "4 axes")],
        refused=[(lambda: nn.CaffePriorBox((4.0,), aspect_ratios=(-1.0,)), "positive")],
    ),
    "CaffeDetectionOutput": Case(
        lambda: nn.CaffeDetectionOutput(2, confidence_threshold=0.1),
        ((2, 12), (2, 6), (2, 2, 12)),
        detections,
        inputs=[
            fixed(np.zeros((1, 12))),
            fixed([[0.1, 0.9, 0.2, 0.8, 0.3, 0.7]]),
            fixed([[[0, 0, 0.5, 0.5, 0, 0, 0.5, 0.45, 0.5, 0.5, 1, 1], [0.1] * 12]]),
        ],
        no_gradient="which boxes are best is not differentiated",
        mixes="all boxes of a batch make one list",
        bad=[(((2, 12), (2, 5), (2, 2, 12)), "3 priors")],
        refused=[(lambda: nn.CaffeDetectionOutput(2, code_type="x"), "code_type")],
    ),
    "CaffeBatchReindex": Case(
        nn.CaffeBatchReindex,
        ((3, 2, 4), (3,)),
        lambda layer, x, index: np.stack([x[i] for i in index]),
        inputs=[None, lambda rng, s: np.resize([0, s[0] - 1, 0], s)],
        no_gradient="for scoring",
        mixes="it picks samples",
        bad=[(((2, 3), (2, 2)), "numbers of samples")],
    ),
    "CaffeFilter": Case(
        lambda: nn.CaffeFilter(2),
        ((4, 2, 3), (4, 5), (4, 1)),
        lambda layer, x, z, flags: (x[flags[:, 0] != 0], z[flags[:, 0] != 0]),
        inputs=[None, None, lambda rng, s: np.resize([1.0, 0.0, 0.0, -2.0], s)],
        no_gradient="for scoring",
        mixes="it drops samples",
        bad=[(((2, 3), (2, 2), (2, 2)), "flags")],
        refused=[(lambda: nn.CaffeFilter(0), "count must be")],
    ),
    "CaffeRoiPool": Case(
        lambda: nn.CaffeRoiPool((2, 3), spatial_scale=0.5),
        ((3, 2, 6, 7), (3, 5)),
        roi_pool_by_picture,
        inputs=[None, picture_boxes],
        no_gradient="for scoring",
        mixes="regions name pictures of the batch",
        bad=[(((2, 2, 4, 4), (2, 4)), "takes")],
        refused=[(lambda: nn.CaffeRoiPool(0), "output_size")],
    ),
    "CaffeRoiAlign": Case(
        lambda: nn.CaffeRoiAlign((2, 3), spatial_scale=0.5, sampling_ratio=2),
        ((3, 2, 6, 7), (3, 5)),
        roi_align_by_picture,
        inputs=[None, picture_boxes],
        no_gradient="for scoring",
        mixes="regions name pictures of the batch",
        bad=[(((2, 2, 4, 4), (2, 4)), "takes")],
        refused=[(lambda: nn.CaffeRoiAlign(0), "output_size")],
    ),
    "CaffePsRoiPool": Case(
        lambda: nn.CaffePsRoiPool(2, 3, spatial_scale=0.5),
        ((3, 18, 6, 7), (3, 5)),
        psroi_pool,
        inputs=[None, picture_boxes],
        no_gradient="for scoring",
        mixes="regions name pictures of the batch",
        bad=[(((2, 18, 4, 4), (2, 4)), "takes"), (((2, 4, 4, 4), (2, 5)), "18 channels")],
        refused=[(lambda: nn.CaffePsRoiPool(0, 3), "output_dim")],
    ),
    "CaffeTimeSteps": Case(  # more steps, which batches of one do not fit, are in test_special.py
        lambda: nn.CaffeTimeSteps(1),
        (6, 2),
        lambda layer, x: x[:, None],
        mixes="samples become sequences",
        refused=[(lambda: nn.CaffeTimeSteps(0), "steps must be")],
    ),
    "Hashes": Case(  # the bins of 0 to 4, and with the salt, are those of Keras's own tests
        lambda: nn.Hashes(3),
        (5, 1),
        lambda layer, x: np.take([1, 0, 1, 0, 2], x),
        inputs=lambda rng, s: np.resize(np.arange(5), s),
        no_gradient="bins have none",
        refused=[(lambda: nn.Hashes(0), "bins must be")],
    ),
    "Hashes, salted": Case(
        lambda: nn.Hashes(4, (133, 137), 2),
        (5, 1),
        lambda layer, x: np.where(x == 2, 0, 1 + np.take([1, 1, 2, 0, 1], x)),
        inputs=lambda rng, s: np.resize(np.arange(5), s),
        no_gradient="bins have none",
        refused=[(lambda: nn.Hashes(3, (1, 2, 3)), "two whole numbers")],
    ),
    "CrossedHashes": Case(  # letters by their fingerprints, as in Keras's test
        lambda: nn.CrossedHashes(5),
        ((5, 1), (5, 1)),
        lambda layer, x, y: np.where(x == LETTERS[0], np.where(y == 101, 1, 3), np.where(y == 101, 4, 1)),
        inputs=[lambda rng, s: np.resize(LETTERS, s), lambda rng, s: np.resize([101, 101, 101, 102, 102], s)],
        no_gradient="bins have none",
        bad=[(((2, 1), (2, 2)), "of one shape")],
        refused=[(lambda: nn.CrossedHashes(0), "bins must be")],
    ),
    "Take": Case(
        lambda: nn.Take((2, 0, 0, -1), 2),
        (2, 3, 4),
        lambda layer, x: x[:, :, [2, 0, 0, 3]],
        bad=[((2, 3, 2), "places")],
    ),
    **{
        f"Function, {name}": Case(
            lambda name=name: nn.Function(name),
            (4, 3),
            lambda layer, x: getattr(np, {"round": "rint"}.get(layer.name, layer.name))(x),
            inputs=lambda rng, shape, name=name: rng.uniform(0.1, 0.4, shape) + (name == "arccosh"),
            refused=[(lambda: nn.Function("gamma"), "one of")],
        )
        for name in nn.Function.NAMES
    },
    **{
        f"Resample, {kernel}": Case(
            lambda kernel=kernel: nn.Resample((7, 3), kernel),
            (2, 3, 5, 4),
            resampled,
            bad=[((2, 3, 4), "height, width")],
            refused=[(lambda: nn.Resample((0, 3), "area"), ">= 1"), (lambda: nn.Resample((1, 1), "x"), "kernel")],
        )
        for kernel in nn.Resample.KERNELS
    },
    "TimeDistributed": Case(
        lambda: nn.TimeDistributed(nn.Linear(4, 3)),
        (2, 5, 4),
        lambda layer, x: x @ layer.module.weight.value.T + layer.module.bias.value,
    ),
}
