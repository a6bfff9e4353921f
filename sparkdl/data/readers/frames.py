"""DataFrames out of arrays and out of files, through public DataFrame APIs (classic sessions and Spark Connect)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkdl.carry import carry
from sparkdl.errors import DataError, FormatError

_ROWS = 256  # records of a file per Arrow batch


def frame_of_arrays(spark: Any, columns: Mapping[str, NDArray]) -> Any:
    """Arrays of one length as a DataFrame: uint8 of rank 2 up as binary, rank 1 as numbers, others as flat arrays."""
    import pyarrow as pa

    arrays = {}
    for name, values in columns.items():
        values = np.ascontiguousarray(values)
        flat = values.reshape(len(values), -1)
        offsets = np.arange(len(values) + 1, dtype=np.int32) * flat.shape[1]
        if flat.size > np.iinfo(np.int32).max:
            raise DataError(f"frame_of_arrays: {name} has {flat.size:,} elements; give at most 2**31 - 1 at a time.")
        if values.ndim == 1:
            arrays[name] = pa.array(values.astype(np.int16) if values.dtype == np.uint8 else values)
        elif values.dtype == np.uint8:
            buffers = [None, pa.py_buffer(offsets), pa.py_buffer(flat)]
            arrays[name] = pa.Array.from_buffers(pa.binary(), len(values), buffers)
        else:
            arrays[name] = pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat.reshape(-1)))
    return spark.createDataFrame(pa.table(arrays))


def frame_of_files(spark: Any, path: str, parse: Callable[[bytes], Iterable[dict[str, Any]]], schema: str) -> Any:
    """The records of all files of ``path`` as a DataFrame of ``schema`` (DDL).

    ``path`` is any that Spark reads (``hdfs``, ``s3a``, wildcards); each file is read whole by a task, and
    ``parse(bytes)`` gives its records as dicts. Files may have up to 2 GiB.
    """
    types = spark.createDataFrame([], schema).schema
    names = {field.name: field.dataType.simpleString() for field in types.fields}

    def read(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        wanted = pa.schema([(name, arrow_type(kind)) for name, kind in names.items()])
        for batch in batches:
            for place, data in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True):
                try:
                    records = iter(parse(data))
                    while chunk := list(islice(records, _ROWS)):
                        yield pa.RecordBatch.from_pylist(chunk, schema=wanted)
                except FormatError as error:
                    raise FormatError(f"{place}: {error}") from error
                except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                    raise DataError(f"{place}: the records do not fit the schema {schema!r}: {error}") from error

    return spark.read.format("binaryFile").load(path).select("path", "content").mapInArrow(carry(read), types)


def arrow_type(kind: str) -> Any:
    """Arrow's type for a simple Spark type (``simpleString``)."""
    import pyarrow as pa

    if kind.startswith("array<") and kind.endswith(">"):
        return pa.list_(pa.field("element", arrow_type(kind[6:-1])))
    known = {
        "binary": pa.binary(), "string": pa.string(), "boolean": pa.bool_(), "smallint": pa.int16(),
        "int": pa.int32(), "bigint": pa.int64(), "float": pa.float32(), "double": pa.float64(),
    }  # fmt: skip
    if kind not in known:
        raise DataError(f"A column of type {kind} cannot be read from files; known are {', '.join(known)} and arrays.")
    return known[kind]
