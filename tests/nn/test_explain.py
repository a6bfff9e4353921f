"""The plan that is shown is the plan that runs."""

import numpy as np
import pytest

from sparkdl import memory, nn, optim


def lenet():
    nn.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(6, 12, 5), nn.Tanh(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(192, 100), nn.Tanh(), nn.Linear(100, 10), nn.LogSoftmax(),
    )  # fmt: skip


def test_operations_shapes_and_bytes_of_lenet_by_hand():
    plan = lenet().plan((128, 1, 28, 28))
    names = {row.name: row for row in plan.rows}
    first = names["0+1+2"]
    assert (first.kind, first.shape, first.kernel) == ("ConvPool", (128, 6, 12, 12), "conv_pool")
    assert first.nbytes == 128 * 6 * 12 * 12 * 4
    conv = 2 * 128 * 6 * 24 * 24 * 25
    assert first.flops == conv + 128 * 6 * 24 * 24 + 128 * 6 * 12 * 12  # tanh, and one per pooled output
    assert names["9"].flops == 2 * 128 * 100 * 10
    assert plan.flops == sum(row.flops for row in plan.rows)


@pytest.mark.parametrize("training", [True, False])
def test_memory_is_used_again(training):
    plan = lenet().train(training).plan((128, 1, 28, 28))
    assert plan.training is training
    assert 128 * 28 * 28 * 4 + 128 * 6 * 12 * 12 * 4 <= plan.peak_bytes < plan.naive_bytes


def test_eval_holds_no_more_than_a_layer_reads_and_makes():
    model = nn.Sequential(*(nn.Linear(256, 256) for _ in range(10))).eval()
    plan = model.plan((512, 256))
    one = 512 * 256 * 4
    assert (plan.peak_bytes, plan.naive_bytes) == (2 * one, 10 * one)


def test_explaining_changes_nothing():
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2)).train()
    x = np.random.default_rng(0).standard_normal((5, 4), dtype=np.float32)
    model(x)
    model.backward(np.ones((5, 2), np.float32))
    state = {k: v.copy() for k, v in model.state_dict().items()}
    grads = [p.gradient.copy() for p in model.parameters()]
    text = model.plan((5, 4)).explain()
    assert all((state[k] == v).all() for k, v in model.state_dict().items())
    assert all((a == p.gradient).all() for a, p in zip(grads, model.parameters(), strict=True))
    assert "BatchNorm1d" in text and "forward and backward hold at most" in text


def test_the_way_of_a_convolution_and_merged_uses_are_named():
    x = nn.Input((16, 32, 32))
    wide = nn.Conv2d(16, 32, 3, padding=1)
    y = nn.Tanh()(wide(x)) + nn.Tanh()(wide(x))
    plan = nn.Graph([x], [nn.Conv2d(32, 32, 3, groups=32, padding=1)(y)]).plan((4, 16, 32, 32))
    kernels = [row.kernel for row in plan.rows if "conv" in row.name.lower()]
    assert plan.merged == 2 and kernels[-1] == "depthwise" and kernels[0] in ("winograd", "direct")


def test_memory_poisoned_after_its_last_use_changes_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.random((512, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, 512)

    def weights():
        model = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2),
            nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 196, 10), nn.LogSoftmax(),
        )  # fmt: skip
        optim.Trainer(model, nn.NLLLoss(), optim.SGD(0.05), batch_size=128, max_epochs=1, progress=False).fit((x, y))
        return {name: value.tobytes() for name, value in model.state_dict().items()}

    nn.manual_seed(3)
    clean = weights()
    monkeypatch.setattr(memory, "_POISON", True)
    poisoned = []
    give = memory.pool.give
    monkeypatch.setattr(memory.pool, "give", lambda raw, size: (poisoned.append(size), give(raw, size)))
    nn.manual_seed(3)
    assert weights() == clean
    assert len(poisoned) > 20
