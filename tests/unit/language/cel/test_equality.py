"""Equality, membership and keys."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ErrorValue
from engine.language.cel.equality import contains, equals, find_key
from engine.language.cel.library.lists import identity
from engine.language.cel.values import NONE, Optional, Type, UInt

NAN = float("nan")


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (1, 1.0, True),
        (1, UInt(1), True),
        (1, True, False),
        (0.0, False, False),
        (0.0, -0.0, True),
        (1, "1", False),
        ("a", b"a", False),
        (None, False, False),
        (NAN, NAN, False),
        ([NAN], [NAN], False),
        ([1, True], [1.0, True], True),
        ([1], [True], False),
        ([1, 2], (1, 2), True),
        ([1], [1, 2], False),
        ({1: "a"}, {1.0: "a"}, True),
        ({1: "a"}, {True: "a"}, False),
        ({"a": [1]}, {"a": [1.0]}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({}, [], False),
        (NONE, Optional(None, present=False), True),
        (Optional(1, present=True), Optional(1.0, present=True), True),
        (Optional(1, present=True), NONE, False),
        (Optional(None, present=True), None, False),
        (Type("int"), Type("int"), True),
        (Type("int"), "int", False),
        (2**63 - 1, 2.0**63, True),
        (2**5000, 1e300, False),
    ],
)
def test_equals(left, right, expected) -> None:
    assert equals(left, right) is expected
    assert equals(right, left) is expected


def test_error_values() -> None:
    error = ErrorValue("outer", causes=(ErrorValue("inner"),))
    assert equals(error, "inner")
    assert equals("outer: inner", error)
    assert not equals(error, "out")
    assert equals(error, error)
    assert not equals(error, ErrorValue("outer"))
    assert not equals(1, error)
    assert contains("inner", [1, error])


@pytest.mark.parametrize(
    ("entries", "key", "found"),
    [
        ({1: "a"}, 1.0, True),
        ({1: "a"}, UInt(1), True),
        ({1: "a"}, True, False),
        ({True: "a"}, 1, False),
        ({True: "a"}, True, True),
        ({False: "a"}, 0.0, False),
        ({2: "a"}, 2.0, True),
        ({"1": "a"}, 1, False),
        ({1: "a"}, NAN, False),
        ({1: "a"}, [1], False),
        ({None: "a"}, None, False),
    ],
)
def test_find_key(entries, key, found) -> None:
    assert find_key(entries, key) == ((True, "a") if found else (False, None))


def test_contains_is_none_for_what_has_no_elements() -> None:
    assert contains(1, 5) is None
    assert contains(1, [2, 1.0]) is True
    assert contains("x", ["y"]) is False


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.sampled_from(["", "a", b"a", NAN]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(st.sampled_from(["a", 1, 2.0, True]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(derandomize=True, max_examples=300)
@given(left=VALUES, right=VALUES)
def test_equality_is_symmetric_and_identity_is_its_hashable_form(left, right) -> None:
    assert equals(left, right) is equals(right, left)
    assert equals(left, right) is (identity(left) == identity(right))
