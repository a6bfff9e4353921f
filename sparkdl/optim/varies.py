"""Settings that trade "the same bits on any number of tasks" for something else, each said in a sentence."""

from __future__ import annotations

from sparkdl.blockmanager.codecs import make
from sparkdl.optim.job import Job


def varies(job: Job) -> list[str]:
    """Why training ``job`` on Spark another time may give other bits; empty: it will not."""
    codec, reasons = make(job.codec), []
    if not codec.exact:
        reasons.append(
            f'codec="{codec.name}" rounds the gradients that leave an executor: another number of tasks or executors, '
            'also after a fault, gives other bits; codec="none" gives the same.'
        )
    if job.stragglers is not None:
        reasons.append(
            f"stragglers={job.stragglers!r}: which tasks are late depends on the machines, so no two runs have the "
            "same bits; stragglers=None gives the same."
        )
    if not job.shuffle:
        reasons.append(
            "shuffle=False keeps rows in the order of the DataFrame's partitions: another number of partitions, or of "
            "tasks, gives other bits; shuffle=True gives the same."
        )
    return reasons
