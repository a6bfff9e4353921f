"""What a fitted model tells of its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sparkdl.optim.history import History


class TrainingSummary:
    """The history of the training that made a model: one dict per epoch.

    ``history`` has ``epoch, iteration, loss, samples, seconds, lr`` and the validation figures;
    ``history["loss"]`` is a column of it.
    """

    def __init__(self, epochs: Sequence[Mapping[str, Any]]) -> None:
        self.history = History(epochs)

    @property
    def totalEpochs(self) -> int:
        """Epochs that were trained."""
        return len(self.history)

    @property
    def lossHistory(self) -> list[float]:
        """Mean training loss of each epoch."""
        return self.history["loss"]

    @property
    def trainingSeconds(self) -> float:
        """Wall-clock seconds of all epochs."""
        return float(sum(epoch.get("seconds", 0.0) for epoch in self.history))

    def toPandas(self) -> Any:
        """The history as a pandas DataFrame."""
        return self.history.to_pandas()

    def __repr__(self) -> str:
        return f"TrainingSummary({self.totalEpochs} epochs, {self.trainingSeconds:.1f} s)"
