"""NNEstimator and NNModel: any net as a stage of a Spark ML pipeline."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from pyspark.ml.base import Estimator, Model
from pyspark.ml.util import MLReadable, MLWritable

from sparkdl.errors import DataError
from sparkdl.ml import objects
from sparkdl.ml.fitting import fit
from sparkdl.ml.outputs import Head, Plain
from sparkdl.ml.params import ScoringParams, TrainingParams
from sparkdl.ml.persist import StageReader, StageWriter
from sparkdl.ml.stage import stage
from sparkdl.ml.summary import TrainingSummary
from sparkdl.nn.module import Module

if TYPE_CHECKING:
    from sparkdl.optim.trainer import Trainer


class Persistent(MLWritable, MLReadable):
    """``write()``, ``save(path)``, ``read()``, ``load(path)``: see docs/ml.md for what lies in the folder."""

    def write(self) -> StageWriter:
        return StageWriter(self)

    @classmethod
    def read(cls) -> StageReader:
        return StageReader(cls)


@stage
class NNEstimator(Estimator, ScoringParams, TrainingParams, Persistent):
    """Trains ``model`` to make ``loss`` small on the rows of a DataFrame: ``fit(df)`` gives an `NNModel`.

        NNEstimator(model=net, loss="mse", optimizer=optim.Adam(lr=1e-3), featuresCol="x", labelCol="y", maxEpochs=5)

    The estimator's own model is left as it is; every fit starts from its weights. All params are keywords of the
    constructor, and have ``setX`` and ``getX``; `explainParams` tells what they mean.
    """

    def __init__(self) -> None:
        super().__init__()

    def _fit(self, dataset: Any) -> NNModel:
        train, validation = self._split(dataset)
        trainer = self._trainer()
        where = self.getOrDefault(self.trainLocally)
        history = fit(trainer, train, self._columns(), validation, self._metrics(), where, self._resume())
        model = self._make_model(trainer.model.eval())
        model._history = [dict(epoch) for epoch in history]
        return model

    def _trainer(self) -> Trainer:
        """A trainer of a copy of the model."""
        from sparkdl.optim.trainer import Trainer

        return Trainer(
            copy.deepcopy(self.getNet()),
            self._loss(),
            objects.rule_with_rate(self.getOrDefault(self.optimizer), self._value(self.learningRate)),
            batch_size=self.getOrDefault(self.batchSize),
            end=self._end(),
            seed=self.getOrDefault(self.seed),
            shards=self.getOrDefault(self.numShards),
            clip=self._clip(),
            tasks=self._value(self.numTasks),
            progress=self.getOrDefault(self.progress),
            checkpoint=self._value(self.checkpointPath),
        )

    def _columns(self) -> dict[str, Any]:
        """The columns as `Trainer.fit` takes them."""
        weight = self._value(self.weightCol) or None
        return {"features": self.columns(), "label": self._label(), "weight": weight, "order_by": None}

    def _make_model(self, net: Module) -> NNModel:
        """The fitted model of this net, with the params that it shares with the estimator."""
        model = self._copyValues(self._model_class()()._resetUid(self.uid))
        return model._set(model=net)

    # what kinds of estimators differ in
    def _model_class(self) -> type[NNModel]:
        return NNModel

    def _label(self) -> Any:
        return self.getLabelCol()

    def _metrics(self) -> tuple[Any, ...]:
        return tuple(self._value(self.metrics) or ())

    # the trainer's arguments
    def _loss(self) -> Any:
        if not self.isDefined(self.loss):
            raise ValueError(f"{type(self).__name__}: set loss, as loss=\"mse\".")
        return objects.as_loss(self.getOrDefault(self.loss))

    def _end(self) -> Any:
        from sparkdl.optim import early_stopping, max_epoch

        end, patience = max_epoch(self.getOrDefault(self.maxEpochs)), self.getOrDefault(self.patience)
        if not patience:
            return end
        if not self.isSet(self.validationIndicatorCol):
            raise ValueError("early stopping (patience) looks at validation rows: set validationIndicatorCol.")
        monitor, mode = self.getOrDefault(self.monitor), self.getOrDefault(self.monitorMode)
        names = [metric.name for metric in self._metrics()] or ["Loss"]
        if monitor not in names:
            raise ValueError(f"monitor={monitor!r} is none of the metrics: {', '.join(names)}.")
        return end | early_stopping(monitor, patience, self.getOrDefault(self.minDelta), mode)

    def _resume(self) -> str | None:
        """The folder to go on from."""
        if not self.getOrDefault(self.resume):
            return None
        if not self._value(self.checkpointPath):
            raise ValueError("resume goes on from a checkpoint: set checkpointPath.")
        return self.getOrDefault(self.checkpointPath)

    def _clip(self) -> Any:
        from sparkdl.optim import ClipNorm

        norm = self._value(self.clipNorm)
        return None if norm is None else ClipNorm(norm)

    def _split(self, dataset: Any) -> tuple[Any, Any]:
        """Training rows and validation rows."""
        if not self._value(self.validationIndicatorCol):
            return dataset, None
        from pyspark.sql import functions as F

        name = self.getValidationIndicatorCol()
        if name not in dataset.columns:
            raise DataError(f"validationIndicatorCol: there is no column {name!r} among {', '.join(dataset.columns)}.")
        held_out = F.coalesce(F.col(f"`{name}`").cast("boolean"), F.lit(False))
        return dataset.filter(~held_out), dataset.filter(held_out)


@stage
class NNModel(Model, ScoringParams, Persistent):
    """Appends a net's outputs to the rows of a DataFrame; fitted by `NNEstimator`, or made of any model.

        NNModel(model=load_keras("net.h5"), featuresCol="image", featuresShape=[28, 28, 1]).transform(df)

    ``transform`` is lazy, keeps rows, their order and their columns, and works on streams.
    """

    def __init__(self) -> None:
        super().__init__()
        self._history: list[dict[str, Any]] | None = None

    @property
    def net(self) -> Module:
        """The module, up to ``outputLayer`` if that is set."""
        layer = self._value(self.outputLayer)
        return self.getNet().upto(layer) if layer else self.getNet()

    def copy(self, extra: Any = None) -> NNModel:
        """A copy with these params; a fitted model keeps its own net.

        CrossValidator hands the params of a fit to ``transform`` too: a net among them is the one not yet trained.
        """
        if self._history is not None:
            extra = {param: value for param, value in (extra or {}).items() if param.name != "model"}
        return super().copy(extra)

    def upto(self, layer: str) -> NNModel:
        """An `NNModel` that gives the output of an inner layer: ``model.upto("pool2")``; the weights are shared."""
        _ = self.getNet()[layer]  # an error names the layers that there are
        made = self._copyValues(NNModel())
        return made._set(outputLayer=layer, model=self.getNet())

    @property
    def hasSummary(self) -> bool:
        """Whether the model was fitted here or saved with its history."""
        return self._history is not None

    @property
    def summary(self) -> TrainingSummary:
        """How training went."""
        if self._history is None:
            raise RuntimeError(f"{self.uid} has no training summary: it was not fitted, but made of a model.")
        return TrainingSummary(self._history)

    def _transform(self, dataset: Any) -> Any:
        from sparkdl.ml.append import append
        from sparkdl.ml.score import Scorer
        from sparkdl.ml.ship import ship

        columns = tuple(self.columns().values())
        values = [input_column(dataset, column) for column in columns]
        head = self._head(columns)
        taken = sorted(set(head.names) & set(dataset.columns))
        if taken:
            raise DataError(f"the column {taken[0]!r} exists already; drop it, or set another name for the output.")
        invalid = self.getOrDefault(self.handleInvalid)
        shipped = ship(dataset.sparkSession, self.net)
        scorer = Scorer(shipped, columns, head, self.getOrDefault(self.predictBatchSize), invalid == "error")
        return append(dataset, scorer, values, skip=invalid == "skip")

    def _head(self, columns: tuple[Any, ...]) -> Head:
        names = tuple(self._value(self.outputCols) or [self.getPredictionCol()])
        kind = self.getOrDefault(self.outputType)
        return Plain(names, kind, self._output_axes(columns, len(names)) if kind == "array" else (1,) * len(names))

    def _output_axes(self, columns: tuple[Any, ...], outputs: int) -> tuple[int, ...]:
        """Axes of each output, if the inputs' shapes are known; else one, and arrays are flat."""
        net = self.net
        known = [getattr(node, "_example", None) for node in getattr(net, "inputs", ())]
        rows = [
            np.zeros((1, *column.shape), column.dtype or net.dtype) if column.shape else example
            for column, example in zip(columns, known or [None] * len(columns), strict=True)
        ]
        if any(row is None for row in rows):
            return (1,) * outputs
        return tuple(y.ndim - 1 for y in _as_list(net.predict(tuple(rows))))


def _as_list(outputs: Any) -> list[Any]:
    return outputs if isinstance(outputs, list) else [outputs]


def input_column(dataset: Any, column: Any) -> Any:
    """The Spark column of a `Column`; one clear error for a name or type that a model cannot take."""
    from pyspark.sql import functions as F

    from sparkdl.data.sources import Source

    if isinstance(column.name, str):
        source = Source.of(dataset, column.name, "features")
        if source.kind == "text":
            raise DataError(f"features: column {column.name!r} is text; make numbers of it first.")
        return source.column
    return F.array(*[Source.of(dataset, name, "features").column.cast("double") for name in column.name])
