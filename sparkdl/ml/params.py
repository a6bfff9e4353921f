"""The params of the stages, in the groups in which stages share them; Spark's own shared params as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import (
    HasFeaturesCol,
    HasLabelCol,
    HasPredictionCol,
    HasSeed,
    HasValidationIndicatorCol,
    HasWeightCol,
)

from sparkdl.ml import objects

OUTPUT_TYPES = ("vector", "array", "double")
INVALID = ("error", "skip", "keep")
LOCALLY = ("auto", "always", "never")


def _param(name: str, doc: str, converter: Callable[[Any], Any]) -> Param[Any]:
    return Param(Params._dummy(), name, doc, typeConverter=converter)


def one_of(name: str, allowed: tuple[str, ...]) -> Callable[[Any], str]:
    """Converter of a param that has one of these values."""

    def convert(value: Any) -> str:
        if value not in allowed:
            raise TypeError(f"{name} must be one of {', '.join(allowed)}, got {value!r}.")
        return str(value)

    return convert


def at_least(name: str, least: float, whole: bool = True) -> Callable[[Any], Any]:
    """Converter of a param that is a (whole) number not below ``least``."""

    def convert(value: Any) -> Any:
        number = TypeConverters.toInt(value) if whole else TypeConverters.toFloat(value)
        if not number >= least:
            raise TypeError(f"{name} must be {'a whole number' if whole else 'a number'} >= {least}, got {value!r}.")
        return number

    return convert


def to_columns(value: Any) -> Any:
    """Converter of featuresCols: names of columns in the order of the inputs, or ``{input: column}``."""
    if isinstance(value, Mapping) and value:
        return {TypeConverters.toString(k): TypeConverters.toString(v) for k, v in value.items()}
    return TypeConverters.toListString(value)


def to_shapes(value: Any) -> Any:
    """Converter of featuresShape: sizes, or ``{column: sizes}``."""
    if isinstance(value, Mapping):
        return {TypeConverters.toString(k): TypeConverters.toListInt(v) for k, v in value.items()}
    return TypeConverters.toListInt(value)


def to_dtypes(value: Any) -> Any:
    """Converter of featuresDtype: a dtype, or ``{column: dtype}``."""
    if isinstance(value, Mapping):
        return {TypeConverters.toString(k): TypeConverters.toString(v) for k, v in value.items()}
    return TypeConverters.toString(value)


def to_metrics(value: Any) -> list[Any]:
    """Converter of metrics."""
    return [objects.as_metric(each) for each in (value if isinstance(value, list | tuple) else [value])]


def _checked(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A name stays a name, so that it can be shown and saved as such; it is looked up now all the same."""

    def checked(value: Any) -> Any:
        made = convert(value)
        return value if isinstance(value, str) else made

    return checked


def _rule(value: Any) -> Any:
    return objects.rule_with_rate(value, 0.0) if isinstance(value, str) else objects.as_rule(value)


class InputParams(HasFeaturesCol):
    """What the model is given."""

    model = _param("model", "the net: a sparkdl.nn.Module", objects.as_module)
    featuresCols = _param(
        "featuresCols",
        "columns for a model with several inputs, in place of featuresCol: names in the order of its inputs, or a dict "
        "{input name: column}.",
        to_columns,
    )
    featuresShape = _param(
        "featuresShape",
        "shape of a row of features without the batch axis, as [1, 28, 28]; a dict {column: shape} for several inputs. "
        "By default rows are given as they are.",
        to_shapes,
    )
    featuresDtype = _param(
        "featuresDtype",
        "dtype of the features (float32, float64, int32, int64); a dict {column: dtype} for several inputs. By default "
        "the model's; ids need int64.",
        to_dtypes,
    )

    def getNet(self) -> Any:
        """The model's module; an error if it is not set."""
        if not self.isSet(self.model):
            raise ValueError(f"{type(self).__name__}: set model, a sparkdl.nn.Module.")
        return self.getOrDefault(self.model)

    def columns(self) -> dict[str, Any]:
        """``{input: Column}`` in the order of the model's inputs."""
        from sparkdl.data.fields import Column

        if not self.isSet(self.featuresCols):
            named = {self.getFeaturesCol(): self.getFeaturesCol()}
        else:
            given = self.getOrDefault(self.featuresCols)
            named = self._ordered(given) if isinstance(given, Mapping) else {name: name for name in given}
        shapes, dtypes = (self._value(param) for param in (self.featuresShape, self.featuresDtype))
        found = {}
        for key, name in named.items():
            shape = shapes.get(name) if isinstance(shapes, Mapping) else shapes
            found[key] = Column(name, None if not shape else tuple(shape), _of(dtypes, name))
        return found

    def _ordered(self, given: Mapping[str, str]) -> dict[str, str]:
        names = getattr(self.getNet(), "input_names", None)
        if names is None or set(names) != set(given):
            raise ValueError(f"featuresCols names the inputs {list(given)}; the model's inputs are {names}.")
        return {name: given[name] for name in names}

    def _value(self, param: Param[Any]) -> Any:
        """The value of a param that has no default; None where it is not set."""
        return self.getOrDefault(param) if self.isDefined(param) else None


def _of(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else value


class ScoringParams(InputParams, HasPredictionCol):
    """How a model's outputs become columns."""

    predictBatchSize = _param(
        "predictBatchSize", "rows that are scored together (>= 1).", at_least("predictBatchSize", 1)
    )
    handleInvalid = _param(
        "handleInvalid",
        "what to do with rows that cannot be scored (null, null inside an array, another length than the others): "
        "error, skip (drop the row) or keep (the row stays, its outputs are null).",
        one_of("handleInvalid", INVALID),
    )
    outputCols = _param(
        "outputCols", "columns for a model with several outputs, in their order, in place of predictionCol.",
        TypeConverters.toListString,
    )  # fmt: skip
    outputType = _param(
        "outputType",
        "type of the outputs' columns: vector (an ML vector), array (of float, nested where an output has several "
        "axes) or double (one number per row).",
        one_of("outputType", OUTPUT_TYPES),
    )
    outputLayer = _param(
        "outputLayer", "name of a layer whose output is taken in place of the model's: features of an inner layer.",
        TypeConverters.toString,
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(predictBatchSize=256, handleInvalid="error", outputType="vector")


class TrainingParams(HasLabelCol, HasWeightCol, HasValidationIndicatorCol, HasSeed):
    """How the model is trained."""

    loss = _param("loss", 'what training makes small: a loss of sparkdl.nn or its name, as "cross_entropy".',
                  _checked(objects.as_loss))  # fmt: skip
    optimizer = _param("optimizer", 'update rule of sparkdl.optim or its name, as "adam".', _checked(_rule))
    learningRate = _param("learningRate", "the update rule's learning rate (>= 0), in place of its own.",
                          at_least("learningRate", 0, whole=False))  # fmt: skip
    batchSize = _param("batchSize", "rows per step over all tasks (>= 1).", at_least("batchSize", 1))
    maxEpochs = _param("maxEpochs", "epochs after which training ends (>= 1).", at_least("maxEpochs", 1))
    metrics = _param("metrics", "figures of the validation rows: metrics of sparkdl.optim or their names.", to_metrics)
    patience = _param(
        "patience",
        "early stopping: training ends after this many epochs in which monitor has not become better, and the model is "
        "the best epoch's; 0: never. Needs validationIndicatorCol.",
        at_least("patience", 0),
    )
    minDelta = _param("minDelta", "early stopping: the least change that counts as better (>= 0).",
                      at_least("minDelta", 0, whole=False))  # fmt: skip
    monitor = _param("monitor", "early stopping: the validation figure to look at.", TypeConverters.toString)
    monitorMode = _param("monitorMode", "early stopping: whether monitor is better when it is min or max.",
                         one_of("monitorMode", ("min", "max")))  # fmt: skip
    clipNorm = _param("clipNorm", "the gradient's norm is scaled down to this where it is larger (> 0).",
                      at_least("clipNorm", 0, whole=False))  # fmt: skip
    numTasks = _param("numTasks", "Spark tasks that train together (>= 1); by default the free slots.",
                      at_least("numTasks", 1))  # fmt: skip
    numShards = _param("numShards", "virtual shards: the result depends on it, not on numTasks, which it limits.",
                       at_least("numShards", 1))  # fmt: skip
    trainLocally = _param(
        "trainLocally",
        "train in the driver, on rows collected there: auto (if Spark knows the rows to be few), always, never. The "
        "result is the same.",
        one_of("trainLocally", LOCALLY),
    )
    checkpointPath = _param(
        "checkpointPath",
        "folder for checkpoints, one at the end of every epoch; driver and executors must share it.",
        TypeConverters.toString,
    )
    resume = _param(
        "resume",
        "whether fit goes on from the newest checkpoint in checkpointPath, if there is one; the rows and settings must "
        "be the same, maxEpochs may be larger.",
        TypeConverters.toBoolean,
    )
    progress = _param("progress", "whether to show a progress bar.", TypeConverters.toBoolean)

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(
            seed=0, optimizer="adam", batchSize=32, maxEpochs=10, patience=0, minDelta=0.0, monitor="Loss",
            monitorMode="min", numShards=8, trainLocally="auto", resume=False, progress=False,
        )  # fmt: skip
