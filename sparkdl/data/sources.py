"""What a DataFrame's column means to training: its kind, and the SQL expressions that fetch and hash it.

kind     Spark type                          comes to a task as                hashed as
number   numeric, boolean                    float, double or bigint           float
list     array of numeric                    array of those                    array<float>
vector   ML Vector, dense or sparse          struct of indices and values      array<float>
bytes    binary                              binary                            binary
image    struct of ``image`` data source     height, width, channels, data     its data
text     string                              string                            string
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sparkdl.errors import DataError

_SQL = {"float32": "float", "float64": "double", "int32": "bigint", "int64": "bigint"}
_IMAGE = ("height", "width", "nChannels", "data")


@dataclass(frozen=True)
class Source:
    """A column of a DataFrame: its expression, its type, and its kind (see the module's docstring)."""

    name: str
    column: Any
    type: Any
    kind: str

    @classmethod
    def of(cls, df: Any, name: str, what: str) -> Source:
        """The column of that name (``struct.field`` too); errors name the columns that there are."""
        from pyspark.sql import functions as F
        from pyspark.sql.types import StructType

        column, kind = None, df.schema
        for part in [name] if name in df.columns else name.split("."):
            fields = kind.fields if isinstance(kind, StructType) else []
            found = [field for field in fields if field.name == part]
            found = found or [field for field in fields if field.name.lower() == part.lower()]
            if len(found) != 1:
                raise DataError(f"{what}: there is no column {name!r}; the columns are {', '.join(df.columns)}.")
            field = found[0]
            quoted = "`" + field.name.replace("`", "``") + "`"
            column = F.col(quoted) if column is None else column.getField(field.name)
            kind = field.dataType
        return cls(name, column, kind, _kind(what, name, kind))

    @property
    def whole(self) -> bool:
        """Whether the elements are whole numbers by type."""
        from pyspark.sql.types import ArrayType, BooleanType, IntegralType

        element = self.type.elementType if isinstance(self.type, ArrayType) else self.type
        return isinstance(element, IntegralType | BooleanType)

    def wire(self, dtype: str) -> Any:
        """What is sent to the task for elements of ``dtype``; whole numbers out of fractions are checked there."""
        from pyspark.sql import functions as F

        sql = "double" if dtype.startswith("int") and not self.whole else _SQL[dtype]
        if self.kind == "number":
            return self.column.cast(sql)
        if self.kind == "list":
            return self.column.cast(f"array<{sql}>")
        if self.kind == "image":
            return F.struct(*[self.column.getField(name).alias(name) for name in _IMAGE])
        return self.column

    def hashed(self) -> Any:
        """What is hashed."""
        if self.kind == "number":
            return self.column.cast("float")
        if self.kind == "list":
            return self.column.cast("array<float>")
        if self.kind == "vector":
            from pyspark.ml.functions import vector_to_array

            return vector_to_array(self.column, "float32")
        return self.column.getField("data") if self.kind == "image" else self.column

    def ordered(self) -> Any:
        """What is hashed where the user orders by this column: numbers exactly."""
        if self.kind == "number":
            return self.column.cast("bigint" if self.whole else "double")
        return self.column if self.kind == "any" else self.hashed()


def _kind(what: str, name: str, type_: Any) -> str:
    from pyspark.ml.linalg import VectorUDT
    from pyspark.sql.types import (
        ArrayType,
        BinaryType,
        BooleanType,
        MapType,
        NumericType,
        StringType,
        StructType,
        VariantType,
    )

    if isinstance(type_, NumericType | BooleanType):
        return "number"
    if isinstance(type_, ArrayType) and isinstance(type_.elementType, NumericType | BooleanType):
        return "list"
    if what in ("features", "order_by"):
        if isinstance(type_, VectorUDT):
            return "vector"
        if isinstance(type_, BinaryType):
            return "bytes"
        if isinstance(type_, StringType):
            return "text"
        if isinstance(type_, StructType) and set(type_.names) >= set(_IMAGE):
            return "image"
    elif what == "label" and isinstance(type_, VectorUDT):
        return "vector"
    if what == "order_by" and not isinstance(type_, MapType | VariantType):
        return "any"
    wanted = {
        "features": "numbers, arrays of numbers, ML vectors, binary, images or (with a transform) text",
        "label": "numbers, arrays of numbers or ML vectors",
        "weight": "numbers",
        "order_by": "any type that can be hashed",
    }[what]
    advice = " Index text labels first (pyspark.ml.feature.StringIndexer)." if isinstance(type_, StringType) else ""
    raise DataError(f"{what}: column {name!r} is {type_.simpleString()}; expected {wanted}.{advice}")
