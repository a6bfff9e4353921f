"""Scoring inside Spark: one Arrow UDF that appends columns to the very rows, lazily, a batch at a time.

The model travels as a broadcast variable, so each executor fetches it once, and each Python worker unpacks it once. The
UDF is declared non-deterministic: Spark would otherwise score the rows twice where a filter on its result follows.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkdl.data.fields import Column
from sparkdl.errors import ClusterError
from sparkdl.ml.inputs import Inputs
from sparkdl.ml.outputs import Head
from sparkdl.ml.predictor import Predictor
from sparkdl.nn.module import Module

_KEPT = 4  # models that a Python worker keeps for its next tasks
_models: OrderedDict[str, Module] = OrderedDict()
_sent: dict[str, OrderedDict[str, Shipped]] = {}  # in the driver, by application


@dataclass(frozen=True)
class Held:
    """Bytes that travel with the function itself, where there are no broadcast variables (Spark Connect)."""

    value: bytes


@dataclass(frozen=True)
class Shipped:
    """A model on its way to the executors: packed and broadcast once, unpacked once per Python worker."""

    key: str
    data: Any

    def model(self) -> Module:
        """The model, in a worker."""
        if self.key not in _models:
            from pyspark import cloudpickle

            from sparkdl.kernel import use_table

            model, table = cloudpickle.loads(self.data.value)
            use_table(table)
            _models[self.key] = model
            while len(_models) > _KEPT:
                _models.popitem(last=False)
        _models.move_to_end(self.key)
        return _models[self.key]


def ship(spark: Any, model: Module) -> Shipped:
    """The model's broadcast; one of the same weights, in the same Spark application, serves again."""
    from pyspark import cloudpickle

    from sparkdl.kernel import kernel_table

    data = cloudpickle.dumps((model, kernel_table()))
    key = hashlib.sha256(data).hexdigest()
    if not hasattr(spark, "_jsparkSession"):
        return Shipped(key, Held(data))
    context = spark.sparkContext
    sent = _sent.setdefault(context.applicationId, OrderedDict())
    if key not in sent:
        sent[key] = Shipped(key, context.broadcast(data))
        while len(sent) > _KEPT:
            sent.popitem(last=False)
    return sent[key]


@dataclass
class Scorer:
    """Struct columns of a model's inputs to struct columns of its outputs."""

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
            yield pa.concat_arrays(parts) if parts else self.nothing()

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

    def nothing(self) -> Any:
        """No rows, in the right type."""
        import pyarrow as pa

        return pa.nulls(0, self.type())

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


def arrow_iterator_udf(function: Callable[[Iterator[Any]], Iterator[Any]], type_: Any) -> Any:
    """A UDF from iterators of Arrow arrays to iterators of Arrow arrays, evaluated once per row."""
    import pyarrow as pa

    try:
        from pyspark.sql.functions import arrow_udf
    except ImportError as error:
        import pyspark

        version = pyspark.__version__
        raise ClusterError(f"scoring needs Arrow UDFs, which came with Spark 4.1; this is {version}.") from error

    def score(arrays):  # type: ignore[no-untyped-def]
        yield from function(arrays)

    score.__annotations__ = {"arrays": Iterator[pa.Array], "return": Iterator[pa.Array]}  # how Spark knows its kind
    return arrow_udf(score, type_).asNondeterministic()


def scoring_udf(spark: Any, model: Module, columns: Sequence[Column], head: Head, batch_size: int, strict: bool) -> Any:
    """The UDF from a struct of the columns to a struct of the outputs."""
    from pyspark.sql.types import StructField, StructType

    fields = zip(head.names, head.types(), strict=True)
    type_ = StructType([StructField(name, kind) for name, kind in fields])
    return arrow_iterator_udf(Scorer(ship(spark, model), tuple(columns), head, batch_size, strict), type_)


def with_struct(dataset: Any, name: str, udf: Any, values: Sequence[Any]) -> Any:
    """``dataset`` with the struct column ``name`` that the UDF makes of a struct of ``values``.

    Spark 4.3 fails (UNSUPPORTED_DATATYPE) where ML vectors stand beside an Arrow UDF, or come out of it, right above a
    columnar scan (Parquet). So the struct is made in a step of its own, which turns batches of columns into rows; the
    random number in it keeps the optimizer from taking the two steps as one.
    """
    from pyspark.sql import functions as F

    inputs = [value.alias(f"c{i}") for i, value in enumerate(values)]
    apart = dataset.withColumn(name, F.struct(*inputs, F.rand(0).alias("apart")))
    return apart.withColumn(name, udf(F.col(name)))
