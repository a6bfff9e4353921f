import numpy as np
import pytest

from sparkdl.blockmanager import codecs

F32 = np.dtype(np.float32)
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 65504, 65520, 1e38, 1e-38, 1e-45, 6e-8, np.inf, -np.inf], np.float32)


def there_and_back(codec, values):
    out = np.zeros(codec.nbytes(values.size, values.dtype) + 8, np.uint8)
    written = codec.encode(values, out)
    assert written == codec.nbytes(values.size, values.dtype) and not out[written:].any()
    back = np.full_like(values, 7)
    codec.decode(out[:written], back)
    return back


def nearest(values, table):
    """The element of ``table`` (ascending float64) nearest to each value, ties to the one with an even code."""
    right = np.clip(np.searchsorted(table, values), 1, len(table) - 1)
    low, high = values - table[right - 1], table[right] - values
    up = (high < low) | ((high == low) & (right % 2 == 0))
    return np.where(up, table[right], table[right - 1])


def bf16_table():
    codes = np.arange(0, 0x7F80, dtype=np.uint32)  # zero to the largest finite number
    return (codes << 16).view(np.float32).astype(np.float64)


def half_table():
    return np.arange(0, 0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)


def samples(largest):
    rng = np.random.default_rng(3)
    spread = np.exp(rng.uniform(np.log(1e-9), np.log(largest), 20_000)).astype(np.float32)
    return spread[spread < largest]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_none_keeps_every_bit(dtype):
    values = np.concatenate([SPECIAL, [np.nan]]).astype(dtype)
    assert there_and_back(codecs.make("none"), values).tobytes() == values.tobytes()


@pytest.mark.parametrize(("name", "table", "largest"), [("fp16", half_table(), 65504), ("bf16", bf16_table(), 3e38)])
def test_every_value_becomes_the_nearest_number_of_the_format(name, table, largest):
    values = samples(largest)
    codec = codecs.make(name)
    np.testing.assert_array_equal(there_and_back(codec, values), nearest(values.astype(np.float64), table))
    np.testing.assert_array_equal(there_and_back(codec, -values), -there_and_back(codec, values))


@pytest.mark.parametrize(("name", "table"), [("fp16", half_table()), ("bf16", bf16_table())])
def test_halfway_between_two_numbers_the_even_one_is_taken(name, table):
    table = table[1:] if name == "fp16" else table[0x1000:]
    halfway = ((table[:-1] + table[1:]) / 2).astype(np.float32)
    codec = codecs.make(name)
    first = 1 if name == "fp16" else 0x1000
    code = np.arange(first, first + len(halfway))
    np.testing.assert_array_equal(there_and_back(codec, halfway), np.where(code % 2 == 0, table[:-1], table[1:]))


def test_half_overflows_to_infinity_and_underflows_to_zero():
    back = there_and_back(codecs.make("fp16"), np.float32([65519, 65520, -1e38, 2e-8]))
    np.testing.assert_array_equal(back, [65504, np.inf, -np.inf, 0])


def test_half_agrees_with_numpy_on_every_code_and_on_random_bits():
    codes = np.arange(1 << 16, dtype=np.uint16)
    decoded = np.zeros(1 << 16, np.float32)
    codecs.make("fp16").decode(codes.view(np.uint8), decoded)
    np.testing.assert_array_equal(decoded, codes.view(np.float16).astype(np.float32))
    values = np.random.default_rng(5).integers(0, 1 << 32, 1 << 20, np.uint32).view(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        np.testing.assert_array_equal(there_and_back(codecs.make("fp16"), values), values.astype(np.float16))


def test_bf16_keeps_the_range_and_signs():
    back = there_and_back(codecs.make("bf16"), SPECIAL)
    np.testing.assert_allclose(back, SPECIAL, rtol=2**-8, atol=1e-40)
    np.testing.assert_array_equal(np.signbit(back), np.signbit(SPECIAL))


@pytest.mark.parametrize("name", ["none", "fp16", "bf16"])
def test_nan_stays_nan_whatever_its_payload(name):
    payloads = np.array([0x7F800001, 0x7FFFFFFF, 0xFF800001, 0xFFFFFFFF, 0x7FC00000], np.uint32).view(np.float32)
    assert np.isnan(there_and_back(codecs.make(name), payloads)).all()


@pytest.mark.parametrize("name", ["none", "fp16", "bf16"])
def test_what_was_decoded_is_encoded_without_further_loss(name):
    codec = codecs.make(name)
    once = there_and_back(codec, samples(1e4))
    assert there_and_back(codec, once).tobytes() == once.tobytes()


@pytest.mark.parametrize("name", ["none", "fp16", "bf16"])
def test_nothing_to_encode(name):
    assert there_and_back(codecs.make(name), np.zeros(0, np.float32)).size == 0


def test_bytes_of_old_versions_still_decode():
    stored = {"none": "0000803f0000c0c0", "fp16": "003c00c6", "bf16": "803fc0c0"}
    for name, data in stored.items():
        out = np.zeros(2, np.float32)
        codecs.make(name).decode(np.frombuffer(bytes.fromhex(data), np.uint8), out)
        np.testing.assert_array_equal(out, [1, -6])


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="one of none, fp16, bf16"):
        codecs.make("gzip")
    assert codecs.make(codec := codecs.make("fp16")) is codec
