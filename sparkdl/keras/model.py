"""A net with ``compile``, ``fit``, ``evaluate`` and ``predict``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sparkdl import nn, optim
from sparkdl.errors import UnsupportedError
from sparkdl.keras import names
from sparkdl.keras.callback import Callback, History
from sparkdl.keras.compiled import Compiled, compiled
from sparkdl.keras.inputs import checked_weights, of_arrays, of_frame
from sparkdl.keras.listeners import checked
from sparkdl.keras.outputs import inputs_in_order, outputs_of
from sparkdl.keras.training import Carried, Fit
from sparkdl.optim.inputs import in_models_order
from sparkdl.optim.trainer import is_dataframe

OF_FIT = {"batch_size", "max_epochs", "end", "validate", "shuffle", "progress", "steps_per_epoch", "optimizer"}


class Model:
    """``module``, any net of this library, with Keras's methods; ``Model(inputs, outputs)`` makes one of nodes, where
    ``outputs`` may be a dict of them by name.

    ::

        model = keras.Model(nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3), nn.Softmax()))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], seed=1)
        history = model.fit(x, y, batch_size=64, epochs=10, validation_split=0.1)
        history = model.fit(df, "label", features="pixels", epochs=10)      # a Spark DataFrame
        model.evaluate(x, y), model.predict(x)

    An epoch uses every row once, and numbers do not depend on how many tasks train.
    """

    def __init__(self, module: Any, outputs: Any = None) -> None:
        named = isinstance(outputs, Mapping)
        module = nn.Graph(module, outputs) if outputs is not None else module
        if not isinstance(module, nn.Module):
            raise TypeError(f"Model takes a sparkdl.nn.Module, or inputs and outputs, got {type(module).__name__}.")
        self.module: nn.Module = module
        self._mapped = named
        self.optimizer: optim.UpdateRule | None = None
        self.compiled: Compiled | None = None
        self.history: History | None = None
        self.stop_training = False
        self._options: dict[str, Any] = {}
        self._carried = Carried()

    @property
    def loss(self) -> nn.Loss | None:
        """What training makes small."""
        return None if self.compiled is None else self.compiled.loss

    @property
    def metrics(self) -> list[optim.Metric]:
        """What is measured beside the loss."""
        return [] if self.compiled is None else self.compiled.metrics

    @property
    def output_names(self) -> list[str]:
        """The names under which losses, metrics and targets of several outputs go."""
        known = self.compiled.outputs if self.compiled is not None else outputs_of(self.module)
        return [] if known is None else list(known.names)

    def compile(
        self, optimizer: Any = "rmsprop", loss: Any = None, metrics: Any = None,
        loss_weights: Any = None, weighted_metrics: Any = None, **trainer: Any,
    ) -> None:  # fmt: skip
        """Says how to train: objects of ``sparkdl.optim`` and ``sparkdl.nn``, or Keras's names for them.

        For a model of several outputs ``loss`` is one for each of them, or a list or a dict by ``output_names``, with
        None for an output that is not trained; ``loss_weights``, ``metrics`` and ``weighted_metrics`` are lists with an
        entry per output, or dicts by name. Sample weights count in ``weighted_metrics`` and not in ``metrics``.
        ``trainer`` are options of ``optim.Trainer``: ``seed``, ``clip``, ``tasks``, ``shards``, ``codec``,
        ``checkpoint`` and so on. The optimizer starts without state.
        """
        if loss is None:
            raise ValueError("compile: give a loss, as in compile('adam', 'mse').")
        taken = OF_FIT & trainer.keys()
        if taken:
            raise TypeError(f"compile: {', '.join(sorted(taken))} is for fit to say.")
        for given in (metrics, weighted_metrics):
            if given is not None and not isinstance(given, list | tuple | Mapping):
                raise TypeError(f"compile: metrics is a list of metrics, as in metrics=['accuracy'], got {given!r}.")
        made = compiled(self.module, loss, loss_weights, metrics, weighted_metrics)
        self.optimizer, self.compiled = names.optimizer(optimizer), made
        self._options = trainer
        self._carried = Carried()
        self._trainer()  # refuses wrong options now

    def fit(
        self, x: Any, y: Any = None, batch_size: int | None = None, epochs: int = 1, verbose: Any = "auto",
        callbacks: Any = None, validation_split: float = 0.0, validation_data: Any = None, shuffle: bool = True,
        class_weight: dict[int, float] | None = None, sample_weight: Any = None, initial_epoch: int = 0,
        steps_per_epoch: int | None = None, validation_steps: int | None = None,
        validation_batch_size: int | None = None, validation_freq: int | list[int] = 1, features: Any = "features",
    ) -> History:  # fmt: skip
        """Trains and returns the history; a second call goes on with the optimizer's state.

        x, y           arrays, lists of them or dicts by name for several inputs and outputs; or a DataFrame and its
                       label column, for several outputs a list of columns or a dict by name
        batch_size     32 if it is not given
        features       the DataFrame's columns of inputs
        verbose        0: no progress bar
        callbacks      one, or a list of them
        validation_split   the share of rows to validate on: of arrays the last ones, of a DataFrame by their hash
        validation_data    ``(x, y)`` or ``(x, y, sample_weight)``; a DataFrame of the same columns
        class_weight   what samples of a class count for; ``sample_weight``: one number per sample, a DataFrame's column
        initial_epoch  the first epoch's number, of ``epochs``
        steps_per_epoch    ends each epoch after so many batches of its shuffled rows
        validation_freq    validate after every so many epochs, or after those in a list (counted from 1)

        ``validation_batch_size`` changes no figure; ``validation_steps`` is refused: all rows are looked at.
        """
        made = self._check_compiled()
        if validation_steps is not None:
            raise UnsupportedError("fit: validation looks at all rows; give fewer in validation_data.")
        if not epochs > initial_epoch >= 0:
            raise ValueError(f"fit: epochs must be > initial_epoch >= 0, got {epochs!r} and {initial_epoch!r}.")
        spark = is_dataframe(x)
        told = checked(callbacks, spark)
        y, many = made.targets(y, spark), len(made.outputs.names) > 1
        sample_weight = checked_weights(many, class_weight, sample_weight, spark)
        if spark:
            of = of_frame(x, y, features, validation_split, validation_data, class_weight, sample_weight)
        else:
            x, held = inputs_in_order(self.module, x), self._arrays(validation_data)
            of = of_arrays(x, y, validation_split, held, class_weight, sample_weight)
        trainer = {
            "batch_size": 32 if batch_size is None else batch_size, "shuffle": shuffle,
            "progress": verbose not in (0, "0", False), "steps_per_epoch": steps_per_epoch,
        }  # fmt: skip
        self.history = Fit(self, of, told, initial_epoch, epochs, validation_freq, spark).run(trainer)
        return self.history

    def evaluate(
        self, x: Any, y: Any = None, batch_size: int | None = None, verbose: Any = "auto", sample_weight: Any = None,
        steps: int | None = None, callbacks: Any = None, return_dict: bool = False, features: Any = "features",
    ) -> Any:  # fmt: skip
        """The loss, or a list of the loss and the metrics, or with ``return_dict`` a dict of them by name.

        ``batch_size`` changes no figure; ``steps`` is refused: all rows are looked at.
        """
        made = self._check_compiled()
        if steps is not None:
            raise UnsupportedError("evaluate looks at all rows; give it fewer.")
        trainer, told = self._trainer(), self._told(callbacks)
        metrics = [optim.Loss(name="loss"), *self.metrics]
        for each in told:
            each.on_test_begin({})
        if is_dataframe(x):
            columns = {"features": features, "label": made.targets(y, True), "weight": sample_weight}
            figures = trainer.evaluate(x, metrics=metrics, **columns)
        else:
            data = self._arrays((x, y) if sample_weight is None else (x, y, sample_weight))
            figures = trainer.evaluate(data, metrics=metrics)
        for each in told:
            each.on_test_end(dict(figures))
        if return_dict:
            return figures
        return list(figures.values()) if len(figures) > 1 else figures["loss"]

    def predict(
        self, x: Any, batch_size: int | None = None, verbose: Any = "auto", steps: int | None = None,
        callbacks: Any = None, features: Any = "features",
    ) -> Any:  # fmt: skip
        """The outputs for arrays, several as a list, or as a dict if they were given as one; for a DataFrame the same
        rows with a column ``prediction`` more, for several outputs with ``prediction_<name>`` for each.
        """
        if steps is not None:
            raise UnsupportedError("predict takes all rows; give it fewer.")
        told, batch_size = self._told(callbacks), 256 if batch_size is None else batch_size
        for each in told:
            each.on_predict_begin({})
        if is_dataframe(x):
            found = self._predict_frame(x, batch_size, features)
        else:
            found = self.module.predict(inputs_in_order(self.module, x), batch_size)
            if self._mapped:
                found = dict(zip(self.output_names, found if isinstance(found, list) else [found], strict=True))
        for each in told:
            each.on_predict_end({})
        return found

    def _predict_frame(self, df: Any, batch_size: int, features: Any) -> Any:
        from sparkdl.ml import NNModel

        features = in_models_order(self.module, features)
        columns: dict[str, Any] = {"featuresCol": features}
        if not isinstance(features, str):
            columns = {"featuresCols": list(features)}
        if isinstance(features, dict):
            columns["featuresShape"] = {name: list(shape) for name, shape in features.items()}
        if len(self.output_names) > 1:
            columns["outputCols"] = [f"prediction_{name}" for name in self.output_names]
        return NNModel(model=self.module, predictBatchSize=batch_size, **columns).transform(df)

    def __call__(self, *xs: Any) -> Any:
        return self.module(*xs)

    def summary(self, *input_shapes: tuple[int, ...]) -> str:
        """A table of layers, output shapes and parameter counts; shapes without the batch axis."""
        return self.module.summary(*input_shapes)

    def save(self, filepath: str | os.PathLike[str]) -> None:
        """Writes the net into a folder: ``Model(nn.load(folder))`` brings it back."""
        self.module.save(os.fspath(filepath))

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights and buffers, in the order in which `set_weights` takes them."""
        return list(self.module.state_dict().values())

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Takes what `get_weights` gave."""
        known = list(self.module.state_dict())
        if len(weights) != len(known):
            raise ValueError(f"set_weights: the model has {len(known)} arrays, got {len(weights)}.")
        self.module.load_state_dict(dict(zip(known, weights, strict=True)))

    def save_weights(self, filepath: str | os.PathLike[str]) -> None:
        """Writes weights and buffers by name into one ``.npz`` file."""
        with open(filepath, "wb") as file:
            np.savez(file, **self.module.state_dict())  # type: ignore[arg-type]

    def load_weights(self, filepath: str | os.PathLike[str]) -> None:
        """Takes what `save_weights` wrote."""
        with np.load(filepath, allow_pickle=False) as arrays:
            self.module.load_state_dict(dict(arrays))

    # -- inside ----------------------------------------------------------------------------------------------------
    def _check_compiled(self) -> Compiled:
        if self.compiled is None:
            raise RuntimeError("compile the model first: model.compile('adam', 'mse').")
        return self.compiled

    def _arrays(self, data: Any) -> Any:
        """``(x, y)`` or ``(x, y, weight)`` with inputs and targets in the order in which model and loss take them."""
        if not isinstance(data, tuple | list) or not 2 <= len(data) <= 3:
            return data
        x, y, *weight = data
        weights = [checked_weights(len(self.output_names) > 1, None, each) for each in weight]
        return inputs_in_order(self.module, x), self._check_compiled().targets(y), *weights

    def _told(self, callbacks: Any) -> list[Callback]:
        told = checked(callbacks)
        for each in told:
            each.set_model(self)
        return told

    def _trainer(self, **more: Any) -> optim.Trainer:
        return optim.Trainer(self.module, self.loss, **{"optimizer": self.optimizer, **self._options, **more})


class Sequential(Model):
    """``Model(nn.Sequential(*layers))``; ``add`` puts a layer behind the others."""

    def __init__(self, layers: Sequence[nn.Module] = ()) -> None:
        super().__init__(nn.Sequential(*layers))

    def add(self, layer: nn.Module) -> None:
        assert isinstance(self.module, nn.Sequential)
        self.module.append(layer)
