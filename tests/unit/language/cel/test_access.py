"""Reading parts of values: keys, positions, optional forms, and what the errors say."""

from __future__ import annotations

import pytest

from engine.errors import ErrorValue, ExpressionError
from engine.language.cel.access import (
    has_field,
    index,
    index_optional,
    is_in,
    select,
    select_optional,
)
from engine.language.cel.values import NONE, Optional, UInt


def some(value) -> Optional:
    return Optional(value, present=True)


@pytest.mark.parametrize(
    ("value", "key", "expected"),
    [
        ([5, 6], 1, 6),
        ([5, 6], UInt(1), 6),
        ([5, 6], 1.0, 6),
        ((5, 6), 0, 5),
        ({"a": 1}, "a", 1),
        ({1: "x"}, 1.0, "x"),
        ({True: "x"}, True, "x"),
    ],
)
def test_index(value, key, expected) -> None:
    assert index(value, key) == expected
    assert index_optional(value, key).value == expected
    assert index(some(value), key).value == expected


@pytest.mark.parametrize(
    ("value", "key"), [([5, 6], 2), ([5, 6], -1), ([], 0), ({}, "a"), ({1: "x"}, True), ({"1": "x"}, 1)]
)
def test_absent(value, key) -> None:
    with pytest.raises(ExpressionError, match=r"outside a list|no such key"):
        index(value, key)
    assert index_optional(value, key) is NONE
    assert index_optional(NONE, key) is NONE


@pytest.mark.parametrize(
    ("value", "key"), [([1], "0"), ([1], True), ([1], 0.5), ([1], None), ("abc", 0), (5, 0), (None, "a")]
)
def test_no_index(value, key) -> None:
    for read in (index, index_optional):
        with pytest.raises(ExpressionError, match=r"list index|no such overload"):
            read(value, key)


def test_fields() -> None:
    assert select({"a": None}, "a") is None
    assert select_optional({"a": None}, "a").present is True
    assert select_optional({}, "a") is NONE
    assert select(some({"a": 1}), "a").value == 1
    assert select(some({}), "a") is NONE
    assert select_optional(NONE, "a") is NONE
    for read in (select, select_optional, has_field):
        with pytest.raises(ExpressionError, match=r"list|only a map"):
            read([1], "a")


def test_a_missing_key_is_explained() -> None:
    with pytest.raises(ExpressionError, match="no such key: nmae") as caught:
        select({"name": 1, "other": 2}, "nmae")
    assert caught.value.hint == "did you mean name?"
    with pytest.raises(ExpressionError) as caught:
        select({f"key{number}": 1 for number in range(20)}, "zzz")
    assert "and 12 more" in (caught.value.hint or "")


def test_has() -> None:
    assert has_field({"a": None}, "a") is True
    assert has_field({}, "a") is False
    assert has_field(NONE, "a") is False
    assert has_field(some({"a": 1}), "a") is True
    assert has_field(ErrorValue("x"), "message") is True


def test_in() -> None:
    assert is_in("a", {"a": 1})
    assert not is_in(1, {"a": 1})
    assert is_in([1], [[1.0]])
    for container in ("abc", 5, None):
        with pytest.raises(ExpressionError, match="@in"):
            is_in("a", container)
    with pytest.raises(ExpressionError, match="@in"):
        is_in(None, {"a": 1})
