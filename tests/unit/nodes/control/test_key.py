from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ErrorValue, InvalidError
from nodes.control.key import is_plain, key_of

DIFFERENT = [
    None, True, False, 0, 1, 0.0, -0.0, 1.0, "", "1", "None", b"", b"1", [], {}, [[]], [{}], [None], {"a": None}, {"a": 1},
    {"a": True}, {1: "a"}, {"1": "a"}, {True: "a"}, ["a", 1], [1, "a"], [["a"], 1], timedelta(0), timedelta(1), float("inf"),
    datetime(2024, 1, 1, tzinfo=UTC), "2024-01-01T00:00:00+00:00", ErrorValue("a"), ErrorValue("b"), ["list"], ("bool", True, 0),
]  # fmt: skip


def test_different_payloads_have_different_keys():
    keys = [key_of(payload) for payload in DIFFERENT]
    assert len(set(keys)) == len(DIFFERENT)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}),
        (float("nan"), float("nan")),
        ([1, 2], (1, 2)),
        (ErrorValue("a"), ErrorValue("a")),
    ],
)
def test_equal_payloads_have_equal_keys(left, right):
    assert key_of(left) == key_of(right)


PAYLOADS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from(["", "a", "1"])
    | st.sampled_from([0.0, 1.0, -1.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "1"]), inner, max_size=3),
    max_leaves=6,
)


def same(left, right):
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return left == right


@given(PAYLOADS, PAYLOADS)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_keys_are_equal_just_where_content_and_types_are(left, right):
    assert (key_of(left) == key_of(right)) is same(left, right)


async def stream():
    yield b""


@pytest.mark.parametrize("payload", [stream(), {"body": stream()}, [object()]])
def test_a_stream_is_no_key(payload):
    with pytest.raises(InvalidError, match="cannot be a key"):
        key_of(payload)


def test_too_deep():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidError, match="too deeply"):
        key_of(deep)
    assert is_plain(deep)


def test_plain():
    assert is_plain({"a": [1, None, (b"", ErrorValue("x"))]})
    assert not is_plain({"a": [1, stream()]})
