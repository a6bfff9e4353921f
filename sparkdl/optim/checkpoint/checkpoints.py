"""The checkpoints of a run: the n newest and the best, and the newest that is intact."""

from __future__ import annotations

import logging
import re

from sparkdl.errors import DataError, FormatError
from sparkdl.optim.checkpoint.files import Files
from sparkdl.optim.checkpoint.halves import Writer, sweep, writer
from sparkdl.optim.checkpoint.keep import is_best
from sparkdl.optim.checkpoint.snapshot import Snapshot

log = logging.getLogger(__name__)

NEWEST = re.compile(r"step-(\d{10})\.ckpt")
BEST = "best.ckpt"


def step_of(name: str) -> int:
    """The step in a checkpoint's name."""
    match = NEWEST.fullmatch(name)
    return -1 if match is None else int(match[1])


class Checkpoints:
    """Saves snapshots into ``files`` and finds them again.

    keep     how many of the newest stay (at least 1)
    monitor  figure of the history by which the best one is kept too, as "Top1Accuracy"; None keeps no best
    mode     "max" or "min": which figure is better
    """

    def __init__(self, files: Files, keep: int = 3, monitor: str | None = None, mode: str = "max") -> None:
        if not keep >= 1:
            raise ValueError(f"Checkpoints: keep must be >= 1, got {keep!r}.")
        if mode not in ("max", "min"):
            raise ValueError(f"Checkpoints: mode must be 'max' or 'min', got {mode!r}.")
        self.files, self.keep, self.monitor, self.mode = files, keep, monitor, mode
        self.ours = False  # whether those that are there are the ones that training goes on from
        self.writer: Writer | None = None

    def begin(self, run: int, reached: Files | None) -> None:
        """What is written from now on is written by ``run`` of this process, and what dead ones left is removed.

        ``reached``: the folder as this process reaches it; None if it does not.
        """
        self.writer = writer(run)
        if reached is None:
            return
        try:
            gone = sweep(reached, self.writer)
        except OSError as error:  # reading and writing will say the same, louder
            log.warning("%s could not be looked through for half-written files: %s", self.files.where, error)
        else:
            if gone:
                log.info("half-written files removed from %s: %s", self.files.where, ", ".join(gone))

    def save(self, snapshot: Snapshot) -> None:
        """Writes the snapshot, then removes what need not be kept."""
        data, step = snapshot.pack(), snapshot.progress.iteration
        if not snapshot.for_best:
            self._write(f"step-{step:010d}.ckpt", data)
        if self.monitor is not None and is_best(snapshot.progress, self.monitor, self.mode):
            self._write(BEST, data)
        # one of a later step is none of this run's, or damaged: a run goes on from the newest that is whole
        for name in [name for name in self._newest_first() if step_of(name) <= step][self.keep :]:
            self.files.remove(name)

    def _write(self, name: str, data: bytes) -> None:
        self.files.write(name, data, "" if self.writer is None else self.writer.half(name))

    def _newest_first(self) -> list[str]:
        return sorted((name for name in self.files.names() if NEWEST.fullmatch(name)), reverse=True)

    def newest(self) -> Snapshot | None:
        """The newest intact snapshot; damaged ones are named in the log and passed over. None if there is no file.

        Raises FormatError when there are files and none is intact.
        """
        found, damaged = self.look()
        for text in damaged:
            log.warning("checkpoint passed over: %s", text)
        if damaged and found is None:
            raise FormatError(f"no checkpoint in {self.files.where} is intact: {'; '.join(damaged)}")
        return found

    def look(self, beyond: int = -1, training: int | None = None) -> tuple[Snapshot | None, list[str]]:
        """The newest intact snapshot of a step ``> beyond`` (of one training, if asked); what is wrong with others."""
        damaged: list[str] = []
        for name in self._newest_first():
            if step_of(name) <= beyond:
                break
            try:
                found = Snapshot.unpack(self.files.read(name), f"{self.files.where}/{name}")
            except (FormatError, OSError) as error:
                damaged.append(str(error))
                continue
            if training is None or found.training == training:
                return found, damaged
        return None, damaged

    def check_unused(self) -> None:
        """DataError if there are another run's checkpoints, which would pass for newer ones of a run that begins."""
        there = [] if self.ours else self._newest_first()
        if there:
            raise DataError(
                f"{self.files.where} has checkpoints of another run, up to {there[0]}. Give checkpoint= another "
                "folder, remove them, or go on from them with resume=."
            )

    def best(self) -> Snapshot:
        """The snapshot of the best figure."""
        return Snapshot.unpack(self.files.read(BEST), f"{self.files.where}/{BEST}")
