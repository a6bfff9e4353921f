"""The weights of the best epoch, for triggers that want them back at the end."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkdl.nn.module import Module
from sparkdl.optim.progress import Progress
from sparkdl.optim.triggers import Trigger, early_stopping


class BestWeights:
    """Keeps a copy of the model's weights and buffers whenever an epoch is the best one so far.

    ``end`` is the trigger that ends training; without an `early_stopping` with ``restore_best`` among what it is made
    of, nothing is kept.
    """

    def __init__(self, end: Any) -> None:
        wanted = [t for t in (end.leaves() if isinstance(end, Trigger) else ()) if isinstance(t, early_stopping)]
        self.trigger = next((t for t in wanted if t.restore_best), None)
        self.arrays: dict[str, np.ndarray] = {}  # for a snapshot: these, and after a resume put back here

    def look(self, model: Module, progress: Progress) -> None:
        """To be called after each epoch, when its line is in the history."""
        if self.trigger is not None and self.trigger.best(progress) == len(progress.history) - 1:
            self.arrays = model.state_dict()

    def restore(self, model: Module) -> None:
        """Puts the best epoch's weights and buffers back, if there was one."""
        if self.arrays:
            model.load_state_dict(self.arrays)
