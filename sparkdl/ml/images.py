"""Pictures from files, in Spark's own image schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sparkdl.carry import carry
from sparkdl.data.transforms.decode import Decode
from sparkdl.data.transforms.pictures import pair, resized
from sparkdl.errors import DataError

_MODES = {1: 0, 3: 16}  # channels: OpenCV's number for 8-bit pixels of so many, as Spark's image schema has it


def image_type() -> Any:
    """The type of the column that ``spark.read.format("image")`` gives."""
    from pyspark.sql.types import BinaryType, IntegerType, StringType, StructField, StructType

    types = {"origin": StringType(), "height": IntegerType(), "width": IntegerType(), "nChannels": IntegerType(),
             "mode": IntegerType(), "data": BinaryType()}  # fmt: skip
    return StructType([StructField(name, kind) for name, kind in types.items()])


def read_images(
    spark: Any,
    path: str | Sequence[str],
    size: int | tuple[int, int] | None = None,
    channels: int = 3,
    drop_invalid: bool = False,
    recursive: bool = False,
) -> Any:
    """A DataFrame with one column ``image`` in Spark's image schema (bytes in the order blue, green, red).

    Unlike Spark's own source it resizes (``size`` (height, width)), reads whatever Pillow reads, and makes all pictures
    colour (``channels=3``) or grey (1), so that they fit a model. A file that is no picture gives null, or is left out
    with ``drop_invalid``. ``path`` may have wildcards.
    """
    from pyspark.sql import functions as F
    from pyspark.sql.types import StructField, StructType

    if channels not in _MODES:
        raise DataError(f"read_images: channels must be 1 or 3, got {channels!r}.")
    decoder = Decoder(None if size is None else pair(size, "read_images"), channels)
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", str(recursive).lower())
    files = reader.load([path] if isinstance(path, str) else list(path))
    type_ = StructType([StructField("image", image_type())])
    images = files.select("path", "content").mapInArrow(carry(decoder), type_)
    return images.filter(F.col("image").isNotNull()) if drop_invalid else images


class Decoder:
    """Rows of path and content to rows of an image; null where the content is no picture."""

    def __init__(self, size: tuple[int, int] | None, channels: int) -> None:
        self.size, self.channels = size, channels
        self.decode = Decode("RGB" if channels == 3 else "L")

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa
        from pyspark.sql.pandas.types import to_arrow_type

        type_ = to_arrow_type(image_type())
        for batch in batches:
            pairs = zip(batch.column("path").to_pylist(), batch.column("content"), strict=True)
            images = pa.array([self.image(path, content.as_py()) for path, content in pairs], type_)
            yield pa.RecordBatch.from_arrays([images], names=["image"])

    def image(self, path: str, content: bytes) -> dict[str, Any] | None:
        """One picture."""
        try:
            pixels = self.decode._decode(content, 0)
        except DataError:  # not a picture: the row says so by being null
            return None
        if self.size is not None:
            pixels = resized(pixels, self.size)
        data = np.ascontiguousarray(pixels[..., ::-1])
        height, width, channels = data.shape
        return {"origin": path, "height": height, "width": width, "nChannels": channels, "mode": _MODES[channels],
                "data": data.tobytes()}  # fmt: skip
