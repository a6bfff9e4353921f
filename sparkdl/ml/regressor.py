"""NNRegressor and NNRegressorModel: one number per row."""

from __future__ import annotations

from sparkdl.ml.estimator import NNEstimator, NNModel
from sparkdl.ml.stage import stage


@stage
class NNRegressor(NNEstimator):
    """Trains a net with one output to come near a number; ``fit(df)`` gives an `NNRegressorModel`."""

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(loss="mse", outputType="double")

    def _model_class(self) -> type[NNModel]:
        return NNRegressorModel


@stage
class NNRegressorModel(NNModel):
    """A net with one output: appends prediction (double)."""

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(outputType="double")
