"""NNClassifier and NNClassifierModel: scores of classes as rawPrediction, probability and prediction."""

from __future__ import annotations

from typing import Any

from pyspark.ml.param.shared import HasProbabilityCol, HasRawPredictionCol, HasThresholds

from sparkdl.ml.estimator import NNEstimator, NNModel
from sparkdl.ml.outputs import Classes, Head
from sparkdl.ml.params import _param, one_of
from sparkdl.ml.stage import stage

KINDS = ("auto", "logits", "log_probabilities", "probabilities")
_OF_LAYERS = {"LogSoftmax": "log_probabilities", "Softmax": "probabilities", "Sigmoid": "probabilities",
              "LogSigmoid": "log_probabilities"}  # fmt: skip


class ClassParams(HasRawPredictionCol, HasProbabilityCol, HasThresholds):
    """The columns of a classifier."""

    outputKind = _param(
        "outputKind",
        "what the model's output holds: logits, log_probabilities or probabilities of the classes (one value per row "
        "is class 1's of two); auto: what its last layer makes.",
        one_of("outputKind", KINDS),
    )

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(outputKind="auto")


@stage
class NNClassifier(NNEstimator, ClassParams):
    """Trains a net to tell classes apart; ``fit(df)`` gives an `NNClassifierModel`.

    Labels are whole numbers from 0, of any numeric type, as StringIndexer makes them. The net has one output per class
    (or one for two classes, with ``loss="bce_with_logits"``).
    """

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(loss="cross_entropy")

    def _model_class(self) -> type[NNModel]:
        return NNClassifierModel

    def _label(self) -> Any:
        from sparkdl.data.fields import Column

        return Column(self.getLabelCol(), dtype="int64")

    def _metrics(self) -> tuple[Any, ...]:
        given = super()._metrics()
        if given:
            return given
        from sparkdl.ml.objects import as_loss
        from sparkdl.optim import BinaryAccuracy, Loss, Top1Accuracy

        name = type(as_loss(self.getOrDefault(self.loss))).__name__
        accuracy = {"BCELoss": BinaryAccuracy(), "BCEWithLogitsLoss": BinaryAccuracy(threshold=0.0)}
        return (Loss(), accuracy.get(name, Top1Accuracy()))


@stage
class NNClassifierModel(NNModel, ClassParams):
    """A net that tells classes apart: appends rawPrediction and probability (ML vectors) and prediction (double).

    rawPrediction is the net's output as it is. With ``thresholds`` the class with the largest
    ``probability / threshold`` is predicted. A column whose name is set to "" is not made.
    """

    def __init__(self) -> None:
        super().__init__()

    @property
    def numClasses(self) -> int:
        """Classes that the net knows: the width of its last weights."""
        widths = [p.shape[0] for p in self.getNet().parameters()]
        return 2 if widths and widths[-1] == 1 else int(widths[-1]) if widths else 0

    def _head(self, columns: tuple[Any, ...]) -> Head:
        if self._value(self.outputLayer):
            return super()._head(columns)
        thresholds = tuple(self._value(self.thresholds) or ())
        if any(not t >= 0 for t in thresholds) or sum(t == 0 for t in thresholds) > 1:
            raise ValueError(f"thresholds must be >= 0, at most one of them 0; got {list(thresholds)}.")
        kind = self.getOrDefault(self.outputKind)
        return Classes(
            self.getRawPredictionCol(), self.getProbabilityCol(), self.getPredictionCol(),
            last_kind(self.getNet()) if kind == "auto" else kind, thresholds,
        )  # fmt: skip


def last_kind(net: Any) -> str:
    """What a net's last layer makes: "log_probabilities", "probabilities", else "logits"."""
    from sparkdl.nn.graph import Graph

    if isinstance(net, Graph):
        call = net.outputs[0].call
        return "logits" if call is None else last_kind(call.layer)
    name = type(net).__name__
    children = list(net.children())
    if name in _OF_LAYERS or not children:
        return _OF_LAYERS.get(name, "logits")
    return last_kind(children[-1])
