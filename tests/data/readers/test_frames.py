"""Files into DataFrames, read by tasks; SequenceFiles as Spark itself writes them."""

import gzip

import numpy as np
import pytest
from test_readers import datum, example, lmdb_file, tfrecord

from sparkdl.data import readers
from sparkdl.errors import FormatError

CODECS = ["DefaultCodec", "GzipCodec", "BZip2Codec"]


@pytest.mark.parametrize(
    ("codec", "kind"), [(None, "NONE"), *((codec, kind) for codec in CODECS for kind in ("RECORD", "BLOCK"))]
)
def test_sequence_files_that_spark_writes(local, tmp_path, codec, kind):
    pairs = [(f"key {i} ä", bytearray(bytes([i % 256]) * (i * 7 % 300))) for i in range(700)]
    conf = local.sparkContext._jsc.hadoopConfiguration()
    conf.set("mapreduce.output.fileoutputformat.compress.type", kind)
    rows = local.sparkContext.parallelize(pairs, 1)
    rows.saveAsSequenceFile(str(tmp_path / "s"), codec and f"org.apache.hadoop.io.compress.{codec}")
    path = tmp_path / "s" / "part-00000"
    assert list(readers.sequence_records(path)) == [(key, bytes(value)) for key, value in pairs]
    data = path.read_bytes()
    for cut in (3, 20, len(data) // 2, len(data) - 3):
        with pytest.raises(FormatError, match="truncated|broken"):
            list(readers.sequence_records(data[:cut]))
    frame = readers.sequence_frame(local, str(tmp_path / "s" / "part-*"))
    assert {row.key: bytes(row.value) for row in frame.collect()} == {key: bytes(value) for key, value in pairs}


def test_sequence_files_of_numbers(local, tmp_path):
    pairs = [(i - 50, i / 3) for i in range(100)]
    local.sparkContext.parallelize(pairs, 1).saveAsSequenceFile(str(tmp_path / "n"))
    assert list(readers.sequence_records(tmp_path / "n" / "part-00000")) == pairs
    frame = readers.sequence_frame(local, str(tmp_path / "n" / "part-*"), "i int, v double")
    assert sorted(map(tuple, frame.collect())) == pairs


def test_tfrecords_with_and_without_a_schema(local, tmp_path):
    for part in range(3):
        records = [example(image=[bytes([part, i])], label=[i], box=[0.5, float(i)]) for i in range(4)]
        (tmp_path / f"{part}.tfrecord").write_bytes(gzip.compress(tfrecord(*records)))
    found = readers.tfrecord_frame(local, str(tmp_path))
    assert found.dtypes == [("box", "array<float>"), ("image", "binary"), ("label", "bigint")]
    assert sorted(bytes(row.image) for row in found.collect()) == [bytes([p, i]) for p in range(3) for i in range(4)]
    chosen = readers.tfrecord_frame(local, str(tmp_path), "label int, missing string")
    assert sorted(row.label for row in chosen.collect()) == sorted([0, 1, 2, 3] * 3)
    with pytest.raises(Exception, match=r"Record 0: box has 2 values; declare it as array<float>"):
        readers.tfrecord_frame(local, str(tmp_path), "box float").collect()
    (tmp_path / "3.tfrecord").write_bytes(b"not a record at all")
    with pytest.raises(Exception, match=r"3\.tfrecord.*not a TFRecord file"):
        readers.tfrecord_frame(local, str(tmp_path), "label int").collect()


def test_cifar_lmdb_and_arrays_as_frames(local, tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (10, 3, 32, 32), np.uint8)
    (tmp_path / "batch.bin").write_bytes(b"".join(bytes([i]) + image.tobytes() for i, image in enumerate(images)))
    lmdb = tmp_path / "db"
    lmdb.mkdir()
    lmdb_file(lmdb, ((f"{i:05}".encode(), datum(i, image)) for i, image in enumerate(images)))
    for frame in (
        readers.cifar_frame(local, str(tmp_path / "batch.bin")),
        readers.caffe_lmdb_frame(local, str(lmdb)),
        readers.caffe_lmdb_frame(local, str(lmdb), partitions=3),
        readers.frame_of_arrays(local, {"image": images, "label": np.arange(10)}),
    ):
        rows = sorted(frame.select("label", "image").collect())
        assert [row.label for row in rows] == list(range(10))
        assert b"".join(bytes(row.image) for row in rows) == images.tobytes()
    x = images.reshape(10, -1)[:, :3] / 2
    numbers = readers.frame_of_arrays(local, {"x": x, "b": np.arange(10, dtype=np.uint8)})
    assert numbers.dtypes == [("x", "array<double>"), ("b", "smallint")]
    assert numbers.first().x == x[0].tolist()
