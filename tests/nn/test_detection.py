"""Pyramids as whole modules; the detection layers are checked in test_layers.py."""

import numpy as np
import torch

from sparkdl import nn


def test_pyramid_is_its_formula():
    nn.manual_seed(1)
    fpn = nn.FPN((2, 3), 4, top_blocks=1).train()
    rng = np.random.default_rng(0)
    fine, coarse = (rng.standard_normal(shape).astype(np.float32) for shape in ((2, 2, 8, 6), (2, 3, 4, 3)))
    got = fpn(fine, coarse)
    state = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in fpn.state_dict().items()}

    def convolved(x, name):
        w = state[f"{name}.weight"]
        return torch.nn.functional.conv2d(x, w, state[f"{name}.bias"], padding=w.shape[2] // 2)

    inputs = [torch.from_numpy(x).requires_grad_() for x in (fine, coarse)]
    top = convolved(inputs[1], "inner.1")
    below = convolved(inputs[0], "inner.0") + torch.nn.functional.interpolate(top, scale_factor=2)
    outputs = [convolved(below, "layer.0"), convolved(top, "layer.1")]
    outputs.append(outputs[1][:, :, ::2, ::2])
    for y, wanted in zip(got, outputs, strict=True):
        np.testing.assert_allclose(y, wanted.detach().numpy(), atol=1e-5)
    dys = [rng.standard_normal(y.shape).astype(np.float32) for y in got]
    torch.autograd.backward(outputs, [torch.from_numpy(dy) for dy in dys])
    for dx, x in zip(fpn.backward(*dys), inputs, strict=True):
        np.testing.assert_allclose(dx, x.grad.numpy(), atol=1e-4)


def test_equal_scores_are_kept_in_the_order_given():
    apart = np.array([[[0, 0, 1, 1], [2, 2, 3, 3], [0, 0, 1, 1]]], np.float32)
    np.testing.assert_array_equal(nn.Nms(0.5, 4)(apart, np.ones((1, 3))), [[0, 1, -1, -1]])


def draw(*shapes):
    rng = np.random.default_rng(3)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


REGIONS = np.array([[[0, 0, 30, 20], [5, 5, 60, 60], [0, 0, -1, -1]]] * 2)


def test_box_head_is_its_layers_one_after_another():
    head = nn.BoxHead(2, 3, scales=(0.25, 0.125), resolution=2, representation=5).eval()
    maps = draw((2, 2, 16, 16), (2, 2, 8, 8))
    state = head.state_dict()
    x = nn.Pooler(2, (0.25, 0.125))(*maps, REGIONS).reshape(2, 3, -1)
    for name in ("fc6", "fc7"):
        x = np.maximum(x @ state[f"{name}.weight"].T + state[f"{name}.bias"], 0)
    scores = np.exp(x @ state["cls_score.weight"].T + state["cls_score.bias"])
    got, offsets = head(*maps, REGIONS)
    np.testing.assert_allclose(got, scores / scores.sum(-1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(offsets, x @ state["bbox_pred.weight"].T + state["bbox_pred.bias"], atol=1e-5)


def test_mask_head_is_its_layers_one_after_another():
    head = nn.MaskHead(2, 3, scales=(0.25, 0.125), resolution=4, layers=(4,)).eval()
    maps = draw((2, 2, 16, 16), (2, 2, 8, 8))
    state = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in head.state_dict().items()}
    w = [state[f"each.module.{i}.{name}"] for i in (0, 2, 4) for name in ("weight", "bias")]
    x = torch.from_numpy(nn.Pooler(4, (0.25, 0.125))(*maps, REGIONS).reshape(6, 2, 4, 4))
    x = torch.nn.functional.conv2d(x, w[0], w[1], padding=1).relu()
    x = torch.nn.functional.conv_transpose2d(x, w[2], w[3], stride=2).relu()
    x = torch.nn.functional.conv2d(x, w[4], w[5]).sigmoid()
    np.testing.assert_allclose(head(*maps, REGIONS), x.reshape(2, 3, 3, 8, 8).numpy(), atol=1e-5)


def test_region_proposals_use_one_net_on_all_levels(tmp_path):
    net = nn.RegionProposal(2, sizes=(16, 32), strides=(4, 8), pre_nms=20, post_nms=6).eval()
    maps, picture = draw((2, 2, 8, 8), (2, 2, 4, 4)), np.array([[32, 32], [30, 20]])
    inner = [np.maximum(net.conv.eval()(x), 0) for x in maps]
    scores = [1 / (1 + np.exp(-net.cls_logits.eval()(x))) for x in inner]
    wanted = net.select.eval()(*scores, *(net.bbox_pred.eval()(x) for x in inner), picture)
    for made, expected in zip(net(*maps, picture), wanted, strict=True):
        np.testing.assert_allclose(made, expected, atol=1e-4)
    nn.save(net, tmp_path / "net")
    for made, expected in zip(nn.load(tmp_path / "net")(*maps, picture), net(*maps, picture), strict=True):
        np.testing.assert_array_equal(made, expected)
