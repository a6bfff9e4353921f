"""Models with several outputs: losses, metrics, targets and figures by output, as real Keras has them."""

from __future__ import annotations

import numpy as np
import pytest

from sparkdl import keras as ours
from sparkdl import nn, optim
from sparkdl.errors import DataError, ShapeError

from .test_real import keras  # noqa: F401  the fixture

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")

RNG = np.random.default_rng(8)
A, B = (RNG.standard_normal((70, n)).astype(np.float32) for n in (4, 3))
KIND = (A @ RNG.standard_normal((4, 3))).argmax(1)
SIZE = (A[:, :1] + B[:, :1]).astype(np.float32)
SIGN = (B.sum(1, keepdims=True) > 0).astype(np.float32)
SAMPLES = RNG.uniform(0.2, 2, 70).astype(np.float32)
SHAPES = {"shared": (7, 5), "kind": (5, 3), "size": (5, 1), "sign": (5, 1)}
WEIGHTS = {name: (RNG.standard_normal(shape).astype(np.float32) * 0.4) for name, shape in SHAPES.items()}
CE = "sparse_categorical_crossentropy"


def real(keras):  # noqa: F811
    layers = keras.layers
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    h = layers.Dense(5, "tanh", name="shared")(layers.Concatenate()([a, b]))
    outputs = [
        layers.Dense(3, "softmax", name="kind")(h),
        layers.Dense(1, name="size")(h),
        layers.Dense(1, "sigmoid", name="sign")(h),
    ]
    model = keras.Model([a, b], outputs)
    for name, w in WEIGHTS.items():
        model.get_layer(name).set_weights([w, np.zeros(w.shape[1], np.float32)])
    return model


def own():
    a, b = nn.Input((4,), "a"), nn.Input((3,), "b")
    layers = {name: nn.Linear(*shape) for name, shape in SHAPES.items()}
    for name, layer in layers.items():
        layer.weight.value, layer.bias.value = WEIGHTS[name].T, np.zeros(SHAPES[name][1])
    h = nn.Tanh()(layers["shared"](nn.Concat(1)(a, b)))
    outputs = {
        "kind": nn.Softmax()(layers["kind"](h)), "size": layers["size"](h), "sign": nn.Sigmoid()(layers["sign"](h)),
    }  # fmt: skip
    return ours.Model([a, b], outputs)


ALL = [CE, "mse", "binary_crossentropy"]
Y = [KIND, SIZE, SIGN]
NAMED = dict(zip(("kind", "size", "sign"), Y, strict=True))
COMPILED = {  # options of compile, and the targets
    "one loss for all": ({"loss": "mse"}, [np.eye(3)[KIND], SIZE, SIGN]),
    "a list": ({"loss": ALL}, Y),
    "a tuple, weights": ({"loss": tuple(ALL), "loss_weights": [1.0, 0.3, 2.0]}, tuple(Y)),
    "a dict, weights, targets by name": (
        {
            "loss": {"sign": "binary_crossentropy", "kind": CE, "size": "mae"},
            "loss_weights": {"kind": 0.5, "size": 2.0, "sign": 1.0},
        },
        NAMED,
    ),
    "lists of metrics": ({"loss": ALL, "metrics": [["accuracy"], ["mae", "mse"], ["accuracy"]]}, Y),
    "one metric each": ({"loss": ALL, "metrics": ["accuracy", "mae", "accuracy"]}, Y),
    "metrics of some, by name": (
        {
            "loss": ALL,
            "metrics": {"kind": ["accuracy"], "size": "mae"},
            "weighted_metrics": {"size": ["mae", "mse"], "sign": ["accuracy"]},
        },
        Y,
    ),
    "weighted metrics": ({"loss": ALL, "weighted_metrics": [["accuracy"], None, ["accuracy"]]}, Y),
    "the same twice": ({"loss": ALL, "metrics": [["accuracy", "accuracy"], None, None]}, Y),
    "one that is not trained": ({"loss": [CE, None, "binary_crossentropy"], "metrics": [["accuracy"], None, None]}, Y),
}


def figures(model, y, **options):
    model.compile(optimizer="sgd", **options)
    fit = {"batch_size": 16, "epochs": 3, "shuffle": False, "verbose": 0}
    x, cut = {"b": B, "a": A}, 60
    if isinstance(y, dict):
        held = {name: each[cut:] for name, each in y.items()}
    else:
        held = type(y)(each[cut:] for each in y)
    held = {name: each[cut:] for name, each in x.items()}, held
    samples = None if isinstance(y, dict) else SAMPLES  # Keras loses itself in weights beside a dict
    found = model.fit(x, y, sample_weight=samples, validation_data=held, **fit).history
    again = model.evaluate(x, y, verbose=0, return_dict=True)
    return found, again, model.evaluate(x, y, verbose=0), model.predict(x, verbose=0)


@pytest.mark.parametrize("name", COMPILED)
def test_figures_of_several_outputs_are_kerass(keras, name):  # noqa: F811
    options, y = COMPILED[name]
    theirs, model = real(keras), own()
    wanted, found = figures(theirs, y, **options), figures(model, y, **options)
    wanted[0].pop("learning_rate", None), found[0].pop("lr")
    for a, b in ((found[0], wanted[0]), (found[1], wanted[1])):
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_allclose(a[key], b[key], rtol=3e-5, atol=1e-6, err_msg=key)
    np.testing.assert_allclose(found[2], wanted[2], rtol=3e-5, atol=1e-6)
    assert list(found[3]) == ["kind", "size", "sign"]
    for a, b in zip(found[3].values(), wanted[3], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_an_output_that_is_not_trained_needs_no_target_and_stays_as_it_is():
    model = own()
    model.compile("sgd", {"kind": CE, "size": None, "sign": None}, metrics={"kind": "accuracy"}, seed=1)
    before = [w.copy() for w in model.get_weights()]
    names = list(model.module.state_dict())
    both = [model.fit([A, B], y, epochs=1, verbose=0).history for y in (KIND, {"kind": KIND})]
    assert set(both[0]) == set(both[1]) == {"loss", "kind_accuracy", "lr"}
    changed = {n for n, a, b in zip(names, before, model.get_weights(), strict=True) if not np.array_equal(a, b)}
    assert len(changed) == 4 and model.output_names == ["kind", "size", "sign"]


def test_callbacks_follow_the_figures_of_one_output():
    model = own()
    model.compile(optim.SGD(0.5), ALL, metrics=[["accuracy"], None, None], seed=3)
    stop = ours.EarlyStopping("val_kind_accuracy", patience=1)
    history = model.fit([A, B], Y, epochs=40, validation_split=0.3, callbacks=[stop], verbose=0).history
    rises = np.maximum.accumulate(history["val_kind_accuracy"])
    assert len(rises) < 40 and rises[-1] == rises[-2]


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Linear(4, 2), nn.Linear(4, 1)

    def forward(self, x):
        return {"pair": self.one(x), "single": self.other(x)}


class Unknown(Heads):
    def forward(self, x):
        return self.one(x), self.other(x.reshape(-1, x.shape[1]))


class Sum(optim.Metric):
    """Of the first output, to see which rows and targets a metric gets."""

    def zero(self):
        return np.zeros(2)

    def update(self, state, output, target, weight=None):
        return state + [float(np.sum(target)), len(output)]

    def merge(self, a, b):
        return a + b

    def value(self, state):
        return state[0]


def test_names_come_from_where_there_are_some():
    y = [np.ones((70, 2), np.float32), np.zeros((70, 1), np.float32)]
    for module, names in ((Heads(), ["pair", "single"]), (Unknown(), ["output_1", "output_2"])):
        model = ours.Model(module)
        model.compile("sgd", ["mse", "mae"], metrics=[None, [Sum(name="sum")]])
        assert model.output_names == names
        history = model.fit(A, y, epochs=1, verbose=0).history
        assert history.keys() == {"loss", "lr", f"{names[0]}_loss", f"{names[1]}_loss", f"{names[1]}_sum"}
        assert history[f"{names[1]}_sum"] == [0.0]
    graph = nn.Graph(x := nn.Input((4,), "x"), [nn.Linear(4, 2)(x), nn.ReLU()(x)])
    assert graph.output_names == ["linear", "relu"]


def test_names_of_outputs_are_saved_and_old_files_have_none(tmp_path):
    graph = own().module
    graph.save(tmp_path)
    assert nn.load(tmp_path).output_names == ["kind", "size", "sign"]
    described = graph.describe()
    described.pop("output_names")
    assert nn.Graph.from_description(described, graph._modules).output_names == ["softmax", "linear_3", "sigmoid"]


def test_a_loss_of_all_outputs_stays_one():
    x = nn.Input((4,), "x")
    model = ours.Model(x, [nn.Linear(4, 3)(x), nn.Linear(4, 3)(x)])
    model.compile("sgd", nn.CosineEmbeddingLoss())
    history = model.fit(A, np.sign(A[:, 0]), epochs=2, verbose=0)
    assert set(history.history) == {"loss", "lr"}
    with pytest.raises(ValueError, match="takes all outputs at once"):
        model.compile("sgd", nn.CosineEmbeddingLoss(), loss_weights=[1, 2])


def test_a_dataframe_gives_the_numbers_of_arrays(local):
    rows = [
        (a.tolist(), b.tolist(), int(k), float(s), float(g))
        for a, b, k, s, g in zip(A, B, KIND, SIZE[:, 0], SIGN[:, 0], strict=True)
    ]
    frame = local.createDataFrame(rows, "a array<float>, b array<float>, k long, s float, g float")
    options = {"batch_size": 16, "epochs": 2, "verbose": 0, "validation_data": None}
    found = []
    for y in (["k", "s", "g"], {"sign": "g", "kind": "k", "size": "s"}):
        model = own()
        model.compile("sgd", ALL, metrics={"sign": ["accuracy"]}, seed=2)
        options["validation_data"] = frame
        history = model.fit(frame, y, features={"b": (3,), "a": (4,)}, **options).history  # in the model's order
        figures_ = model.evaluate(frame, y, features={"b": (3,), "a": (4,)})
        found.append((history, figures_))
    other = own()
    other.compile("sgd", ALL, metrics={"sign": ["accuracy"]}, seed=2)
    x, y = {"a": A, "b": B}, [KIND, SIZE[:, 0], SIGN[:, 0]]
    options["validation_data"] = (x, y)
    history = other.fit(x, y, **options).history
    assert found[0] == found[1] == (history, other.evaluate(x, y))
    row = model.predict(frame, features={"b": (3,), "a": (4,)}).collect()
    np.testing.assert_allclose([r.prediction_kind for r in row], other.predict(x)["kind"], rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda m: m.compile("sgd", ["mse", "mse"]), ValueError, "3 outputs, 'kind', 'size', 'sign'; loss is a list"),
        (lambda m: m.compile("sgd", {"kind": "mse"}), ValueError, "None for one that is not trained"),
        (lambda m: m.compile("sgd", {"kind": CE, "size": "mse", "sing": "mse"}), ValueError, "sing"),
        (lambda m: m.compile("sgd", [None, None, None]), ValueError, "at least one of the outputs"),
        (lambda m: m.compile("sgd", ALL, loss_weights=[1, 2]), ValueError, "loss_weights is a list"),
        (lambda m: m.compile("sgd", ALL, loss_weights={"kimd": 1}), ValueError, "kimd"),
        (lambda m: m.compile("sgd", ALL, loss_weights=[1, "2", 3]), ValueError, "finite numbers"),
        (lambda m: m.compile("sgd", ALL, metrics=["accuracy"]), ValueError, "metrics is a list with one entry"),
        (lambda m: m.compile("sgd", ALL, metrics={"colour": "mae"}), ValueError, "colour"),
        (lambda m: m.compile("sgd", ALL, weighted_metrics=["mae"]), ValueError, "weighted_metrics is a list"),
        (lambda m: m.fit([A, B], KIND), DataError, "y is a list with one for each"),
        (lambda m: m.fit([A, B], [KIND, SIZE]), DataError, "got 2 of them"),
        (lambda m: m.fit([A, B], {"kind": KIND, "size": SIZE}), DataError, "y as a dict holds targets"),
        (lambda m: m.fit([A, B]), DataError, "targets y are missing"),
        (lambda m: m.fit({"a": A, "c": B}, Y), ShapeError, "inputs a, b by name, got a, c"),
        (lambda m: m.predict({"a": A, "c": B}), ShapeError, "inputs a, b by name, got a, c"),
        (lambda m: m.fit([A, B], Y, class_weight={0: 1.0}), DataError, "class_weight is for a model of one output"),
        (lambda m: m.fit([A, B], Y, sample_weight=[SAMPLES] * 3), DataError, "counts for all outputs"),
    ],
)
def test_a_wrong_structure_gets_one_clear_message(call, error, words):
    model = own()
    model.compile("sgd", ALL)
    with pytest.raises(error, match=words):
        call(model)
