"""Readers of files: what well-kept writers write is read back; whatever is cut off or garbled gives one FormatError."""

import gzip
import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from realdata import real_data

from sparkdl.data import readers
from sparkdl.data.readers import protobuf as pb
from sparkdl.data.readers.crc import crc32c
from sparkdl.data.readers.tfrecord import parse_example
from sparkdl.errors import DataError, FormatError, UnsupportedError

DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


# -- what the tests write ---------------------------------------------------------------------------------------------
def idx(array, code):
    sizes = b"".join(struct.pack(">I", size) for size in array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.astype(DTYPES[code]).tobytes()


def masked(data):
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def tfrecord(*records):
    parts = []
    for record in records:
        length = struct.pack("<Q", len(record))
        parts += [length, masked(length), record, masked(record)]
    return b"".join(parts)


def example(**features):
    entries = []
    for name, values in features.items():
        if isinstance(values[0], bytes):
            body = pb.tagged(1, b"".join(pb.tagged(1, value) for value in values))
        elif isinstance(values[0], float):
            body = pb.tagged(2, pb.tagged(1, pb.packed(values)))
        else:
            body = pb.tagged(3, pb.tagged(1, b"".join(pb.varint(value) for value in values)))
        entries.append(pb.tagged(1, pb.tagged(1, name.encode()) + pb.tagged(2, body)))
    return pb.tagged(1, b"".join(entries))


def datum(label, pixels):
    sizes = b"".join(pb.varint(n << 3) + pb.varint(size) for n, size in enumerate(pixels.shape, 1))
    return sizes + pb.tagged(4, pixels.tobytes()) + pb.varint(5 << 3) + pb.varint(label)


def lmdb_file(folder, items):
    lmdb = pytest.importorskip("lmdb", reason="lmdb, which writes the file to be read, is not installed (extra dev)")
    with lmdb.open(str(folder), map_size=1 << 26) as database, database.begin(write=True) as transaction:
        for key, value in items:
            transaction.put(key, value)
    return (folder / "data.mdb").read_bytes()


# -- IDX and CIFAR ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("code", DTYPES)
@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4), (0, 7)])
def test_idx_of_every_type_and_rank(code, shape, tmp_path):
    array = np.random.default_rng(0).integers(0, 100, shape)
    data = idx(array, code)
    path = tmp_path / "a.idx.gz"
    path.write_bytes(gzip.compress(data))
    for source in (data, path, str(path)):
        read = readers.read_idx(source)
        assert np.array_equal(read, array) and read.dtype == np.dtype(DTYPES[code]).newbyteorder("=")


def test_mnist():
    images, labels = readers.read_mnist(real_data("datasets/mnist"), "test")
    assert images.shape == (10_000, 28, 28) and images.dtype == np.uint8
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_cifar_binary_files():
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (4, 3, 32, 32), np.uint8)
    ten = [bytes([i]) + image.tobytes() for i, image in enumerate(images)]
    x, y = readers.read_cifar([b"".join(ten[:3]), ten[3]])
    assert np.array_equal(x, images) and y.tolist() == [0, 1, 2, 3]
    hundred = b"".join(bytes([i, 10 + i]) + image.tobytes() for i, image in enumerate(images))
    x, y = readers.read_cifar(hundred, labels=2)
    assert np.array_equal(x, images) and y.tolist() == [[0, 10], [1, 11], [2, 12], [3, 13]]


# -- TFRecord ---------------------------------------------------------------------------------------------------------
def test_crc32c_is_the_published_one():
    assert crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C
    assert crc32c(bytes(32)) == 0x8A9136AA and crc32c(b"\xff" * 32) == 0x62A8AB43  # RFC 3720, B.4


def test_tfrecords_and_examples():
    rows = [example(image=[b"ab", b"c"], label=[i], box=[0.5, 1.5 * i]) for i in (0, -1, 2**40)]
    data = tfrecord(*rows)
    assert list(readers.tfrecords(gzip.compress(data))) == rows
    columns = readers.read_examples(data)
    assert columns["label"].tolist() == [0, -1, 2**40] and columns["label"].dtype == np.int64
    assert columns["box"].tolist() == [[0.5, 0], [0.5, -1.5], [0.5, np.float32(1.5 * 2**40)]]
    assert columns["image"][2].tolist() == [b"ab", b"c"]
    assert parse_example(rows[1])["label"] == ("int64", [-1])
    with pytest.raises(DataError, match="label has 1 to 2 values"):
        readers.read_examples(tfrecord(example(label=[1]), example(label=[1, 2])))
    with pytest.raises(DataError, match="Record 1 .* same features: other"):
        readers.read_examples(tfrecord(example(label=[1]), example(label=[1], other=[1])))


# -- LMDB -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("count", [0, 1, 7, 5_000])
def test_lmdb_items_come_in_key_order_small_and_large(count, tmp_path):
    rng = np.random.default_rng(count)
    items = {f"{i:08}".encode(): rng.bytes(int(rng.choice([0, 5, 300, 5_000]))) for i in rng.permutation(count)}
    data = lmdb_file(tmp_path, items.items())
    assert list(readers.lmdb_items(data)) == sorted(items.items())
    assert list(readers.lmdb_items(tmp_path)) == sorted(items.items())
    shares = [list(readers.lmdb_items(tmp_path, (part, 3))) for part in range(3)]
    assert sum(shares, []) == sorted(items.items()) and max(map(len, shares)) - min(map(len, shares)) <= 1


def test_lmdb_after_deletions_and_several_transactions(tmp_path):
    lmdb = pytest.importorskip("lmdb", reason="lmdb, which writes the file to be read, is not installed (extra dev)")
    with lmdb.open(str(tmp_path), map_size=1 << 26) as database:
        for step in range(5):
            with database.begin(write=True) as transaction:
                for i in range(300):
                    transaction.put(f"{i:04}".encode(), f"{step} {i}".encode() * step)
                for i in range(0, 300, 3):
                    transaction.delete(f"{i:04}".encode())
    expected = [(f"{i:04}".encode(), f"4 {i}".encode() * 4) for i in range(300) if i % 3]
    assert list(readers.lmdb_items(tmp_path)) == expected


def test_caffe_lmdb(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 3, 8, 9), np.uint8)
    lmdb_file(tmp_path, ((f"{i:05}".encode(), datum(i % 10, image)) for i, image in enumerate(pixels)))
    images, labels = readers.read_caffe_lmdb(tmp_path)
    assert np.array_equal(images, pixels) and labels.tolist() == [i % 10 for i in range(40)]


# -- hostile files ----------------------------------------------------------------------------------------------------
def consume(read):
    result = read()
    return result if isinstance(result, np.ndarray | tuple | dict) else list(result)


EXAMPLES = [example(label=[1, 2], x=[1.0]), example(label=[3, 4], x=[2.0])]
FILES = {
    "idx": (lambda folder: idx(np.arange(60).reshape(3, 20), 0x0C), readers.read_idx),
    "cifar": (lambda folder: bytes(2 * 3073), readers.read_cifar),
    "tfrecord": (lambda folder: tfrecord(*EXAMPLES), readers.read_examples),
    "lmdb": (lambda folder: lmdb_file(folder, [(b"%04d" % i, bytes([i % 256]) * i) for i in range(0, 5000, 7)]),
             readers.lmdb_items),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_truncated_files_give_one_clear_error(kind, tmp_path):
    write, read = FILES[kind]
    data = write(tmp_path)
    consume(lambda: read(data))
    for cut in [*range(1, min(len(data), 40)), *range(40, len(data), max(1, len(data) // 60))]:
        if (kind, cut) == ("cifar", 3073) or (kind == "tfrecord" and data[:cut] == tfrecord(EXAMPLES[0])):
            continue  # whole records
        if kind == "lmdb" and cut > len(data) - 4096 * 2:
            continue  # pages that the tree may not use
        with pytest.raises(FormatError, match="truncated|not a|not an|broken|missing"):
            consume(lambda cut=cut: read(data[:cut]))


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_garbled_files_give_a_format_error_or_are_read(kind, seed, tmp_path_factory):
    write, read = FILES[kind]
    data = bytearray(CACHE.setdefault(kind, write(tmp_path_factory.mktemp("garbled")) if kind not in CACHE else None))
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, min(len(data), 20_000), 4):
        data[place] ^= 1 << int(rng.integers(0, 8))
    try:
        consume(lambda: read(bytes(data)))
    except (FormatError, UnsupportedError, DataError):
        pass


CACHE: dict[str, bytes] = {}


def test_sizes_in_a_header_take_no_memory_until_the_bytes_are_there():
    huge = bytes([0, 0, 8, 4]) + b"\xff" * 16 + b"few"
    with pytest.raises(FormatError, match="truncated"):
        readers.read_idx(huge)
    with pytest.raises(FormatError, match="after the data"):
        readers.read_idx(idx(np.arange(4), 8) + b"x")
    with pytest.raises(FormatError, match="gzip data is broken"):
        readers.read_idx(gzip.compress(idx(np.arange(400), 0x0C))[:-12])


def test_a_file_of_another_kind_says_so():
    for read in (readers.read_idx, readers.lmdb_items, readers.tfrecords, readers.sequence_records):
        with pytest.raises(FormatError, match="not an? "):
            consume(lambda read=read: read(b"PK\x03\x04" + bytes(range(200))))


def test_files_are_named_in_errors(tmp_path):
    path = tmp_path / "cut.idx"
    path.write_bytes(idx(np.arange(50), 8)[:20])
    with pytest.raises(FormatError, match=r"cut\.idx, byte 20: the file is truncated"):
        readers.read_idx(path)
    with pytest.raises(FileNotFoundError, match="train-images"):
        readers.read_mnist(tmp_path)


def test_sequence_files_of_unknown_codecs_are_refused():
    def text(value):
        return bytes([len(value)]) + value.encode()

    head = b"SEQ\x06" + text("org.apache.hadoop.io.Text") * 2 + b"\x01\x00" + text("com.example.Codec")
    with pytest.raises(UnsupportedError, match=r"compressed by com\.example\.Codec"):
        consume(lambda: readers.sequence_records(io.BytesIO(head).read()))
