"""A model as a function on columns, and by name in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sparkdl.data.fields import Column
from sparkdl.errors import DataError
from sparkdl.ml.append import arrow_iterator_udf
from sparkdl.ml.outputs import Plain
from sparkdl.ml.score import Scorer
from sparkdl.ml.ship import ship
from sparkdl.nn.module import Module


class First(Scorer):
    """A struct of the inputs to the one output."""

    def __call__(self, structs: Any) -> Any:
        for made in super().__call__(structs):
            yield made.flatten()[0]


class Only(First):
    """The one input to the one output."""

    def __call__(self, arrays: Any) -> Any:
        import pyarrow as pa

        return super().__call__(pa.StructArray.from_arrays([array], names=["c0"]) for array in arrays)


@dataclass(frozen=True)
class PredictUDF:
    """``predict(*columns) -> Column``; see `predict_udf`."""

    model: Module
    spark: Any
    shape: Sequence[int] | None = None
    dtype: str | None = None
    output: str = "array"
    axes: int = 1
    batch_size: int = 256
    null_for_invalid: bool = False

    def __call__(self, *columns: Any) -> Any:
        from pyspark.sql import functions as F

        if not columns:
            raise DataError("predict takes one column per input of the model.")
        values = [F.col(each) if isinstance(each, str) else each for each in columns]
        udf = self.udf(len(columns), First)
        return udf(F.struct(*[value.alias(f"c{i}") for i, value in enumerate(values)]))

    def udf(self, inputs: int, kind: type[First]) -> Any:
        """Spark's function, of a struct of the inputs or of the only one."""
        shape = None if self.shape is None else tuple(self.shape)
        columns = tuple(Column(f"c{i}", shape, self.dtype) for i in range(inputs))
        head = Plain(("y",), self.output, (self.axes,))
        scorer = kind(ship(self.spark, self.model), columns, head, self.batch_size, not self.null_for_invalid)
        return arrow_iterator_udf(scorer, head.types()[0])


def predict_udf(model: Module, spark: Any = None, **options: Any) -> PredictUDF:
    """``predict(*columns) -> Column``: the model's one output for the inputs in these columns.

        predict = predict_udf(model, shape=(1, 28, 28))
        df.select("id", predict("image"))

    shape    of a row of each input, without the batch axis (default: as it comes)
    dtype    of the inputs (default: the model's)
    output   "array" (of float, nested ``axes`` deep), "vector" (ML vector) or "double" (one number per row)
    batch_size         rows that are scored together (256)
    null_for_invalid   rows that cannot be scored get null; else they are an error
    """
    from pyspark.sql import SparkSession

    return PredictUDF(model, spark or SparkSession.active(), **options)


def register_udf(spark: Any, name: str, model: Module, **options: Any) -> None:
    """Makes a model with one input a function of SQL: ``SELECT id, name(image) FROM pictures``.

    ``options`` are those of `predict_udf`.
    """
    spark.udf.register(name, PredictUDF(model, spark, **options).udf(1, Only))
