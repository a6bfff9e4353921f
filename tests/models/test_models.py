"""Every builder: how many parameters its source has, shapes, a step of training, and a way through a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from sparkdl import models, nn, optim


@dataclass
class Case:
    """``count``: parameters that published implementations have. ``inputs``: shapes, or (shape, largest number)."""

    make: Callable[[], nn.Module]
    count: int
    inputs: tuple[Any, ...] = ()
    outputs: tuple[tuple[int, ...], ...] = ()
    small: Callable[[], nn.Module] | None = None  # what runs, where the whole net is too large for a test

    def __str__(self) -> str:
        return self.name

    name: str = ""


def case(name, make, count, inputs=(), outputs=(), small=None):
    return Case(make, count, inputs, outputs, small, name)


PICTURE = (2, 3, 32, 32)
M = models
CASES = [
    case("lenet", M.lenet, 22_278, ((2, 1, 28, 28),), ((2, 10),)),
    case("softmax_regression", M.softmax_regression, 7_850, ((2, 1, 28, 28),), ((2, 10),)),
    case("mlp", lambda: M.mlp((5, 4, 3), "tanh", 0.5), 39, ((2, 5),), ((2, 3),)),
    case("mnist_mlp", M.mnist_mlp, 1_863_690, ((2, 784),), ((2, 10),)),
    case("higgs_mlp", M.higgs_mlp, 8_454_145, ((2, 28),), ((2, 1),)),
    case("molecular_mlp", M.molecular_mlp, 14_276_609),
    case("speech_mlp", M.speech_mlp, 41_777_152),
    case("cifar10_quick", M.cifar10_quick, 145_578, (PICTURE,), ((2, 10),)),
    case("alexnet", M.alexnet, 61_100_840, ((1, 3, 224, 224),), ((1, 1000),)),
    case("vgg", M.vgg, 138_357_544),
    case("vgg11", lambda: M.vgg(11), 132_863_336),
    case("vgg13", lambda: M.vgg(13), 133_047_848),
    case("vgg19", lambda: M.vgg(19), 143_667_240),
    case("vgg_cifar", M.vgg_cifar, 14_991_946, (PICTURE,), ((2, 10),), lambda: M.vgg_cifar(11)),
    case("googlenet", M.googlenet, 6_998_552, ((1, 3, 64, 64),), ((1, 1000),)),
    case("googlenet_aux", lambda: M.googlenet(aux=True), 13_378_280),
    case("resnet18", lambda: M.resnet(18), 11_689_512, ((1, 3, 64, 64),), ((1, 1000),)),
    case("resnet34", lambda: M.resnet(34), 21_797_672),
    case("resnet50", M.resnet, 25_557_032, ((1, 3, 64, 64),), ((1, 1000),), lambda: M.resnet(50)),
    case("resnet_cifar", M.resnet_cifar, 269_722, (PICTURE,), ((2, 10),)),
    case("resnet56_cifar", lambda: M.resnet_cifar(56), 853_018),
    case("squeezenet", M.squeezenet, 1_248_424, ((1, 3, 64, 64),), ((1, 1000),)),
    case("squeezenet1.1", lambda: M.squeezenet("1.1"), 1_235_496, ((1, 3, 64, 64),), ((1, 1000),)),
    case("mobilenet_v1", M.mobilenet_v1, 4_231_976, (PICTURE,), ((2, 1000),)),
    case("mobilenet_v2", M.mobilenet_v2, 3_504_872, (PICTURE,), ((2, 1000),)),
    case("inception_v3", M.inception_v3, 23_834_568, ((1, 3, 75, 75),), ((1, 1000),)),
    case("autoencoder", M.autoencoder, 784 * 32 * 2 + 32 + 784, ((2, 784),), ((2, 784),)),
    case(
        "text_cnn",
        lambda: M.text_cnn(50, 3, 8, channels=4),
        400 + (96 + 128 + 160) + 12 + 39,
        (((2, 9), 50),),
        ((2, 3),),
    ),
    case(
        "lstm_classifier",
        lambda: M.lstm_classifier(50, 3, 8, 6, 2, True),
        400 + 2 * (4 * 6 * (8 + 6) + 48) + 2 * (4 * 6 * (12 + 6) + 48) + 39,
        (((2, 9), 50),),
        ((2, 3),),
    ),
    case("char_lm", lambda: M.char_lm(20, 8, 6, 1), 160 + 4 * 6 * 14 + 48 + 140, (((2, 9), 20),), ((2, 20, 9),)),
    case(
        "ncf",
        lambda: M.ncf(30, 40),
        70 * 40 + 64 * 32 + 32 + 32 * 16 + 16 + 16 * 8 + 8 + 17,
        (((3,), 30), ((3,), 40)),
        ((3,),),
    ),
    case("ncf ranking", lambda: M.ncf(30, 40), 5561, (((3, 5), 30), ((3, 5), 40)), ((3, 5),)),
    case(
        "transformer_lm",
        lambda: M.transformer_lm(20, 8, 2, 2, 16, 12),
        160 + 96 + 2 * (4 * 8 * 9 + 8 * 16 * 2 + 16 + 8 + 32) + 16 + 180,
        (((2, 9), 20),),
        ((2, 20, 9),),
    ),
    case(
        "transformer_classifier",
        lambda: M.transformer_classifier(20, 3, 8, 2, 1, 16),
        160 + (4 * 8 * 9 + 8 * 16 * 2 + 16 + 8 + 32) + 16 + 27,
        (((2, 9), 20),),
        ((2, 3),),
    ),
    case(
        "wide_deep",
        lambda: M.wide_deep(12, {"job": 5, "town": 7}, continuous=3),
        24 + 96 + 19 * 100 + 100 + 5000 + 50 + 102,
        ((4, 12), ((4,), 5), ((4,), 7), (4, 3)),
        ((4, 2),),
    ),
]
runs = pytest.mark.parametrize("case", [c for c in CASES if c.inputs], ids=str)


def arrays(case, seed=0):
    rng = np.random.default_rng(seed)

    def one(shape):
        if isinstance(shape[0], tuple):
            return rng.integers(0, shape[1], shape[0])
        return rng.standard_normal(shape).astype(np.float32)

    return tuple(one(shape) for shape in case.inputs)


def outputs(y):
    return y if isinstance(y, (list, tuple)) else [y]


def test_every_builder_has_a_row():
    covered = " ".join(c.name for c in CASES)
    assert [name for name in models.__all__ if name != "pretrain" and name not in covered] == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_has_as_many_parameters_as_its_source_says(case):
    assert sum(p.size for p in case.make().parameters()) == case.count


@runs
def test_it_runs_forwards_and_backwards_and_every_parameter_gets_a_gradient(case):
    nn.manual_seed(1)
    model = (case.small or case.make)().train()
    x = arrays(case)
    y = outputs(model(*x))
    assert [part.shape for part in y] == list(case.outputs)
    assert all(np.isfinite(part).all() and part.std() > 0 for part in y)
    model.backward(*[np.random.default_rng(2).standard_normal(part.shape).astype(np.float32) for part in y])
    without = [name for name, p in model.named_parameters() if p.gradient is None or not np.isfinite(p.gradient).all()]
    assert without == []


@runs
def test_it_comes_back_from_a_file_without_help(case, tmp_path):
    nn.manual_seed(1)
    model = (case.small or case.make)().eval()
    model.save(tmp_path)
    x = arrays(case)
    for a, b in zip(outputs(model(*x)), outputs(nn.load(tmp_path)(*x)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "make",
    [
        lambda: models.vgg(12),
        lambda: models.resnet(20),
        lambda: models.resnet_cifar(21),
        lambda: models.squeezenet("2"),
        lambda: models.mlp((3,)),
        lambda: models.mlp((3, 4), "step"),
        lambda: models.ncf(3, 3, layers=(5, 2)),
        lambda: models.wide_deep(3, {}),
        lambda: models.autoencoder((3,)),
    ],
)
def test_wrong_arguments_get_one_clear_message(make):
    with pytest.raises(ValueError, match=r"must be|are|need"):
        make()


def test_pretraining_lowers_the_error_of_the_whole_autoencoder():
    nn.manual_seed(1)
    rng = np.random.default_rng(0)
    x = (rng.random((256, 4)) @ rng.random((4, 20)) / 4).astype(np.float32)
    model = models.autoencoder((20, 12, 6))
    loss = nn.MSELoss()
    before = loss(model.predict(x), x)
    histories = models.pretrain(
        model, x, lambda: optim.Adam(0.01), noise=0.1, batch_size=32, max_epochs=20, seed=1, progress=False
    )
    assert len(histories) == 2 and all(h[-1]["loss"] < h[0]["loss"] for h in histories)
    assert loss(model.predict(x), x) < before / 2


@pytest.mark.parametrize("make", [lambda: models.char_lm(9, 8, 6, 1), lambda: models.transformer_lm(9, 8, 2, 1, 16, 8)])
def test_language_models_do_not_see_what_comes_later(make):
    nn.manual_seed(1)
    model = make().eval()
    text = np.random.default_rng(0).integers(0, 9, (2, 8))
    changed = text.copy()
    changed[:, 5:] = (changed[:, 5:] + 1) % 9
    before, after = model(text), model(changed)
    np.testing.assert_allclose(after[:, :, :5], before[:, :, :5], rtol=1e-5, atol=1e-6)
    assert np.abs(after[:, :, 5:] - before[:, :, 5:]).max() > 1e-3


def test_the_small_nets_learn():
    nn.manual_seed(1)
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 192)
    words = np.where(rng.random((192, 8)) < 0.5, target[:, None], rng.integers(3, 20, (192, 8)))
    small = {"size": 8, "heads": 2, "layers": 1, "hidden": 16, "dropout": 0.0}
    for model in (
        models.text_cnn(20, 3, 8, channels=8),
        models.lstm_classifier(20, 3, 8, 16),
        models.transformer_classifier(20, 3, **small),
    ):
        trainer = optim.Trainer(
            model, nn.CrossEntropyLoss(), optim.Adam(0.02), batch_size=32, max_epochs=8, seed=1, progress=False
        )
        trainer.fit((words, target))
        assert trainer.evaluate((words, target), metrics=[optim.Top1Accuracy()])["Top1Accuracy"] > 0.9
