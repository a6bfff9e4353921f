"""Functions of TensorFlow inside models of tf.keras: each name that is known gives what the function gives."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sparkdl.errors import UnsupportedError
from sparkdl.importers import load_keras
from sparkdl.importers.keras.table import table
from sparkdl.importers.keras.tf_names import TF


def loaded(folder, calls):
    """A model that gives the results of ``calls``, function -> keyword arguments, on its input ``x`` (4, 6)."""
    layers = [{"class_name": "InputLayer", "name": "x", "config": {"name": "x", "batch_input_shape": [None, 4, 6]}, "inbound_nodes": []}]
    for i, (function, given) in enumerate(calls.items()):
        layers.append({
            "class_name": "TFOpLambda", "name": f"tf.{i}", "config": {"name": f"tf.{i}", "function": function},
            "inbound_nodes": [["x", 0, 0, given]],
        })  # fmt: skip
    config = {"name": "m", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [[f"tf.{i}", 0, 0] for i in range(len(calls))]}
    text = json.dumps({"class_name": "Functional", "config": config, "keras_version": "2.15.0", "backend": "tensorflow"})
    (folder / "m.json").write_text(text)
    return load_keras(folder / "m.json")


def test_a_model_inside_that_is_called_with_a_dict_and_with_nested_lists(tmp_path):
    def layer(kind, name, nodes, **config):
        return {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes}

    def model(name, layers, inputs, output):
        return {"name": name, "layers": layers, "input_layers": inputs, "output_layers": [[output, 0, 0]]}

    b, a = (layer("InputLayer", n, [], batch_input_shape=[None, 2]) for n in "ba")
    less = layer("Subtract", "less", [[["a", 0, 0, {}], ["b", 0, 0, {}]]])
    inner = model("inner", [b, a, less], {"b": ["b", 0, 0], "a": ["a", 0, 0]}, "less")
    x, y = (layer("InputLayer", n, [], batch_input_shape=[None, 2]) for n in "xy")
    nodes = [{"b": ["y", 0, 0, {}], "a": ["x", 0, 0, {}]}, [[["y", 0, 0, {}]], ["x", 0, 0, {}]]]
    inside = {"class_name": "Functional", "name": "inner", "config": inner, "inbound_nodes": nodes}
    both = layer("Concatenate", "both", [[["inner", 1, 0, {}], ["inner", 2, 0, {}]]])
    outer = model("outer", [x, y, inside, both], [["x", 0, 0], ["y", 0, 0]], "both")
    (tmp_path / "m.json").write_text(json.dumps({"class_name": "Functional", "config": outer, "keras_version": "2.15.0"}))
    made = load_keras(tmp_path / "m.json")(np.float32([[5, 7]]), np.float32([[1, 2]]))
    np.testing.assert_array_equal(made, [[4, 5, -4, -5]])


def test_every_name_stands_for_an_operation_that_is_known():
    assert {kind for kind in TF.values() if f"ops.{kind}" not in table()} == set()


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


PLAIN = {  # name -> the same function of NumPy, on values around 0
    "abs": np.abs, "negative": np.negative, "exp": np.exp, "expm1": np.expm1, "square": np.square, "reciprocal": np.reciprocal,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "tanh": np.tanh, "softplus": lambda x: np.log1p(np.exp(x)), "sin": np.sin, "cos": np.cos,
    "tan": np.tan, "sinh": np.sinh, "cosh": np.cosh, "atan": np.arctan, "asinh": np.arcsinh, "sign": np.sign, "floor": np.floor,
    "ceil": np.ceil, "round": np.round, "rint": np.rint, "is_nan": np.isnan, "is_inf": np.isinf, "is_finite": np.isfinite,
}  # fmt: skip
OF_TWO = {  # with a number
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "truediv": np.divide, "divide": np.divide, "maximum": np.maximum,
    "minimum": np.minimum, "floormod": np.mod, "mod": np.mod, "floordiv": np.floor_divide, "squared_difference": lambda x, y: (x - y) ** 2,
    "greater": np.greater, "greater_equal": np.greater_equal, "less": np.less, "less_equal": np.less_equal, "equal": np.equal,
    "not_equal": np.not_equal, "divide_no_nan": np.divide,
}  # fmt: skip
ALONG = {  # name -> of (x, axis)
    "reduce_mean": np.mean, "reduce_sum": np.sum, "reduce_max": np.max, "reduce_min": np.min, "reduce_variance": np.var,
    "reduce_std": np.std, "reduce_prod": np.prod, "reduce_euclidean_norm": lambda x, axis: np.sqrt((x**2).sum(axis)),
    "reduce_logsumexp": lambda x, axis: np.log(np.exp(x).sum(axis)), "argmax": np.argmax, "argmin": np.argmin, "cumsum": np.cumsum,
    "cumprod": np.cumprod, "l2_normalize": lambda x, axis: x / np.sqrt((x**2).sum(axis, keepdims=True)),
}  # fmt: skip
CALLS = {
    **{f"math.{name}": ({}, f) for name, f in PLAIN.items()},
    **{f"math.{name}": ({"y": 0.75}, lambda x, f=f: f(x, np.float32(0.75))) for name, f in OF_TWO.items()},
    "math.atan2": ({"x": 0.75}, lambda x: np.arctan2(x, np.float32(0.75))),
    "tensordot": ({"b": [[1.0, 2]] * 6, "axes": 1}, lambda x: x @ np.float32([[1, 2]] * 6)),
    **{f"math.{name}": ({"axis": 1}, lambda x, f=f: f(x, axis=1)) for name, f in ALONG.items()},
    "nn.relu": ({}, lambda x: np.maximum(x, 0)), "nn.relu6": ({}, lambda x: np.clip(x, 0, 6)), "nn.softmax": ({"axis": 1}, lambda x: softmax(x, 1)),
    "nn.log_softmax": ({"axis": -1}, lambda x: np.log(softmax(x, -1))), "nn.leaky_relu": ({"alpha": 0.3}, lambda x: np.where(x > 0, x, 0.3 * x)),
    "nn.silu": ({}, lambda x: x / (1 + np.exp(-x))), "nn.elu": ({}, lambda x: np.where(x > 0, x, np.expm1(x))),
    "nn.softsign": ({}, lambda x: x / (1 + abs(x))), "nn.bias_add": ({"bias": [1.0, 2, 3, 4, 5, 6]}, lambda x: x + np.arange(1, 7)),
    "reshape": ({"shape": [-1, 3, 8]}, lambda x: x.reshape(-1, 3, 8)), "transpose": ({"perm": [0, 2, 1]}, lambda x: x.transpose(0, 2, 1)),
    "expand_dims": ({"axis": 1}, lambda x: x[:, None]), "cast": ({"dtype": "int32"}, lambda x: np.trunc(x)), "identity": ({}, lambda x: x),
    "gather": ({"indices": [2, 0, 2], "axis": 1}, lambda x: x[:, [2, 0, 2]]), "tile": ({"multiples": [1, 2, 1]}, lambda x: np.tile(x, (1, 2, 1))),
    "pad": ({"paddings": [[0, 0], [1, 2], [0, 1]]}, lambda x: np.pad(x, ((0, 0), (1, 2), (0, 1)))),
    "repeat": ({"repeats": 2, "axis": 1}, lambda x: np.repeat(x, 2, 1)), "reverse": ({"axis": [1]}, lambda x: x[:, ::-1]),
    "clip_by_value": ({"clip_value_min": -0.5, "clip_value_max": 0.25}, lambda x: np.clip(x, -0.5, 0.25)),
    "norm": ({"axis": 2}, lambda x: np.linalg.norm(x, axis=2)), "sort": ({"axis": 1}, lambda x: np.sort(x, 1)),
    "argsort": ({"axis": 2}, lambda x: np.argsort(x, 2)), "roll": ({"shift": 2, "axis": 1}, lambda x: np.roll(x, 2, 1)),
    "zeros_like": ({}, np.zeros_like), "ones_like": ({}, np.ones_like), "stop_gradient": ({}, lambda x: x),
}  # fmt: skip


def test_functions_give_what_numpy_gives(tmp_path):
    x = np.random.default_rng(0).normal(0, 1.2, (3, 4, 6)).astype(np.float32)
    made = loaded(tmp_path, {function: given for function, (given, _) in CALLS.items()})(x)
    for (function, (_, wanted)), got in zip(CALLS.items(), made, strict=True):
        np.testing.assert_allclose(got, wanted(x), rtol=1e-4, atol=1e-5, err_msg=function)


def test_other_functions_are_refused_by_name_all_at_once(tmp_path):
    with pytest.raises(UnsupportedError, match=r"'py_function'(?s:.*)'math.bessel_i0'(?s:.*)'strings.lower'"):
        loaded(tmp_path, {"py_function": {}, "math.bessel_i0": {}, "strings.lower": {}})
