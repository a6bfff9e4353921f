"""Graphs on blocks of rows: map, reduce and aggregate DataFrames by a net, as TensorFrames did by TensorFlow.

A block is the rows of one Arrow batch. `map_blocks` and `map_rows` give a graph the rows as its batch. Where rows are
summed up (`reduce_blocks`, `aggregate`) a block is *one sample*: the graph is given (1, rows, ...) and reduces axis 1,
since axis 0 of everything in this library is the batch, whose samples do not see each other.

    x = nn.Input((3,), name="x")
    z = (x + 3.0)
    map_blocks(nn.Graph([x], [z]), df, outputs=["z"])              df with a column z
    b = nn.Input((1, 3), name="x")                                  (batch, rows, 3)
    reduce_blocks(nn.Graph([b], [nn.ReduceSum((1,))(b)]), df)          the sum over all rows, an array (3,)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sparkdl.carry import carry
from sparkdl.data.fields import Column
from sparkdl.errors import DataError, ShapeError
from sparkdl.ml.append import append
from sparkdl.ml.estimator import input_column
from sparkdl.ml.inputs import Inputs
from sparkdl.ml.outputs import Plain, arrays, spark_type
from sparkdl.ml.predictor import Predictor
from sparkdl.ml.score import Scorer, task_threads
from sparkdl.ml.ship import Shipped, ship
from sparkdl.nn.graph import Graph
from sparkdl.nn.module import Module


def map_blocks(
    graph: Module,
    df: Any,
    columns: Sequence[str] | Mapping[str, str] | None = None,
    outputs: Sequence[str] | None = None,
    fetches: Sequence[str] | None = None,
    batch_size: int = 4096,
) -> Any:
    """``df`` with a column of arrays for each output of ``graph``, computed up to ``batch_size`` rows at a time.

    columns  those that the inputs take, in order, or ``{input: column}``; default: columns of the inputs' names
    fetches  names of layers whose outputs are wanted, in place of the graph's own
    outputs  names of the new columns; default: ``fetches``, or the names of the graph's output nodes
    """
    given = _columns(graph, columns)
    model = _fetched(graph, fetches)
    names = tuple(outputs or fetches or _output_names(model))
    taken = sorted(set(names) & set(df.columns))
    if taken:
        raise DataError(f"the column {taken[0]!r} exists already; name the outputs otherwise: outputs=[...].")
    head = Plain(names, "array", _axes(model, len(names)))
    scorer = Scorer(ship(df.sparkSession, model), given, head, batch_size, strict=True)
    return append(df, scorer, [input_column(df, column) for column in given])


def map_rows(graph: Module, df: Any, columns: Any = None, outputs: Any = None, fetches: Any = None) -> Any:
    """As `map_blocks`, one row at a time: rows may differ in length, and no row waits for another."""
    return map_blocks(graph, df, columns, outputs, fetches, batch_size=1)


def reduce_blocks(graph: Module, df: Any, columns: Any = None) -> Any:
    """All rows of ``df`` brought down to one by ``graph``: an array, or a list of arrays for several columns.

    The graph takes a block of each column, (1, rows, ...), and gives one row of each, (1, ...). It is applied to every
    block, then to blocks of its own results, until one is left; so it must not matter in which order rows are joined.
    """
    given = _columns(graph, columns)
    rows = _selected(df, given).mapInArrow(
        carry(BlockReducer(ship(df.sparkSession, graph), given, ())), _schema(graph, given)
    )
    parts = _decoded(rows.toArrow(), [Column(f"r{i}") for i in range(len(given))], graph.dtype.name)
    if not len(parts[0]):
        raise DataError("reduce_blocks: there are no rows to reduce.")
    results = _reduce(Predictor(graph), parts)
    return results[0][0] if len(results) == 1 else [y[0] for y in results]


def aggregate(graph: Module, df: Any, by: str | Sequence[str], columns: Any = None) -> Any:
    """A row per group: the columns ``by``, and those that ``graph`` makes of the group's rows, as `reduce_blocks` does.

    A group's rows are together in one task's memory.
    """
    keys = (by,) if isinstance(by, str) else tuple(by)
    given = _columns(graph, columns)
    reducer = BlockReducer(ship(df.sparkSession, graph), given, keys)
    fields = [df.schema[key] for key in keys]
    return _selected(df, given, keys).groupBy(*keys).applyInArrow(lambda table: reducer.group(table), _schema(
        graph, given, fields, names=[column.name for column in given]))  # fmt: skip


class BlockReducer:
    """Reduces the Arrow batches of a partition, or the table of a group, to one row."""

    def __init__(self, shipped: Shipped, columns: Sequence[Column], keys: tuple[str, ...]) -> None:
        self.shipped, self.columns, self.keys = shipped, tuple(columns), keys

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        model = self.shipped.model()
        predictor = Predictor(model, threads=task_threads())
        held: list[np.ndarray] | None = None
        for batch in batches:
            if not batch.num_rows:
                continue
            part = _reduce(predictor, _decoded(pa.Table.from_batches([batch]), self.columns, model.dtype.name))
            held = part if held is None else _reduce(
                predictor, [np.concatenate(pair) for pair in zip(held, part, strict=True)]
            )  # fmt: skip
        if held is not None:
            names = [f"r{i}" for i in range(len(held))]
            yield pa.RecordBatch.from_arrays([arrays(y, y.ndim - 1) for y in held], names=names)

    def group(self, table: Any) -> Any:
        """One row: the keys, and what the graph makes of the rows."""
        import pyarrow as pa

        model = self.shipped.model()
        predictor = Predictor(model, threads=task_threads())
        made = _reduce(predictor, _decoded(table, self.columns, model.dtype.name))
        values = [table.column(key).slice(0, 1).combine_chunks() for key in self.keys]
        names = [*self.keys, *[str(column.name) for column in self.columns]]
        return pa.Table.from_arrays([*values, *[arrays(y, y.ndim - 1) for y in made]], names=names)


def _reduce(predictor: Predictor, rows: list[np.ndarray]) -> list[np.ndarray]:
    """One row per column, (1, ...), of the rows (n, ...)."""
    made = predictor.outputs(tuple(x[None] for x in rows))
    for x, y in zip(rows, made, strict=True):
        if y.shape != (1, *x.shape[1:]):
            wanted = (1, *x.shape[1:])
            raise ShapeError(f"the graph makes {y.shape} of a block {(1, *x.shape)}; expected one row, {wanted}.")
    return made


def _decoded(table: Any, columns: Sequence[Column], dtype: str) -> list[np.ndarray]:
    chunks = [table.column(str(column.name)).combine_chunks() for column in columns]
    decoded, _ = Inputs(tuple(columns), dtype).decode(chunks)
    return list(decoded)


def _columns(graph: Module, given: Any) -> tuple[Column, ...]:
    names = getattr(graph, "input_names", None)
    if given is None:
        if not names:
            raise DataError(f"{type(graph).__name__} has no named inputs; say which columns it takes: columns=[...].")
        return tuple(Column(name) for name in names)
    if isinstance(given, Mapping):
        if set(given) != set(names or ()):
            raise DataError(f"columns names the inputs {list(given)}, the graph's are {names}.")
        given = [given[name] for name in names or ()]
    return tuple(Column(name) for name in given)


def _selected(df: Any, columns: Sequence[Column], keys: Sequence[str] = ()) -> Any:
    return df.select(*keys, *[input_column(df, column).alias(str(column.name)) for column in columns])


def _fetched(graph: Module, fetches: Sequence[str] | None) -> Module:
    if not fetches:
        return graph
    ends = [graph.upto(name) for name in fetches]
    if len(ends) == 1:
        return ends[0]
    if not isinstance(graph, Graph):
        raise DataError("several fetches need an nn.Graph; other models give one at a time.")
    return Graph(graph.inputs, [node for end in ends for node in end.outputs])  # type: ignore[attr-defined]


def _output_names(model: Module) -> list[str]:
    if not isinstance(model, Graph):
        return ["output"]
    return [node.name or (str(node.call) if node.call else f"output{i}") for i, node in enumerate(model.outputs)]


def _axes(model: Module, count: int) -> tuple[int, ...]:
    """Axes of the outputs beside the batch: known where the inputs were given shapes, else one."""
    if isinstance(model, Graph) and all(node._example is not None for node in model.inputs):
        return tuple(node.ndim - 1 for node in model.outputs)
    return (1,) * count


def _schema(graph: Module, columns: Sequence[Column], fields: Sequence[Any] = (), names: Any = None) -> Any:
    """The schema of reduced rows: of each input one row, one axis less than the graph is given."""
    from pyspark.sql.types import StructField, StructType

    axes = [1] * len(columns)
    if isinstance(graph, Graph):
        axes = [1 if node._example is None else node._example.ndim - 2 for node in graph.inputs]
    names = names or [f"r{i}" for i in range(len(columns))]
    made = [StructField(str(n), spark_type("array", a)) for n, a in zip(names, axes, strict=True)]
    return StructType([*fields, *made])
