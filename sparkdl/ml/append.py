"""A model's outputs appended to the very rows of a DataFrame: lazily, in one pass, nothing joined or zipped.

Where Spark has Arrow UDFs (4.1) only the inputs travel to Python and back come only the outputs. Spark 4.0 has none:
there whole rows go through ``mapInArrow``, with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sparkdl.carry import carry
from sparkdl.errors import ClusterError
from sparkdl.ml.score import Scorer

_ROWS = "_sparkdl_outputs"
_INPUT = "_sparkdl_input_"


def append(dataset: Any, scorer: Scorer, values: Sequence[Any], skip: bool = False) -> Any:
    """``dataset`` with the scorer's columns, made of the columns ``values``; ``skip`` leaves null results out."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import StructField, StructType

    fields = [StructField(name, kind) for name, kind in zip(scorer.head.names, scorer.head.types(), strict=True)]
    if not has_arrow_udfs():
        inputs = {f"{_INPUT}{i}": value for i, value in enumerate(values)}
        whole = WholeRows(scorer, len(dataset.columns), skip)
        return dataset.withColumns(inputs).mapInArrow(carry(whole), StructType([*dataset.schema.fields, *fields]))
    scored = _with_struct(dataset, arrow_iterator_udf(scorer, StructType(fields)), values)
    if skip:
        scored = scored.filter(F.col(_ROWS).isNotNull())
    return scored.withColumns({name: F.col(_ROWS).getField(name) for name in scorer.head.names}).drop(_ROWS)


def _with_struct(dataset: Any, udf: Any, values: Sequence[Any]) -> Any:
    """``dataset`` with the struct column that the UDF makes of a struct of ``values``.

    Spark 4.3 fails (UNSUPPORTED_DATATYPE) where ML vectors stand beside an Arrow UDF, or come out of it, right above a
    columnar scan (Parquet). So the struct is made in a step of its own, which turns batches of columns into rows; the
    random number in it keeps the optimizer from taking the two steps as one.
    """
    from pyspark.sql import functions as F

    inputs = [value.alias(f"c{i}") for i, value in enumerate(values)]
    apart = dataset.withColumn(_ROWS, F.struct(*inputs, F.rand(0).alias("apart")))
    return apart.withColumn(_ROWS, udf(F.col(_ROWS)))


@dataclass
class WholeRows:
    """Batches of rows, whose first ``kept`` columns are the rows' own and the others a model's inputs."""

    scorer: Scorer
    kept: int
    skip: bool

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        held: list[Any] = []

        def structs() -> Iterator[Any]:
            for batch in batches:
                held.append(batch)
                inputs = batch.columns[self.kept :]
                yield pa.StructArray.from_arrays(inputs, names=[f"c{i}" for i in range(len(inputs))])

        for made in self.scorer(structs()):  # one for one: a batch is let go before the next is asked for
            batch = held.pop()
            names = [*batch.schema.names[: self.kept], *self.scorer.head.names]
            rows = pa.RecordBatch.from_arrays([*batch.columns[: self.kept], *made.flatten()], names=names)
            yield rows.filter(made.is_valid()) if self.skip else rows


def has_arrow_udfs() -> bool:
    """Whether this Spark has UDFs that are given Arrow arrays."""
    from pyspark.sql import functions

    return hasattr(functions, "arrow_udf")


def arrow_iterator_udf(function: Callable[[Iterator[Any]], Iterator[Any]], type_: Any) -> Any:
    """A UDF from iterators of Arrow arrays to iterators of Arrow arrays, evaluated once per row.

    It is declared non-deterministic: Spark would otherwise evaluate it twice where a filter on its result follows.
    """
    if not has_arrow_udfs():
        import pyspark

        raise ClusterError(f"models as functions on columns need Spark 4.1 or later; this is {pyspark.__version__}.")
    import pyarrow as pa
    from pyspark.sql import functions as F

    carried = carry(function)

    def score(arrays):  # type: ignore[no-untyped-def]
        yield from carried(arrays)

    score.__annotations__ = {"arrays": Iterator[pa.Array], "return": Iterator[pa.Array]}  # how Spark knows its kind
    make: Any = F.arrow_udf
    return make(score, type_).asNondeterministic()
