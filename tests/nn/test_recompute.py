"""Computing values again gives the same bits, holds less, and touches running statistics once."""

import numpy as np
import pytest

from sparkdl import nn, optim

X = np.random.default_rng(0).random((64, 1, 12, 12), dtype=np.float32)
Y = np.random.default_rng(1).integers(0, 4, 64)


def block():
    return nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.L1Penalty(1e-3))


def net(wrap):
    nn.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), wrap(block()), wrap(block()), nn.Flatten(), nn.Linear(800, 4), nn.LogSoftmax()
    )


def trained(model):
    trainer = optim.Trainer(model, nn.NLLLoss(), optim.SGD(0.1), batch_size=16, max_epochs=2, seed=1, progress=False)
    history = trainer.fit((X, Y))
    return [v.tobytes() for v in model.state_dict().values()], [line["loss"] for line in history]


def test_the_same_weights_statistics_and_losses_as_without():
    assert trained(net(nn.Recompute)) == trained(net(lambda module: module))


def test_random_layers_draw_the_same_twice_and_each_use_its_own():
    model = nn.Sequential(nn.Recompute(nn.Dropout(0.5)), nn.Recompute(nn.Dropout(0.5))).train()
    x = np.ones((4, 1000), np.float32)
    y = model(x)
    dx = model.backward(np.ones_like(y))
    np.testing.assert_array_equal(dx, y)
    assert (y != 0).mean() == pytest.approx(0.25, abs=0.03)  # one mask for both would leave a half


def test_less_is_held():
    def deep(wrap):
        def part():
            return wrap(nn.Sequential(*(each for _ in range(4) for each in (nn.Linear(256, 256), nn.Sigmoid()))))

        return nn.Sequential(*(part() for _ in range(4))).train()

    again, kept = (deep(wrap).plan((512, 256)).peak_bytes for wrap in (nn.Recompute, lambda module: module))
    assert again < kept / 2
