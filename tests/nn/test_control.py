"""Control flow that depends on the data: the same bits in parts, clear errors, and no Python branch in its place."""

import numpy as np
import pytest

from sparkdl import nn, optim
from sparkdl.errors import ShapeError, TraceError

X = np.random.default_rng(0).standard_normal((200, 6)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 200)


class Thinker(nn.Module):
    """Goes on thinking about a sample for as long as it likes, then takes one of two ways; a scan over its parts."""

    def __init__(self):
        super().__init__()
        self.think = nn.While(nn.Linear(6, 1), nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Dropout(0.2)), max_steps=5)
        self.choose = nn.Cond(nn.Linear(6, 1), nn.Linear(6, 6), nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6)))
        x, state = nn.Input((2,)), nn.Input((4,))
        new = nn.Tanh()(nn.Linear(2, 4)(x) + nn.Linear(4, 4)(state))
        self.scan, self.first, self.last = nn.Scan(nn.Graph([x, state], [new, new])), nn.Linear(6, 4), nn.Linear(4, 3)

    def forward(self, x):
        y = self.choose(self.think(x))
        _, state = self.scan(nn.Reshape((3, 2))(y), self.first(x))
        return nn.LogSoftmax()(self.last(state))


def trained(make, **options):
    nn.manual_seed(0)
    model = make()
    options = {"batch_size": 50, "max_epochs": 2, "seed": 3, "progress": False, **options}
    history = optim.Trainer(model, nn.NLLLoss(), optim.SGD(0.2), **options).fit((X, Y))
    return [v.tobytes() for v in model.state_dict().values()], [line["loss"] for line in history]


def without_statistics():
    model = Thinker()
    model.choose.otherwise = nn.Linear(6, 6)
    return model


@pytest.mark.parametrize("parts", [2, 5, 8])
def test_weights_do_not_depend_on_how_the_shards_are_run(parts):
    assert trained(without_statistics, micro_batches=parts) == trained(without_statistics)


def test_it_learns_through_all_of_them():
    before, after = trained(Thinker, max_epochs=1), trained(Thinker, max_epochs=8)
    assert after[1][-1] < before[1][0]
    nn.manual_seed(0)
    start = Thinker().state_dict()
    moved = [name for name, end in zip(start, after[0], strict=True) if start[name].tobytes() != end]
    still = {"think.condition", "choose.predicate"}  # no gradient comes from a decision
    assert {name.rpartition(".")[0] for name in start} - {name.rpartition(".")[0] for name in moved} == still


def test_a_predicate_gives_one_number_per_sample():
    with pytest.raises(ShapeError, match="one number per sample"):
        nn.Cond(nn.Linear(6, 2), nn.Identity(), nn.Identity())(X)


def test_branches_make_the_same_shape_and_bodies_keep_theirs():
    with pytest.raises(ShapeError, match="both branches must make the same"):
        nn.Cond(nn.Linear(6, 1), nn.Linear(6, 2), nn.Linear(6, 3))(X)
    with pytest.raises(ShapeError, match="keep the shape"):
        nn.While(nn.Linear(6, 1), nn.Linear(6, 2))(X)
    with pytest.raises(ShapeError, match="state of"):
        x, state = nn.Input((2,)), nn.Input((4,))
        nn.Scan(nn.Graph([x, state], [nn.Linear(2, 3)(x), nn.Identity()(state)]))(X.reshape(-1, 3, 2), X[:, :4])


def test_a_python_branch_while_tracing_is_refused_by_name():
    class Branching(nn.Module):
        def forward(self, x):
            return x if nn.ReLU()(x) else -x

    with pytest.raises(TraceError, match="branch on.*output of ReLU.*nn.Cond"):
        Branching()(X)
