"""How far training has come: all that schedules and triggers may look at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """Where training stands after a step (before the first one: all zeros).

    Schedules and triggers are pure functions of it, and checkpoints keep it, so a run that is resumed decides as the
    uninterrupted one.

    epoch        finished epochs
    iteration    finished steps
    epoch_ended  whether the last step was its epoch's last one
    samples      rows used so far, over all epochs
    seconds      wall-clock time that training has taken, runs before a resume included
    loss         mean loss of the last step's batch
    history      one dict per finished epoch, oldest first: ``loss`` is the mean over the epoch, validation figures
                 stand under their metric's name
    """

    epoch: int = 0
    iteration: int = 0
    epoch_ended: bool = False
    samples: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    history: Sequence[Mapping[str, Any]] = ()
