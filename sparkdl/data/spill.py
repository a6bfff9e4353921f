"""Columns that grow row by row within a memory budget; what exceeds it goes to files.

    budget = Budget(limit_bytes, folder)
    column = Growing(budget, dtype, row_shape)
    column.append(chunk)                         (k, *row_shape)
    rows = column.finish()                       an array, or ``Spilled`` rows of a file

When the columns of a budget together pass its limit, the largest one moves to a file, and so on. Files are readable by
their owner only and have no name, so that nothing is left behind however the process ends. In memory a column doubles
by remapping its pages, which copies nothing. Rows of a file are read, not mapped: visited in random order a mapping
would soon hold all of it (the system maps up to a megabyte around each row), and one that is held to a budget by giving
pages back takes longer than reads, which cost one or two microseconds each (docs/data.md has the figures).
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FIRST = 1 << 20  # bytes


def local_folder() -> str:
    """Where a Spark task may write: the first of Spark's local dirs that can be written, else the temporary folder."""
    for variable in ("SPARK_LOCAL_DIRS", "SPARK_EXECUTOR_DIRS", "LOCAL_DIRS"):
        for folder in os.environ.get(variable, "").replace(os.pathsep, ",").split(","):
            if folder and os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK):
                return folder
    return tempfile.gettempdir()


def default_budget(tasks_here: int = 1) -> int:
    """Bytes of rows that one task keeps in memory: 40 % of what the machine or container has free, shared by tasks."""
    free = [os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    if os.path.exists("/proc/meminfo"):
        with open("/proc/meminfo") as lines:
            free = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")] or free
    limit, usage = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"
    if os.path.exists(limit) and os.path.exists(usage):
        with open(limit) as most, open(usage) as now:
            most_bytes, now_bytes = most.read().strip(), int(now.read())
        if most_bytes != "max":
            free.append(max(int(most_bytes) - now_bytes, 0))
    return max(int(0.4 * min(free)) // max(tasks_here, 1), 64 << 20)


class Budget:
    """Bytes that growing columns may hold in memory together."""

    def __init__(self, limit: int, folder: str | None = None) -> None:
        self.limit, self.folder = int(limit), folder or local_folder()
        self.columns: weakref.WeakSet[Growing] = weakref.WeakSet()  # no cycle: files go as soon as their rows do

    @property
    def held(self) -> int:
        """Bytes of rows in memory now."""
        return sum(column.nbytes for column in self.columns if column.file is None)

    @property
    def spilled(self) -> int:
        """Bytes of rows in files now."""
        return sum(column.nbytes for column in self.columns if column.file is not None)

    def keep(self) -> None:
        """Move the largest columns to files until the rest fits."""
        while self.held > self.limit:
            max((column for column in self.columns if column.file is None), key=lambda column: column.nbytes).spill()


class _File:
    """A file without a name in ``folder``; it goes with the object."""

    def __init__(self, folder: str) -> None:
        self.handle, path = tempfile.mkstemp(prefix="sparkdl-rows-", dir=folder)
        weakref.finalize(self, os.close, self.handle)
        os.unlink(path)

    def append(self, data: memoryview) -> None:
        while len(data):
            data = data[os.write(self.handle, data) :]

    def read(self, out: memoryview, at: int) -> None:
        while len(out):
            count = os.preadv(self.handle, [out], at)
            if not count:
                raise OSError(f"The file of rows beyond the memory budget ends at byte {at:,}: it was cut short.")
            out, at = out[count:], at + count


class Spilled:
    """Rows (n, ...) in a file: slices and ``take`` read them."""

    def __init__(self, file: _File, dtype: np.dtype, shape: tuple[int, ...]) -> None:
        self.file, self.dtype, self.shape = file, dtype, shape
        self.row_bytes = dtype.itemsize * math.prod(shape[1:])
        os.posix_fadvise(file.handle, 0, 0, os.POSIX_FADV_RANDOM)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray:
        start, stop, _ = rows.indices(len(self))
        out = np.empty((max(stop - start, 0), *self.shape[1:]), self.dtype)
        self.file.read(_bytes(out), start * self.row_bytes)
        return out

    def take(self, index: NDArray[np.int64], axis: int = 0) -> NDArray:
        """The rows of ``index``, as ``ndarray.take``."""
        out = np.empty((len(index), *self.shape[1:]), self.dtype)
        view, size = _bytes(out), self.row_bytes
        for k, row in enumerate(index.tolist()):
            self.file.read(view[k * size : (k + 1) * size], row * size)
        return out


class Growing:
    """Rows of one dtype and shape, appended chunk by chunk; see the module's docstring."""

    def __init__(self, budget: Budget, dtype: Any, row_shape: tuple[int, ...] = ()) -> None:
        self.budget, self.dtype, self.row_shape = budget, np.dtype(dtype), tuple(row_shape)
        self.nbytes = 0
        self.file: _File | None = None
        self._memory: mmap.mmap | None = None
        budget.columns.add(self)

    def append(self, chunk: NDArray) -> None:
        """Add rows (k, *row_shape), converted to the column's dtype."""
        chunk = np.ascontiguousarray(chunk, self.dtype)
        if not chunk.nbytes:
            return
        if self.file is not None:
            self._write(_bytes(chunk))
        else:
            memory = self._room(self.nbytes + chunk.nbytes)
            memory[self.nbytes : self.nbytes + chunk.nbytes] = _bytes(chunk)
        self.nbytes += chunk.nbytes
        if self.file is None:
            self.budget.keep()

    def spill(self) -> None:
        """Move what is in memory to a file; later chunks go there too."""
        try:
            self.file = _File(self.budget.folder)
        except OSError as error:
            error.add_note(f"Rows beyond the memory budget ({self.budget.limit:,} bytes) go to {self.budget.folder}.")
            raise
        if self._memory is not None:
            with memoryview(self._memory) as view:
                self._write(view[: self.nbytes])
            self._memory.close()
            self._memory = None

    def finish(self, row_shape: tuple[int, ...] | None = None) -> NDArray | Spilled:
        """All rows (in another shape of as many elements, if given); the column can grow no more."""
        shape = self.row_shape if row_shape is None else row_shape
        rows = self.nbytes // (self.dtype.itemsize * math.prod(shape))
        if self.file is not None:
            return Spilled(self.file, self.dtype, (rows, *shape))
        if self._memory is None:
            return np.empty((0, *shape), self.dtype)
        return np.frombuffer(self._memory, self.dtype, self.nbytes // self.dtype.itemsize).reshape(rows, *shape)

    def _room(self, size: int) -> mmap.mmap:
        if self._memory is None:
            room = max(_FIRST, 1 << (size - 1).bit_length())
            self._memory = mmap.mmap(-1, room, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        elif len(self._memory) < size:
            self._memory.resize(1 << (size - 1).bit_length())
        return self._memory

    def _write(self, data: memoryview) -> None:
        assert self.file is not None
        try:
            self.file.append(data)
        except OSError as error:
            error.add_note(
                f"Rows beyond the memory budget ({self.budget.limit:,} bytes) go to {self.budget.folder}: make room "
                "there, point spark.local.dir to a larger disk, or raise memory_budget of the Trainer."
            )
            raise


def _bytes(array: NDArray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data
