"""Arguments of an operation in a functional model."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.importers.keras.convert import Conversion
from sparkdl.importers.keras.tensor import Tensor

# names that Keras and TensorFlow give to one argument
_ALIASES = {
    "y": "x2", "b": "x2", "bias": "x2", "a": "x1", "x": "x1", "input": "x1", "inputs": "x1", "features": "x1", "logits": "x1", "value": "x1",
    "input_tensor": "x1", "matrix": "x1", "rhs": "x2", "tensor": "x1", "params": "x1", "values": "xs", "tensors": "xs", "arrays": "xs", "dim": "axis",
    "perm": "axes", "newshape": "shape", "target_shape": "shape", "keepdim": "keepdims", "paddings": "pad_width",
    "num_or_size_splits": "indices_or_sections", "multiples": "repeats", "depth": "num_classes",
}  # fmt: skip


class Arguments:
    """Arguments by position or keyword, tensors and constants."""

    def __init__(self, c: Conversion, *names: str) -> None:
        self.c = c
        self.values: dict[str, Any] = dict(zip(names, c.args, strict=False))
        config = {k: v for k, v in c.spec.config.items() if k not in ("name", "trainable", "dtype", "function", "module", "data_format")}
        for key, value in [*config.items(), *c.kwargs.items()]:
            short = _ALIASES.get(key, key)
            if short == "x1" and short in self.values and "x2" in names:
                short = "x2"  # tf.math.atan2(y, x)
            key = short if short in names and key not in names else key
            if key in names or key not in self.values:
                self.values.setdefault(key, value)

    def __getitem__(self, name: str) -> Any:
        return self.values.get(name)

    def tensor(self, name: str = "x1") -> Tensor:
        value = self.values.get(name)
        if not isinstance(value, Tensor):
            raise self.c.refuse(f"argument {name} is {str(value)[:60]!r}, not a tensor of the model")
        return value

    def constant(self, name: str) -> Any:
        """A number, or an array of numbers."""
        return constant(self.c, self.values.get(name))

    def axes(self, ndim: int, default: Any = None) -> tuple[int, ...]:
        """Axes other than the batch."""
        axis = self["axis"] if self["axis"] is not None else default
        axis = axis.get("items") if isinstance(axis, dict) else axis  # a tuple, written out
        axes = [axis] if isinstance(axis, int) else list(axis or [])
        if not axes or not all(isinstance(a, int) and -ndim <= a < ndim and a % ndim for a in axes):
            raise self.c.refuse(f"axes {axis!r} take in the batch")
        return tuple(sorted({a % ndim for a in axes}))

    def axis(self, ndim: int, default: Any = None) -> int:
        axes = self.axes(ndim, default)
        if len(axes) != 1:
            raise self.c.refuse(f"axes {axes}; one is known")
        return axes[0]


def constant(c: Conversion, value: Any) -> Any:
    if isinstance(value, dict):
        inner = value.get("config", value)
        value = inner.get("value") if isinstance(inner, dict) else None
    if isinstance(value, bool) or value is None:
        raise c.refuse(f"a constant {value!r}")
    try:
        array = np.asarray(value, np.float32)
    except (ValueError, TypeError):
        raise c.refuse(f"a constant {str(value)[:60]!r}") from None
    return float(array) if array.ndim == 0 else array
