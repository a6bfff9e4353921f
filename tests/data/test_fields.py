"""What users may say of columns."""

import pytest

from sparkdl.data.fields import Column, as_columns
from sparkdl.errors import DataError


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a", {"a": Column("a")}),
        (["a", "b"], {"a, b": Column(("a", "b"))}),
        (Column("a", shape=(2, 3)), {"a": Column("a", shape=(2, 3))}),
        ([Column("a"), "b"], {"a": Column("a"), "b": Column("b")}),
        ({"left": "a", "right": ["b", "c"]}, {"left": Column("a"), "right": Column(("b", "c"))}),
        ({"image": (28, 28)}, {"image": Column("image", shape=(28, 28))}),
    ],
)
def test_names_lists_dicts_and_shapes(given, expected):
    assert as_columns("features", given) == expected


@pytest.mark.parametrize("given", [5, [], {}, ["a", 5], {"a": 5}, [["a"], 5]])
def test_anything_else_is_an_error(given):
    with pytest.raises(DataError, match="features must be a column's name"):
        as_columns("features", given)


@pytest.mark.parametrize("wrong", [{"shape": (0, 2)}, {"shape": ()}, {"dtype": "float16"}])
def test_columns_say_what_they_take(wrong):
    with pytest.raises(DataError, match="Column 'a'"):
        Column("a", **wrong)


def test_dtypes_may_be_given_as_types_and_a_shape_as_a_number():
    column = Column("a", shape=5, dtype=int)
    assert (column.shape, column.dtype) == ((5,), "int64")
