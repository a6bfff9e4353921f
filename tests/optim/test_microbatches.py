"""A batch in parts: the same weights, bit for bit, with less memory for values."""

import numpy as np
import pytest

from sparkdl import memory, nn, optim

X = np.random.default_rng(0).random((300, 1, 16, 16), dtype=np.float32)
Y = np.random.default_rng(1).integers(0, 4, 300)


def net():
    nn.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Dropout(0.3), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(512, 16), nn.L1Penalty(1e-4), nn.Linear(16, 4), nn.LogSoftmax(),
    )  # fmt: skip


def trained(model=None, **options):
    model = model or net()
    options = {"batch_size": 64, "max_epochs": 2, "seed": 3, "progress": False, **options}
    history = optim.Trainer(model, nn.NLLLoss(), optim.Adam(1e-3), **options).fit((X, Y))
    return {k: v.tobytes() for k, v in model.state_dict().items()}, [line["loss"] for line in history]


@pytest.mark.parametrize("shards", [8, 5])
@pytest.mark.parametrize("parts", [2, 3, 5])
def test_the_same_weights_and_losses(parts, shards):
    assert trained(micro_batches=parts, shards=shards) == trained(shards=shards)


def test_a_weight_that_is_used_twice():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            nn.manual_seed(1)
            self.flat, self.first = nn.Flatten(), nn.Linear(256, 16)
            self.same, self.last = nn.Linear(16, 16), nn.Linear(16, 4)

        def forward(self, x):
            x = self.first(self.flat(x))
            return nn.LogSoftmax()(self.last(self.same(nn.Tanh()(self.same(x)))))

    assert trained(Tied(), micro_batches=4) == trained(Tied())


def test_values_take_less_memory():
    def most(parts):
        model = nn.Sequential(*(nn.Linear(1024, 1024) for _ in range(6)), nn.Linear(1024, 4), nn.LogSoftmax())
        x = np.random.default_rng(2).random((4096, 1024), dtype=np.float32)
        y = np.zeros(4096, np.int64)
        memory.pool.clear()
        trainer = optim.Trainer(
            model, nn.NLLLoss(), optim.SGD(0.1), batch_size=4096, progress=False, micro_batches=parts
        )
        trainer.fit((x, y))
        return memory.pool.most

    assert most(4) < most(1) / 2


@pytest.mark.parametrize("parts", [0, 9, 1.5])
def test_the_number_of_parts_is_checked(parts):
    with pytest.raises(ValueError, match="micro_batches"):
        trained(micro_batches=parts)


def test_sums_over_the_whole_batch_are_refused():
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 4), nn.BatchNorm1d(4), nn.LogSoftmax())
    with pytest.raises(ValueError, match="BatchNorm.*GroupNorm"):
        trained(model, micro_batches=2)
