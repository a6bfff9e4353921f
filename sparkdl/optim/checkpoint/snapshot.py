"""A snapshot: everything that training needs to go on as if it had never stopped, and its one-file form.

    magic (8 bytes) | length of the head (8 bytes) | head: JSON | arrays: npz | SHA-256 of all before (32 bytes)

The hash stands last, so a file that was cut off, in whatever place, is seen to be so.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from sparkdl.errors import FormatError
from sparkdl.optim.progress import Progress

MAGIC = b"sparkdl1"
FORMAT = 1


@dataclass
class Epoch:
    """An epoch so far: steps done, summed loss and weight, samples, seconds, validation figures."""

    step: int = 0
    loss: float = 0.0
    weight: float = 0.0
    samples: int = 0
    seconds: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass
class Snapshot:
    """``arrays``: "model/..." weights and buffers, "rule/..." state, "best/..." the best so far, "visits".

    ``run``: what must be the same; ``training``: a number for the call of ``fit`` that took it.
    ``for_best``: whether it was taken for the best checkpoint only, which its packed form does not tell.
    """

    progress: Progress
    epoch: Epoch
    run: dict[str, Any]
    arrays: dict[str, np.ndarray]
    training: int = 0
    for_best: bool = False

    def part(self, name: str) -> dict[str, np.ndarray]:
        """The arrays under ``name/``, without that prefix."""
        return {k.partition("/")[2]: v for k, v in self.arrays.items() if k.partition("/")[0] == name}

    def pack(self) -> bytes:
        """The one-file form."""
        head = json.dumps(
            {
                "format": FORMAT,
                "progress": {**asdict(self.progress), "history": [dict(line) for line in self.progress.history]},
                "epoch": asdict(self.epoch),
                "run": self.run,
                "training": self.training,
            },
            default=_plain,
        ).encode()
        arrays = io.BytesIO()
        np.savez(arrays, **self.arrays)  # type: ignore[arg-type]
        body = MAGIC + struct.pack("<Q", len(head)) + head + arrays.getvalue()
        return body + hashlib.sha256(body).digest()

    @classmethod
    def unpack(cls, data: bytes, name: str) -> Snapshot:
        """The snapshot in ``data``; FormatError, with ``name``, for anything but an intact one."""
        if len(data) < 48 or data[:8] != MAGIC:
            raise FormatError(f"{name} is not a checkpoint, or was cut off after {len(data)} bytes.")
        body, digest = data[:-32], data[-32:]
        if hashlib.sha256(body).digest() != digest:
            raise FormatError(f"{name} is corrupt or cut off: its SHA-256 does not fit its {len(data)} bytes.")
        (length,) = struct.unpack("<Q", body[8:16])
        head = json.loads(body[16 : 16 + length], object_hook=_figure)
        if head["format"] != FORMAT:
            raise FormatError(f"{name} has format {head['format']}; this version reads format {FORMAT}.")
        with np.load(io.BytesIO(body[16 + length :]), allow_pickle=False) as arrays:
            loaded = {key: arrays[key] for key in arrays.files}
        progress = Progress(**{**head["progress"], "history": tuple(head["progress"]["history"])})
        return cls(progress, Epoch(**head["epoch"]), head["run"], loaded, head.get("training", 0))


def _plain(value: Any) -> dict[str, Any]:
    """A figure that is an array (a confusion matrix), or a number of NumPy's, as JSON has it."""
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"a snapshot holds figures that are numbers or arrays of them, got {type(value).__name__}.")
    return {"array": array.tolist(), "dtype": array.dtype.str}


def _figure(found: dict[str, Any]) -> Any:
    """`_plain` backwards."""
    return np.array(found["array"], found["dtype"])[()] if found.keys() == {"array", "dtype"} else found
