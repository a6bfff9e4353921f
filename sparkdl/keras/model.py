"""A net with ``compile``, ``fit``, ``evaluate`` and ``predict``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from sparkdl import nn, optim
from sparkdl.errors import UnsupportedError
from sparkdl.keras import names
from sparkdl.keras.callbacks import Callback, History
from sparkdl.keras.inputs import of_arrays, of_frame
from sparkdl.keras.listeners import Listeners, checked
from sparkdl.keras.steering import EarlyStopping, LearningRateScheduler, ReduceLROnPlateau
from sparkdl.optim.trainer import is_dataframe


class Model:
    """``module``, any net of this library, with Keras's methods; ``Model(inputs, outputs)`` makes one of nodes.

    ::

        model = keras.Model(nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3), nn.Softmax()))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], seed=1)
        history = model.fit(x, y, batch_size=64, epochs=10, validation_split=0.1)
        history = model.fit(df, "label", features="pixels", epochs=10)      # a Spark DataFrame
        model.evaluate(x, y), model.predict(x)

    What differs from Keras: metrics are measured on validation data only; each ``fit`` starts the optimizer anew; an
    epoch uses every row once.
    """

    def __init__(self, module: Any, outputs: Any = None) -> None:
        module = nn.Graph(module, outputs) if outputs is not None else module
        if not isinstance(module, nn.Module):
            raise TypeError(f"Model takes a sparkdl.nn.Module, or inputs and outputs, got {type(module).__name__}.")
        self.module: nn.Module = module
        self.optimizer: optim.UpdateRule | None = None
        self.loss: nn.Loss | None = None
        self.metrics: list[optim.Metric] = []
        self.history: History | None = None
        self.stop_training = False
        self._options: dict[str, Any] = {}

    def compile(
        self, optimizer: Any = "rmsprop", loss: Any = None, metrics: Sequence[Any] = (), loss_weights: Any = None,
        **trainer: Any,
    ) -> None:  # fmt: skip
        """Says how to train: objects of ``sparkdl.optim`` and ``sparkdl.nn``, or Keras's names for them.

        ``loss`` may be a list with one per output, weighted by ``loss_weights``. ``trainer`` are options of
        ``optim.Trainer``: ``seed``, ``clip``, ``tasks``, ``shards``, ``codec``, ``checkpoint`` and so on.
        """
        if loss is None:
            raise ValueError("compile: give a loss, as in compile('adam', 'mse').")
        taken = {"batch_size", "max_epochs", "end", "validate", "shuffle", "progress"} & trainer.keys()
        if taken:
            raise TypeError(f"compile: {', '.join(sorted(taken))} is for fit to say.")
        self.optimizer, self.loss = names.optimizer(optimizer), names.loss(loss, loss_weights)
        self.metrics = [names.metric(each, self.loss) for each in metrics]
        self._options = trainer
        self._trainer()  # refuses wrong options now

    def fit(
        self, x: Any, y: Any = None, batch_size: int = 32, epochs: int = 1, verbose: Any = "auto",
        callbacks: Sequence[Callback] = (), validation_split: float = 0.0, validation_data: Any = None,
        shuffle: bool = True, class_weight: dict[int, float] | None = None, sample_weight: Any = None,
        initial_epoch: int = 0, steps_per_epoch: int | None = None, validation_freq: int = 1,
        features: Any = "features",
    ) -> History:  # fmt: skip
        """Trains and returns the history.

        x, y           arrays (lists or dicts of them for several inputs), or a DataFrame and its label column
        features       the DataFrame's columns of inputs
        verbose        0: no progress bar
        validation_split   the share of rows, the last ones, to validate on (arrays)
        validation_data    ``(x, y)`` or ``(x, y, sample_weight)``; a DataFrame of the same columns
        class_weight   what samples of a class count for; ``sample_weight``: one number per sample, a DataFrame's column
        initial_epoch  the first epoch's number, of ``epochs``; shuffling then starts from another seed
        """
        self._check_compiled()
        if steps_per_epoch is not None:
            raise UnsupportedError("fit: an epoch uses every row once, so steps_per_epoch follows from batch_size.")
        if not epochs > initial_epoch >= 0:
            raise ValueError(f"fit: epochs must be > initial_epoch >= 0, got {epochs!r} and {initial_epoch!r}.")
        spark, history = is_dataframe(x), History()
        told = [*checked(callbacks), history]
        if spark:
            made = of_frame(x, y, features, validation_split, validation_data, class_weight, sample_weight)
        else:
            made = of_arrays(x, y, validation_split, validation_data, class_weight, sample_weight)
        data, held_out, columns = made
        trainer = self._trainer(
            batch_size=batch_size, shuffle=shuffle, progress=verbose not in (0, "0", False),
            validate=optim.every_epoch(validation_freq), end=self._end(told, epochs - initial_epoch, spark),
            optimizer=self._scheduled(told, initial_epoch),
        )  # fmt: skip
        trainer.seed += initial_epoch
        metrics = [optim.Loss(name="val_loss"), *self.metrics]
        params = {
            "epochs": epochs, "batch_size": batch_size, "distributed": spark,
            "metrics": ["loss", *(metric.name for metric in metrics if held_out is not None)],
        }  # fmt: skip
        self.stop_training = False
        listeners = Listeners(told, self, initial_epoch, epochs, params)
        listeners.begin()
        history.trainer = trainer.fit(
            data, validation=held_out, metrics=metrics, on_epoch=listeners.on_epoch, **columns
        )
        listeners.end()
        self.history = history
        return history

    def evaluate(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False, features: Any = "features"
    ) -> Any:
        """The loss, or a list of the loss and the metrics, or with ``return_dict`` a dict of them by name."""
        self._check_compiled()
        trainer = self._trainer()
        metrics = [optim.Loss(name="val_loss"), *self.metrics]
        if is_dataframe(x):
            columns = {"features": features, "label": y, "weight": sample_weight}
            found = trainer.evaluate(x, metrics=metrics, **columns)
        else:
            found = trainer.evaluate((x, y) if sample_weight is None else (x, y, sample_weight), metrics=metrics)
        figures = {name.removeprefix("val_"): value for name, value in found.items()}
        if return_dict:
            return figures
        return list(figures.values()) if len(figures) > 1 else figures["loss"]

    def predict(self, x: Any, batch_size: int = 256, features: Any = "features") -> Any:
        """The outputs for arrays; for a DataFrame the same rows with a column ``prediction`` more."""
        if not is_dataframe(x):
            return self.module.predict(x, batch_size)
        from sparkdl.ml import NNModel

        columns: dict[str, Any] = {"featuresCol": features}
        if not isinstance(features, str):
            columns = {"featuresCols": list(features)}
        if isinstance(features, dict):
            columns["featuresShape"] = {name: list(shape) for name, shape in features.items()}
        return NNModel(model=self.module, predictBatchSize=batch_size, **columns).transform(x)

    def __call__(self, *xs: Any) -> Any:
        return self.module(*xs)

    def summary(self, *input_shapes: tuple[int, ...]) -> str:
        """A table of layers, output shapes and parameter counts; shapes without the batch axis."""
        return self.module.summary(*input_shapes)

    def save(self, filepath: str | os.PathLike[str]) -> None:
        """Writes the net into a folder: ``Model(nn.load(folder))`` brings it back."""
        self.module.save(os.fspath(filepath))

    # -- inside ----------------------------------------------------------------------------------------------------
    def _check_compiled(self) -> None:
        if self.loss is None:
            raise RuntimeError("compile the model first: model.compile('adam', 'mse').")

    def _trainer(self, optimizer: Any = None, **more: Any) -> optim.Trainer:
        return optim.Trainer(self.module, self.loss, optimizer or self.optimizer, **self._options, **more)

    def _end(self, callbacks: Sequence[Callback], epochs: int, spark: bool) -> optim.Trigger:
        """Epochs, early stopping, and for arrays what callbacks ask for."""
        asked = [] if spark else [lambda progress: self.stop_training]
        early = [each.trigger() for each in callbacks if isinstance(each, EarlyStopping)]
        return optim.or_(optim.max_epoch(epochs), *early, *asked)

    def _scheduled(self, callbacks: Sequence[Callback], first: int) -> optim.UpdateRule:
        """The optimizer with the schedules of callbacks, behind its own."""
        rule = self.optimizer
        assert rule is not None
        steering = (ReduceLROnPlateau, LearningRateScheduler)
        made = [each.schedule(first) for each in callbacks if isinstance(each, steering)]
        if not made:
            return rule
        own = rule.schedule if isinstance(rule.schedule, dict) else {"lr": rule.schedule} if rule.schedule else {}
        chain = [own["lr"], *made] if "lr" in own else made
        schedule = {**own, "lr": chain[0] if len(chain) == 1 else optim.ChainedLR(*chain)}
        return type(rule)(**{**rule.arguments(), "schedule": schedule})


class Sequential(Model):
    """``Model(nn.Sequential(*layers))``; ``add`` puts a layer behind the others."""

    def __init__(self, layers: Sequence[nn.Module] = ()) -> None:
        super().__init__(nn.Sequential(*layers))

    def add(self, layer: nn.Module) -> None:
        assert isinstance(self.module, nn.Sequential)
        self.module.append(layer)
