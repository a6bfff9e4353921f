"""``nn.Inference`` gives what the model gives in eval mode, whatever way its convolutions go."""

import numpy as np
import pytest

from sparkdl import kernel, nn
from sparkdl.errors import ShapeError


def settled(model):
    """Running statistics, weights and biases of normalisations that a fold must not lose."""
    rng = np.random.default_rng(1)
    state = {k: np.array(v) for k, v in model.state_dict().items()}
    for name in state:
        if name.endswith("running_var"):
            state[name] = rng.uniform(0.5, 2, state[name].shape)
        elif "running_mean" in name or state[name].ndim == 1 and state[name].dtype.kind == "f":
            state[name] = rng.normal(0, 0.5, state[name].shape)
    model.load_state_dict(state)
    return model


def conv(*args, norm=True, relu=True, **options):
    parts = [nn.Conv2d(*args, **options)]
    parts += [nn.BatchNorm2d(args[1], affine=args[1] != 8)] if norm else []
    return [*parts, *([nn.ReLU()] if relu else [])]


class Residual(nn.Module):
    def __init__(self, *parts, last=True, turned=False):
        super().__init__()
        self.main, self.turned = nn.Sequential(*parts or conv(32, 32, 3, padding=1, relu=False)), turned
        self.last = nn.ReLU() if last else nn.Identity()

    def forward(self, x):
        return self.last(x + self.main(x) if self.turned else self.main(x) + x)


NETS = {
    "winograd": ([*conv(3, 32, 3, padding=1), *conv(32, 48, 3, padding=1, bias=False)], (3, 12, 10)),
    "small maps": (conv(32, 64, 3, padding=1), (32, 2, 2)),
    "few tiles": (conv(32, 64, 3, padding=1), (32, 4, 4)),
    "1x1 in panels": (conv(32, 256, 1, norm=False), (32, 5, 5)),
    "strided": (conv(4, 8, 5, stride=2, padding=2), (4, 11, 9)),
    "depthwise": ([*conv(8, 8, 3, padding=1, groups=8), *conv(8, 16, 1, relu=False)], (8, 6, 6)),
    "groups, dilation": (conv(8, 16, 3, groups=2, dilation=2, relu=False, norm=False), (8, 9, 9)),
    "mirrored": (conv(3, 8, 3, padding=1, padding_mode="reflect"), (3, 6, 6)),
    "residual": ([Residual(), Residual()], (32, 6, 6)),
    "residual, 1x1": ([Residual(*conv(32, 32, 1, relu=False), turned=t, last=not t) for t in (0, 1)], (32, 5, 5)),
    "residual, stretched": ([Residual(*conv(32, 1, 1, relu=False)), Residual(*conv(32, 32, 5))], (32, 5, 5)),
    "residual, channels last": (
        [Residual(nn.Conv2d(32, 32, 1, data_format="NHWC"), nn.BatchNorm2d(32, data_format="NHWC"))], (5, 7, 32)
    ),
    "pooled": ([nn.Conv2d(1, 6, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(54, 3)], (1, 10, 10)),
    "batch's own statistics": ([nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)], (3, 6, 6)),
}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("batch", [1, 7])
def test_as_the_model_in_eval_mode(name, batch):
    layers, shape = NETS[name]
    model = settled(nn.Sequential(*layers)).eval()
    x = np.random.default_rng(0).standard_normal((batch, *shape), dtype=np.float32)
    expected, ready = model(x), nn.Inference(model)
    for _ in range(2):
        np.testing.assert_allclose(ready(x), expected, rtol=0, atol=3e-5 * np.abs(expected).max())
    if name != "batch's own statistics":
        parts = nn.Inference(model, batch_size=3)(x)
        np.testing.assert_allclose(parts, expected, rtol=0, atol=3e-5 * np.abs(expected).max())


def test_channels_last_other_sizes_and_no_rows():
    model = settled(nn.Sequential(nn.Conv2d(3, 32, 3, data_format="NHWC"), nn.BatchNorm2d(32, data_format="NHWC")))
    ready, rng = nn.Inference(model), np.random.default_rng(0)
    for size in (4, 9):
        x = rng.standard_normal((2, size, size, 3), dtype=np.float32)
        np.testing.assert_allclose(ready(x), model.eval()(x), rtol=0, atol=1e-5)
    assert ready(np.zeros((0, 4, 4, 3), np.float32)).shape == (0, 2, 2, 32)
    assert model.double() is model


def test_it_leaves_the_model_as_it_is():
    model = settled(nn.Sequential(*conv(3, 32, 3))).train()
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8), dtype=np.float32)
    before = {k: np.array(v) for k, v in model.state_dict().items()}
    nn.Inference(model)(x)
    assert model.training
    assert all(np.array_equal(v, before[k]) for k, v in model.state_dict().items())
    assert model.backward(np.ones_like(model(x))).shape == x.shape


def test_bad_arguments():
    with pytest.raises(TypeError, match="sparkdl.nn.Module"):
        nn.Inference(lambda x: x)
    with pytest.raises(ValueError, match="batch_size"):
        nn.Inference(nn.ReLU(), batch_size=0)
    with pytest.raises(ShapeError):
        nn.Inference(nn.Conv2d(3, 4, 3))(np.zeros((1, 2, 5, 5), np.float32))


@pytest.mark.parametrize(
    "name", ["winograd", "small maps", "1x1 in panels", "strided", "groups, dilation", "depthwise"]
)
def test_threads_do_not_change_a_bit(name):
    layers, shape = NETS[name]
    model = settled(nn.Sequential(*layers))
    x = np.random.default_rng(0).standard_normal((1, *shape), dtype=np.float32)
    before, answers = kernel.num_threads(), []
    try:
        for threads in {1, before}:
            kernel.set_num_threads(threads)
            answers.append(nn.Inference(model)(x))
    finally:
        kernel.set_num_threads(before)
    assert all(np.array_equal(answers[0], each) for each in answers)


def test_the_sum_of_a_residual_block_is_done_by_its_last_convolution():
    layers, shape = NETS["residual, 1x1"]
    ready = nn.Inference(settled(nn.Sequential(*layers)).eval())
    ready(np.zeros((1, *shape), np.float32))
    (program,) = ready._programs.values()
    assert [type(step.layer).__name__ for step in program.steps] == ["ConvSum", "ConvSum", "Identity"]
