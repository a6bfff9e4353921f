"""Detection: boxes, regions, pyramids; references in plain loops."""

import numpy as np

from sparkdl import nn
from tests.nn.case import Case


def boxes(size):
    """Corners of boxes in a picture of ``size``, one of which is none."""

    def draw(rng, shape):
        low = rng.uniform(0, size / 2, (*shape[:-1], 2))
        made = np.concatenate([low, low + rng.uniform(0.2, size / 2, low.shape)], axis=-1).round(2)
        if made.size:
            made[-1, -1] = [0, 0, -1, -1]
        return made

    return draw


def whole_boxes(size):
    """The same in whole numbers, which have no gradient: as in PyTorch, regions get none."""
    return lambda rng, shape: np.ceil(boxes(size)(rng, shape)).astype(np.int64)


def pictures(rng, shape):
    return np.resize([60.0, 50.0, 0.5], shape)


def probabilities(rng, shape):
    return rng.uniform(0, 1, shape)


def overlap(a, b, one=0):
    wide = max(0, min(a[2], b[2]) - max(a[0], b[0]) + one)
    high = max(0, min(a[3], b[3]) - max(a[1], b[1]) + one)
    area = [(c[2] - c[0] + one) * (c[3] - c[1] + one) for c in (a, b)]
    return wide * high / (area[0] + area[1] - wide * high) if wide * high > 0 else 0


def suppressed(found, scores, threshold, one=0):
    kept = []
    for i in sorted(range(len(found)), key=lambda i: -scores[i]):
        if all(overlap(found[i], found[j], one) <= threshold for j in kept):
            kept.append(i)
    return kept


def nms(layer, found, scores):
    y = np.full((len(found), layer.max_boxes), -1)
    for n in range(len(found)):
        usable = [i for i in range(found.shape[1]) if scores[n, i] > layer.score_threshold]
        kept = suppressed(found[n, usable], scores[n, usable], layer.iou_threshold)[: layer.max_boxes]
        y[n, : len(kept)] = [usable[i] for i in kept]
    return y


FIRST_ANCHORS = np.array(  # of base 16, ratios 0.5, 1, 2 and scales 8, 16, 32, as published with the paper's code
    [
        [-84, -40, 99, 55], [-176, -88, 191, 103], [-360, -184, 375, 199], [-56, -56, 71, 71], [-120, -120, 135, 135],
        [-248, -248, 263, 263], [-36, -80, 51, 95], [-80, -168, 95, 183], [-168, -344, 183, 359],
    ]
)  # fmt: skip


def anchor(layer, x):
    places = [[c * layer.stride, r * layer.stride] * 2 for r in range(x.shape[2]) for c in range(x.shape[3])]
    return np.array([[box + place for place in places for box in FIRST_ANCHORS]] * len(x)).reshape(len(x), -1, 4)


def moved(box, delta, picture):
    wide, high = box[2] - box[0] + 1, box[3] - box[1] + 1
    x, y = box[0] + wide / 2 + delta[0] * wide, box[1] + high / 2 + delta[1] * high
    wide, high = wide * np.exp(delta[2]), high * np.exp(delta[3])
    corners = np.array([x - wide / 2, y - high / 2, x + wide / 2, y + high / 2])
    return np.clip(corners, 0, [picture[1] - 1, picture[0] - 1] * 2)


def proposal(layer, scores, offsets, picture):
    count = len(layer.ratios) * len(layer.scales)
    found, values = np.full((len(scores), layer.post_nms, 4), -1.0), np.full((len(scores), layer.post_nms), -1.0)
    places = nn.Anchor(layer.ratios, layer.scales, layer.base_size, layer.stride)(scores)
    for n in range(len(scores)):
        made, value = [], []
        for k, (r, c, a) in enumerate(np.ndindex(*scores.shape[2:], count)):
            box = moved(places[n, k].astype(float), offsets[n, 4 * a : 4 * a + 4, r, c], picture[n])
            if min(box[2] - box[0] + 1, box[3] - box[1] + 1) >= layer.min_size * picture[n, 2]:
                made.append(box)
                value.append(scores[n, count + a, r, c])
        best = sorted(range(len(made)), key=lambda i: -value[i])[: layer.pre_nms]
        made, value = np.array(made)[best], np.array(value)[best]
        kept = suppressed(made, value, layer.iou_threshold, 1)[: layer.post_nms]
        found[n, : len(kept)], values[n, : len(kept)] = made[kept], value[kept]
    return found, values


def frcnn(layer, regions, offsets, scores, picture):
    y = np.full((len(regions), layer.max_per_image, 6), -1.0)
    for n in range(len(regions)):
        rows = []
        for label in range(1, layer.num_classes):
            strong = [
                i
                for i in range(regions.shape[1])
                if scores[n, i, label] > layer.score_threshold and regions[n, i, 2] >= regions[n, i, 0]
            ]
            made = [moved(regions[n, i], offsets[n, i, 4 * label : 4 * label + 4], picture[n]) for i in strong]
            for i in suppressed(made, scores[n, strong, label], layer.iou_threshold, 1):
                rows.append((label, scores[n, strong[i], label], *made[i]))
        best = sorted(range(len(rows)), key=lambda i: -rows[i][1])[: layer.max_per_image]
        for k, i in enumerate(sorted(best)):
            y[n, k] = rows[i]
    return y


def roi_pool(layer, x, regions):
    rows, columns = (layer.output_size,) * 2 if np.isscalar(layer.output_size) else layer.output_size
    y = np.zeros((*regions.shape[:2], x.shape[1], rows, columns))
    for n, r in np.ndindex(regions.shape[:2]):
        if regions[n, r, 2] < regions[n, r, 0]:
            continue
        x1, y1, x2, y2 = (int(np.floor(v * layer.spatial_scale + 0.5)) for v in regions[n, r])
        high, wide = max(y2 - y1 + 1, 1) / rows, max(x2 - x1 + 1, 1) / columns
        for i, j in np.ndindex(rows, columns):
            ends = y1 + np.floor(i * high), y1 + np.ceil((i + 1) * high)
            top, bottom = (int(v) for v in np.clip(ends, 0, x.shape[2]))
            ends = x1 + np.floor(j * wide), x1 + np.ceil((j + 1) * wide)
            left, right = (int(v) for v in np.clip(ends, 0, x.shape[3]))
            if bottom > top and right > left:
                y[n, r, :, i, j] = x[n, :, top:bottom, left:right].max((1, 2))
    return y


def bilinear(x, at_y, at_x):
    """``x`` (channels, height, width) between its places; beyond them it stays, and is 0 a place further out."""
    height, width = x.shape[1:]
    if not (-1 <= at_y <= height and -1 <= at_x <= width):
        return 0
    at_y, at_x = np.clip(at_y, 0, height - 1), np.clip(at_x, 0, width - 1)
    y0, x0 = int(at_y), int(at_x)
    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
    fy, fx = at_y - y0, at_x - x0
    return (x[:, y0, x0] * (1 - fx) + x[:, y0, x1] * fx) * (1 - fy) + (x[:, y1, x0] * (1 - fx) + x[:, y1, x1] * fx) * fy


def roi_align(layer, x, regions):
    rows, columns = (layer.output_size,) * 2 if np.isscalar(layer.output_size) else layer.output_size
    y = np.zeros((*regions.shape[:2], x.shape[1], rows, columns))
    for n, r in np.ndindex(regions.shape[:2]):
        if regions[n, r, 2] < regions[n, r, 0]:
            continue
        x1, y1, x2, y2 = regions[n, r] * layer.spatial_scale - (0.5 if layer.aligned else 0)
        least = 0 if layer.aligned else 1
        high, wide = max(y2 - y1, least) / rows, max(x2 - x1, least) / columns
        down, across = (layer.sampling_ratio or max(int(np.ceil(v)), 1) for v in (high, wide))
        for i, j, a, b in np.ndindex(rows, columns, down, across):
            point = bilinear(x[n], y1 + high * (i + (a + 0.5) / down), x1 + wide * (j + (b + 0.5) / across))
            y[n, r, :, i, j] += point / (down * across)
    return y


def pooler(layer, *xs):
    *maps, regions = xs
    y = 0
    levels = [-np.log2(scale) for scale in layer.scales]
    for level, scale, x in zip(levels, layer.scales, maps, strict=True):
        here = regions.copy()
        for box in here.reshape(-1, 4):
            area = max(box[2] - box[0], 0) * max(box[3] - box[1], 0)
            wanted = np.floor(4 + np.log2(np.sqrt(area) / 224 + 1e-6))
            if np.clip(wanted, min(levels), max(levels)) != level:
                box[:] = 0, 0, -1, -1
        y = y + roi_align(nn.RoiAlign(layer.output_size, scale, layer.sampling_ratio), x, here)
    return y


def pyramid_proposal(layer, *xs):
    levels, count = len(layer.sizes), len(layer.ratios)
    scores, offsets, picture = xs[:levels], xs[levels:-1], xs[-1]
    values = np.zeros((len(picture), layer.post_nms))
    found = np.tile([0.0, 0, -1, -1], (*values.shape, 1))
    for n in range(len(picture)):
        all_boxes, all_values = [], []
        for s, o, size, stride in zip(scores, offsets, layer.sizes, layer.strides, strict=True):
            made, value = [], []
            for r, c, a in np.ndindex(*s.shape[2:], count):
                wide, high = size / np.sqrt(layer.ratios[a]), size * np.sqrt(layer.ratios[a])
                dx, dy, dw, dh = o[n, 4 * a : 4 * a + 4, r, c]
                x, y = c * stride + dx * wide, r * stride + dy * high
                wide, high = wide * np.exp(dw), high * np.exp(dh)
                edges = [picture[n, 1], picture[n, 0]] * 2
                made.append(np.clip([x - wide / 2, y - high / 2, x + wide / 2, y + high / 2], 0, edges))
                value.append(s[n, a, r, c])
            best = sorted(range(len(made)), key=lambda i: -value[i])[: layer.pre_nms]
            best = [i for i in best if (made[i][2:] - made[i][:2] >= layer.min_size).all()]
            made, value = np.array(made)[best], np.array(value)[best]
            kept = suppressed(made, value, layer.iou_threshold)[: layer.post_nms]
            all_boxes += list(made[kept])
            all_values += list(value[kept])
        best = sorted(range(len(all_boxes)), key=lambda i: -all_values[i])[: layer.post_nms]
        found[n, : len(best)], values[n, : len(best)] = np.array(all_boxes)[best], np.array(all_values)[best]
    return found, values


def small(rng, shape):
    return 0.3 * rng.standard_normal(shape)


SMALL = {"ratios": (0.5, 2.0), "scales": (1.0, 2.0)}

CASES = {
    "Nms": Case(
        lambda: nn.Nms(0.3, 4, score_threshold=0.2),
        ((3, 9, 4), (3, 9)),
        nms,
        inputs=[boxes(5), probabilities],
        bad=[(((2, 3, 4), (2, 4)), "takes boxes")],
        refused=[(lambda: nn.Nms(2, 4), "iou_threshold")],
    ),
    "Anchor": Case(
        lambda: nn.Anchor(),
        (2, 3, 2, 3),
        anchor,
        bad=[((2, 3), "takes")],
        refused=[(lambda: nn.Anchor(stride=0), "above 0")],
    ),
    "Proposal": Case(
        lambda: nn.Proposal(pre_nms=20, post_nms=7, iou_threshold=0.5, min_size=16, **SMALL),
        ((3, 8, 3, 3), (3, 16, 3, 3), (3, 3)),
        proposal,
        inputs=[probabilities, lambda rng, shape: 0.3 * rng.standard_normal(shape), pictures],
        no_gradient="which boxes are best is not differentiated",
        tolerance=1e-4,
        bad=[(((2, 8, 3, 3), (2, 8, 3, 3), (2, 3)), "takes scores")],
        refused=[(lambda: nn.Proposal(pre_nms=0), "pre_nms must be")],
    ),
    "DetectionOutputFrcnn": Case(
        lambda: nn.DetectionOutputFrcnn(3, score_threshold=0.3, max_per_image=5),
        ((3, 6, 4), (3, 6, 12), (3, 6, 3), (3, 3)),
        frcnn,
        inputs=[boxes(40), lambda rng, shape: 0.2 * rng.standard_normal(shape), probabilities, pictures],
        no_gradient="which boxes are best is not differentiated",
        tolerance=1e-4,
        bad=[(((2, 3, 4), (2, 3, 8), (2, 3, 3), (2, 2)), "takes regions")],
        refused=[(lambda: nn.DetectionOutputFrcnn(1), "num_classes >= 2")],
    ),
    "RoiPool": Case(
        lambda: nn.RoiPool((2, 3), spatial_scale=0.5),
        ((3, 2, 6, 7), (3, 4, 4)),
        roi_pool,
        inputs=[None, whole_boxes(13)],
        bad=[(((2, 2, 4, 4), (2, 4)), "takes")],
        refused=[(lambda: nn.RoiPool(0), "output_size")],
    ),
    "RoiAlign": Case(
        lambda: nn.RoiAlign((2, 3), spatial_scale=0.5),
        ((3, 2, 6, 7), (3, 4, 4)),
        roi_align,
        inputs=[None, whole_boxes(13)],
        bad=[(((2, 2, 4, 4), (2, 4, 5)), "takes")],
        refused=[(lambda: nn.RoiAlign((2,)), "output_size")],
    ),
    "RoiAlign aligned": Case(
        lambda: nn.RoiAlign(3, sampling_ratio=2, aligned=True),
        ((3, 2, 6, 7), (3, 4, 4)),
        roi_align,
        inputs=[None, whole_boxes(8)],
    ),
    "Pooler": Case(
        lambda: nn.Pooler(2, (0.25, 0.125, 0.0625)),
        ((3, 2, 16, 16), (3, 2, 8, 8), (3, 2, 4, 4), (3, 9, 4)),
        pooler,
        inputs=[None, None, None, whole_boxes(500)],
        bad=[(((2, 2, 4, 4), (2, 2, 4)), "takes 3 maps")],
        refused=[(lambda: nn.Pooler(2, (2.0,)), "scales lie")],
    ),
    "PyramidProposal": Case(
        lambda: nn.PyramidProposal((16, 32), (8, 16), pre_nms=15, post_nms=9, iou_threshold=0.4, min_size=5),
        ((3, 3, 4, 4), (3, 3, 2, 2), (3, 12, 4, 4), (3, 12, 2, 2), (3, 3)),
        pyramid_proposal,
        inputs=[probabilities, probabilities, small, small, pictures],
        no_gradient="which boxes are best is not differentiated",
        tolerance=1e-4,
        bad=[(((2, 3, 4, 4), (2, 2)), "of 2 levels")],
        refused=[(lambda: nn.PyramidProposal((16,), (8, 16)), "one size and one stride")],
    ),
}
