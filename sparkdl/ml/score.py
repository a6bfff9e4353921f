"""Scoring inside a Python worker: Arrow structs of a model's inputs to structs of its outputs, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkdl.data.fields import Column
from sparkdl.ml.inputs import Inputs
from sparkdl.ml.outputs import Head
from sparkdl.ml.predictor import Predictor
from sparkdl.ml.ship import Shipped


@dataclass
class Scorer:
    """One struct of outputs per struct of inputs; without ``strict``, rows that cannot be scored are null."""

    shipped: Shipped
    columns: tuple[Column, ...]
    head: Head
    batch_size: int
    strict: bool

    def __call__(self, structs: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        model = self.shipped.model()
        predictor = Predictor(model, self.batch_size, task_threads())
        inputs = Inputs(self.columns, model.dtype.name, self.strict, uniform=self.batch_size > 1)
        for struct in structs:
            parts = [
                self.score(predictor, inputs, struct.slice(a, self.batch_size))
                for a in range(0, len(struct), self.batch_size)
            ]
            yield pa.concat_arrays(parts) if parts else pa.nulls(0, self.type())

    def score(self, predictor: Predictor, inputs: Inputs, struct: Any) -> Any:
        """One batch."""
        import pyarrow as pa

        xs, usable = inputs.decode([struct.field(i) for i in range(len(self.columns))])
        if usable is not None and not usable.any():
            return pa.nulls(len(struct), self.type())
        made = pa.StructArray.from_arrays(self.head.columns(predictor.outputs(xs)), names=list(self.head.names))
        if usable is None:
            return made
        return made.take(pa.array(np.cumsum(usable) - 1, mask=~usable))

    def type(self) -> Any:
        """The Arrow type of the result."""
        import pyarrow as pa
        from pyspark.sql.pandas.types import to_arrow_type

        return pa.struct(list(zip(self.head.names, map(to_arrow_type, self.head.types()), strict=True)))


def task_threads() -> int:
    """Threads that a task of this worker may use: ``spark.task.cpus``."""
    from pyspark import TaskContext

    from sparkdl.kernel import num_threads

    context = TaskContext.get()
    return min(context.cpus(), num_threads()) if context is not None else num_threads()
