"""What files say about training: Caffe's solvers, and Keras's compiled optimizer, loss and metrics."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from realdata import real_data

from sparkdl import nn, optim
from sparkdl.errors import FormatError, UnsupportedError
from sparkdl.importers import load_caffe_solver, load_keras
from sparkdl.importers.caffe.solver import read_solver, rule_and_schedule
from sparkdl.optim import Progress

NET = """
name: "tiny"
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TRAIN } data_param { source: "x" batch_size: 8 }
        transform_param { crop_size: 6 force_gray: true scale: 0.5 } }
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TEST } data_param { source: "y" batch_size: 2 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
        convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip" inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = 'net: "tiny.prototxt" base_lr: 0.1 momentum: 0.9 weight_decay: 0.01 lr_policy: "step" gamma: 0.5 stepsize: 10 max_iter: 20 random_seed: 3'


@pytest.fixture
def solver(tmp_path):
    (tmp_path / "tiny.prototxt").write_text(NET)
    path = tmp_path / "solver.prototxt"
    path.write_text(SOLVER)
    return path


def test_a_solver_becomes_a_trainer_that_trains(solver):
    trainer = load_caffe_solver(solver, progress=False)
    assert isinstance(trainer.loss, nn.SoftmaxWithLoss) and trainer.batch_size == 8 and trainer.seed == 3
    rule = trainer.optimizer
    assert isinstance(rule, optim.SGD) and (rule.lr, rule.momentum, rule.weight_decay) == (0.1, 0.9, 0.01)
    assert rule.options(Progress(iteration=25))["lr"] == pytest.approx(0.1 * 0.5**2)
    assert rule.groups == {"conv.bias": {"lr": 0.2, "weight_decay": 0.0}}
    draw = np.random.default_rng(0)
    x = draw.standard_normal((64, 1, 6, 6)).astype(np.float32)
    y = (x.mean((1, 2, 3)) > 0).astype(np.int64)
    history = trainer.fit((x, y))
    assert history is not None and trainer.model.output_names == ["ip"]


def test_l1_decay_follows_the_multipliers(solver):
    solver.write_text(SOLVER + ' regularization_type: "L1"')
    rule = load_caffe_solver(solver, progress=False).optimizer
    assert rule.regularizer.l1 == 0.01 and rule.weight_decay == 0
    assert rule.groups == {"conv.bias": {"lr": 0.2, "regularizer": None}}


def test_fields_of_forks_warn_and_their_policies_are_refused(solver):
    solver.write_text(SOLVER + ' eval_type: "detection"')
    with pytest.warns(UserWarning, match="unknown fields .'eval_type'. are ignored"):
        load_caffe_solver(solver, progress=False)
    solver.write_text(SOLVER.replace('"step"', '"plateau"'))
    with pytest.raises(UnsupportedError, match="lr_policy 'plateau'; known are fixed"):
        load_caffe_solver(solver)


def test_a_test_interval_says_when_to_validate(solver):
    solver.write_text(SOLVER + " test_interval: 4 test_iter: 2")
    draw = np.random.default_rng(0)
    x, y = draw.standard_normal((32, 1, 6, 6)).astype(np.float32), draw.integers(0, 2, 32)
    trainer = load_caffe_solver(solver, progress=False)
    assert [i for i in range(1, 13) if trainer.validate(Progress(iteration=i))] == [4, 8, 12]
    trainer.fit((x, y), validation=(x, y), metrics=[optim.Top1Accuracy()])


def test_a_solver_of_a_net_whose_data_layer_tells_no_shape(solver, tmp_path):
    """As in most of Caffe's own examples, where the database tells it."""
    (tmp_path / "tiny.prototxt").write_text(NET.replace("crop_size: 6 force_gray: true ", ""))
    with pytest.raises(FormatError, match="give their shapes without the batch, for example inputs="):
        load_caffe_solver(solver, progress=False)
    trainer = load_caffe_solver(solver, inputs={"data": (1, 6, 6)}, progress=False)
    history = trainer.fit((np.ones((16, 1, 6, 6), np.float32), np.zeros(16, np.int64)))
    assert history[-1]["loss"] < history[0]["loss"] or history[-1]["loss"] < 0.1


LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }'


def trained_loss(folder, loss, y, x=None):
    """The loss of the tiny net's first batch under another loss layer, and what the net gives there."""
    (folder / "tiny.prototxt").write_text(NET.replace(LOSS, loss))
    nn.manual_seed(0)
    trainer = load_caffe_solver(folder / "solver.prototxt", progress=False, batch_size=len(y), max_epochs=1)
    given = np.random.default_rng(0).standard_normal((len(y), 1, 6, 6)).astype(np.float32) if x is None else x
    out = [np.asarray(each, np.float64) for each in (lambda r: r if isinstance(r, list | tuple) else [r])(trainer.model.eval()(given))]
    history = trainer.fit((given, y))
    return history[0]["loss"], out


def test_an_infogain_loss_with_its_matrix(solver, tmp_path):
    matrix = np.float32([[1, 0.25], [0.5, 2]])
    values = b"".join(b"\x2d" + v.tobytes() for v in matrix.ravel())
    (tmp_path / "gain.binaryproto").write_bytes(b"\x08\x01\x10\x01\x18\x02\x20\x02" + values)
    y = np.arange(8) % 2
    layer = LOSS.replace("SoftmaxWithLoss", "InfogainLoss").replace(' top: "loss"', ' top: "loss" infogain_loss_param { source: "%s" }')
    got, (out,) = trained_loss(tmp_path, layer % "elsewhere/gain.binaryproto", y)
    logs = out - np.log(np.exp(out).sum(1, keepdims=True))
    assert got == pytest.approx(-(matrix[y] * logs).sum(1).mean(), rel=1e-5)
    with pytest.raises(FileNotFoundError, match="'other' is not beside the net"):
        trained_loss(tmp_path, layer % "other", y)


def test_a_multinomial_logistic_loss(solver, tmp_path):
    layer = 'layer { name: "p" type: "Softmax" bottom: "ip" top: "p" } ' + LOSS.replace("SoftmaxWithLoss", "MultinomialLogisticLoss").replace('"ip"', '"p"')
    y = np.arange(8) % 2
    got, (out,) = trained_loss(tmp_path, layer, y)
    assert got == pytest.approx(-np.log(out[np.arange(8), y]).mean(), rel=1e-5)


def test_a_siamese_net(solver, tmp_path):
    twin = (
        'layer { name: "ip2" type: "InnerProduct" bottom: "data" top: "ip2" inner_product_param { num_output: 2 weight_filler { type: "xavier" } } } '
        'layer { name: "loss" type: "ContrastiveLoss" bottom: "ip" bottom: "ip2" bottom: "label" top: "loss" contrastive_loss_param { margin: 3 } }'
    )
    y = np.arange(8) % 2
    got, (a, b) = trained_loss(tmp_path, twin, y)
    d = np.linalg.norm(a - b, axis=1)
    assert got == pytest.approx(np.where(y, d**2, np.maximum(3 - d, 0) ** 2).mean() / 2, rel=1e-5)


def curve(text, at):
    path = text
    kind, arguments, schedule = rule_and_schedule(path)
    return [arguments["lr"] if schedule is None else schedule(arguments["lr"], Progress(iteration=t)) for t in at]


@pytest.mark.parametrize(
    "policy, formula",
    [
        ('lr_policy: "fixed"', lambda t: 1),
        ('lr_policy: "step" gamma: 0.1 stepsize: 7', lambda t: 0.1 ** (t // 7)),
        ('lr_policy: "exp" gamma: 0.9', lambda t: 0.9**t),
        ('lr_policy: "inv" gamma: 0.01 power: 0.75', lambda t: (1 + 0.01 * t) ** -0.75),
        ('lr_policy: "multistep" gamma: 0.5 stepvalue: 5 stepvalue: 20', lambda t: 0.5 ** ((t >= 5) + (t >= 20))),
        ('lr_policy: "poly" power: 2 max_iter: 50', lambda t: (1 - t / 50) ** 2),
        ('lr_policy: "multifixed" stagelr: 1 stagelr: 4 stagelr: 3 stageiter: 5 stageiter: 19 stageiter: 30', lambda t: 0.5 if t <= 5 else 2 if t <= 19 else 1.5),
        ('lr_policy: "sigmoid" gamma: -0.2 stepsize: 20', lambda t: 1 / (1 + np.exp(0.2 * (t - 20)))),
    ],
)
def test_learning_rate_policies(tmp_path, policy, formula):
    path = tmp_path / "s.prototxt"
    path.write_text(f"base_lr: 2 {policy}")
    at = [0, 1, 4, 5, 6, 7, 19, 20, 49]
    np.testing.assert_allclose(curve(read_solver(path), at), [2 * formula(t) for t in at])


def test_all_solvers_of_the_caffe_project():
    for path in sorted(real_data("caffe_text").rglob("*solver*.prototxt")):
        rule_and_schedule(read_solver(path))


def test_the_batch_size_is_that_of_the_state_that_is_trained(solver, tmp_path):
    data = NET.split("layer {")[1]
    other = data.replace("include { phase: TRAIN }", 'include { phase: TRAIN stage: "big" }').replace("batch_size: 8", "batch_size: 64")
    first = data.replace("include { phase: TRAIN }", 'include { phase: TRAIN not_stage: "big" }')
    (tmp_path / "tiny.prototxt").write_text(NET.replace(data, other + "layer {" + first))
    assert load_caffe_solver(solver, progress=False).batch_size == 8
    solver.write_text(SOLVER + ' train_state { stage: "big" }')
    assert load_caffe_solver(solver, progress=False).batch_size == 64


def test_a_solver_without_what_its_policy_needs(tmp_path):
    (tmp_path / "s.prototxt").write_text('base_lr: 1 lr_policy: "step" gamma: 0.1')
    with pytest.raises(FormatError, match="'step' needs stepsize"):
        read_solver(tmp_path / "s.prototxt")
    (tmp_path / "s.prototxt").write_text('base_lr: 1 lr_policy: "multifixed" stagelr: 1 stageiter: 2 stageiter: 3')
    with pytest.raises(FormatError, match="2 of stageiter, 1 of stagelr"):
        read_solver(tmp_path / "s.prototxt")


@pytest.mark.parametrize(
    "case, file",
    [
        ("k22_compiled_trained", "model.h5"),
        ("tfk_compiled_trained", "model.h5"),
        ("k3_compiled_trained", "model.keras"),
    ],
)
def test_compiled_keras_models_go_on_training(case, file):
    folder = real_data(f"keras_generated/{case}")
    model = load_keras(folder / file, compile=True)
    assert isinstance(model.compiled.optimizer, optim.UpdateRule) and isinstance(model.compiled.loss, nn.Loss)
    assert load_keras(folder / file).compiled is None


def test_an_unknown_loss_warns(tmp_path):
    from sparkdl.importers.keras.spec import ModelSpec
    from sparkdl.importers.keras.training import compiled

    with pytest.warns(UserWarning, match="loss my_loss is not known here"):
        made = compiled({"loss": "my_loss", "optimizer_config": {"class_name": "Adam", "config": {"lr": 0.1}}}, ModelSpec("m", [], [], [], (2, 15)))
    assert made.loss is None and made.optimizer.lr == 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compiled(None, None).optimizer is None


# -- what layers of a Keras file say about training --------------------------------------------------------------------
def described(*layers, shape=(3,), **more):
    first = {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, *shape]}}
    listed = [first, *({"class_name": kind, "config": {"name": f"l{i}", **config}} for i, (kind, config) in enumerate(layers))]
    return json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": listed}, "keras_version": "2.15.0", **more})


def loaded(folder, text, **options):
    (folder / "model.json").write_text(text)
    nn.manual_seed(0)
    return load_keras(folder / "model.json", **options)


L2 = {"class_name": "L2", "config": {"l2": 0.03}}


def test_penalties_are_part_of_the_loss(tmp_path):
    dense = {"units": 1, "kernel_regularizer": L2, "bias_regularizer": "l1", "activity_regularizer": {"class_name": "L1L2", "config": {"l1": 0.1, "l2": 0.2}}}
    training = {"optimizer_config": {"class_name": "SGD", "config": {"learning_rate": 0.0, "clipvalue": 0.5}}, "loss": "mse"}
    model = loaded(tmp_path, described(("Dense", dense), compile_config=training), compile=True)
    assert {path: (r.l1, r.l2) for path, r in model.regularizers.items()} == {"l0.weight": (0.0, 0.03), "l0.bias": (0.01, 0.0)}
    draw = np.random.default_rng(0)
    x, y = draw.standard_normal((8, 3)).astype(np.float32), draw.standard_normal((8, 1)).astype(np.float32)
    model["l0"].bias.value = np.float32([-2.5])
    weight, out = model["l0"].weight.value.astype(np.float64), np.asarray(model(x), np.float64)
    wanted = ((out - y) ** 2).mean() + 0.03 * (weight**2).sum() + 0.01 * 2.5 + (0.1 * abs(out) + 0.2 * out**2).sum(1).mean()
    assert isinstance(model.compiled.clip, optim.ClipValue)
    history = model.compiled.trainer(model, batch_size=8, max_epochs=1, progress=False).fit((x, y))
    assert history[0]["loss"] == pytest.approx(wanted, rel=1e-5)


def test_an_unknown_regulariser_warns(tmp_path):
    with pytest.warns(UserWarning, match="regulariser 'mine' is not known"):
        loaded(tmp_path, described(("Dense", {"units": 2, "kernel_regularizer": {"class_name": "mine", "config": {}}})))


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_recurrent_dropout_is_one_choice_for_all_steps(tmp_path, kind):
    h5py = pytest.importorskip("h5py")
    plain = {"units": 4, "return_sequences": True, "recurrent_regularizer": L2}
    wide, draw = 4 * {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}[kind], np.random.default_rng(1)
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for i, size in enumerate([(3, wide), (4, wide), (wide,)]):
            file.create_dataset(f"l0/w{i}", data=draw.normal(0, 0.5, size).astype(np.float32))
        file.attrs["layer_names"], file["l0"].attrs["weight_names"] = [b"l0"], [b"w0", b"w1", b"w2"]
    steps = loaded(tmp_path, described((kind, {**plain, "recurrent_dropout": 0.5}), shape=(6, 3)), weights=tmp_path / "w.h5")
    compiled = loaded(tmp_path, described((kind, plain), shape=(6, 3)), weights=tmp_path / "w.h5")
    x = np.random.default_rng(0).standard_normal((5, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(steps(x), compiled(x), rtol=1e-5, atol=1e-6)  # the same weights, nothing dropped
    assert steps.regularizers and len(compiled.regularizers) == 1
    trained = steps.train()(x)
    np.testing.assert_allclose(trained[:, 0], compiled(x)[:, 0], rtol=1e-5, atol=1e-6)  # h is 0 before the first step
    assert not np.allclose(trained[:, 1], compiled(x)[:, 1])


def test_training_options_that_are_not_known_warn(tmp_path):
    training = {"optimizer_config": {"class_name": "Adam", "config": {"clipnorm": 1.0}}, "loss": {"class_name": "Huber", "config": {"label_smoothing": 0.1}}}
    with pytest.warns(UserWarning) as said:
        model = loaded(tmp_path, described(("Dense", {"units": 1}), compile_config=training), compile=True)
    assert [word for word in ("own norm", "label smoothing") if not any(word in str(w.message) for w in said)] == []
    assert model.compiled.loss is None and model.compiled.clip is None


@pytest.mark.parametrize("kind, options, made", [
    ("CategoricalCrossentropy", {}, "CategoricalCrossEntropyLoss(label_smoothing=0.1)"),
    ("BinaryCrossentropy", {}, "BCELoss(label_smoothing=0.1)"),
    ("BinaryCrossentropy", {"from_logits": True}, "BCEWithLogitsLoss(label_smoothing=0.1)"),
])  # fmt: skip
def test_label_smoothing(tmp_path, kind, options, made):
    given = {"module": "keras.losses", "class_name": kind, "config": {"label_smoothing": 0.1, **options}, "registered_name": None}
    training = {"optimizer_config": {"class_name": "SGD", "config": {"lr": 0.1}}, "loss": given}
    model = loaded(tmp_path, described(("Dense", {"units": 2}), compile_config=training), compile=True)
    assert repr(model.compiled.loss) == made


@pytest.mark.parametrize("version, clips", [("1.2.2", True), ("2.3.1", True), ("2.2.4-tf", False)])
@pytest.mark.filterwarnings("ignore:the file's clipping")
def test_keras_itself_clips_by_the_norm_of_all(tmp_path, version, clips):
    training = {"optimizer_config": {"class_name": "SGD", "config": {"lr": 0.1, "clipnorm": 2.0}}, "loss": "mse"}
    text = described(("Dense", {"units": 1, "output_dim": 1}), compile_config=training).replace("2.15.0", version)
    clip = loaded(tmp_path, text, compile=True).compiled.clip
    assert (isinstance(clip, optim.ClipNorm) and clip.max_norm == 2.0) if clips else clip is None


@pytest.mark.parametrize("version, sums", [("1.2.2", False), ("2.2.4", True)])
def test_cosine_proximity_was_a_mean_before_it_was_a_sum(tmp_path, version, sums):
    training = {"optimizer_config": {"class_name": "SGD", "config": {"lr": 0.1}}, "loss": "cosine_proximity"}
    text = described(("Dense", {"units": 2, "output_dim": 2}), compile_config=training).replace("2.15.0", version)
    assert loaded(tmp_path, text, compile=True).compiled.loss.of_vectors is sums
