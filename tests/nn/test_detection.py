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
