"""The hash of what data means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.spec.meaning import canonical

DISTINCT = [
    None,
    True,
    False,
    0,
    1,
    1.0,
    "1",
    "true",
    "",
    [],
    {},
    [1],
    [[1]],
    {"1": 1},
    {"a": None},
    b"1",
    {"\0bytes": "x"},
    "MQ==",
    datetime(2024, 1, 1, tzinfo=UTC),
    "2024-01-01T00:00:00+00:00",
    timedelta(seconds=1),
    [0, 1, 0],
    "\ud800",
    float("nan"),
    float("inf"),
    [1, 2],
    [2, 1],
]


def test_different_things_differ():
    assert len({canonical(value) for value in DISTINCT}) == len(DISTINCT)


def test_the_hash_is_stable():
    assert canonical({"b": [1, 2.5, True], "a": "ä"}) == canonical({"a": "ä", "b": [1, 2.5, True]})
    assert canonical({"a": 1}) == "2c6b113b8dd15ffbded9860b43eb0c6c"


def test_keys_count_as_their_text():
    assert canonical({1: "a", "b": 2, None: 3}) == canonical({"1": "a", "b": 2, "null": 3})
    assert canonical([{2: {3: 4}}]) == canonical([{"2": {"3": 4}}])


def test_tuples_are_lists():
    assert canonical((1, 2)) == canonical([1, 2])


def test_what_is_no_data_is_refused():
    with pytest.raises(TypeError, match="set is no plain data"):
        canonical({"a": {1}})
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="Circular"):
        canonical(loop)


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.lists(st.text(max_size=3), max_size=3), max_size=6))
def test_order_of_keys_is_free(data):
    assert canonical(dict(reversed(data.items()))) == canonical(data)
