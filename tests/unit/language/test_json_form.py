"""Payloads as JSON."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ErrorValue, ExpressionError
from engine.language.json_form import double_text, duration_text, timestamp_text, to_json_value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"abc", "YWJj"),
        (datetime(2024, 1, 1, tzinfo=UTC), "2024-01-01T00:00:00Z"),
        (datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2024-01-01T00:00:00Z"),
        (date(2024, 1, 1), "2024-01-01"),
        (timedelta(seconds=65), "65s"),
        (timedelta(milliseconds=-1500), "-1.5s"),
        (ErrorValue("outer", causes=(ErrorValue("inner"),)), "outer: inner"),
        ((1, 2), [1, 2]),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        ({1: "a"}, {"1": "a"}),
        ({True: 1, None: 2, 1.5: 3}, {"true": 1, "null": 2, "1.5": 3}),
        ({"a": [b"x", {"b": (timedelta(),)}]}, {"a": ["eA==", {"b": ["0s"]}]}),
        ([1, b"x", 2, b"y"], [1, "eA==", 2, "eQ=="]),
    ],
)
def test_forms(value, expected) -> None:
    assert to_json_value(value) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(derandomize=True, max_examples=60)
@given(value=JSON)
def test_json_comes_back_as_the_same_object(value) -> None:
    assert to_json_value(value) is value


PAYLOADS = st.recursive(
    JSON | st.binary() | st.floats() | st.timedeltas() | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.dictionaries(st.integers(), inner, max_size=3),
    max_leaves=10,
)


@settings(derandomize=True, max_examples=60)
@given(value=PAYLOADS)
def test_the_form_is_json_and_is_its_own_form(value) -> None:
    form = to_json_value(value)
    json.dumps(form, allow_nan=False)
    assert to_json_value(form) is form


def test_unchanged_parts_are_shared() -> None:
    part = {"big": [1, 2, 3]}
    form = to_json_value({"part": part, "bytes": b""})
    assert form["part"] is part


def test_two_keys_of_one_text_are_refused() -> None:
    with pytest.raises(ExpressionError, match="two keys of a map are '1'"):
        to_json_value({1: "a", "1": "b"})


def test_too_deep() -> None:
    value: list = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ExpressionError, match="nested too deeply"):
        to_json_value(value)
    while value:
        value = value.pop()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.0, "1"), (0.1, "0.1"), (-0.0045, "-0.0045"), (1e6, "1e+06"), (123456789.0, "1.23456789e+08"),
        (-1500000.5, "-1.5000005e+06"), (999999.0, "999999"), (1e-7, "1e-07"), (1e100, "1e+100"), (-0.0, "-0"),
    ],
)  # fmt: skip
def test_double_text(value, expected) -> None:
    assert double_text(value) == expected


@settings(derandomize=True)
@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_double_text_reads_back(value) -> None:
    assert float(double_text(value)) == value


def test_fractions_lose_trailing_zeros() -> None:
    assert timestamp_text(datetime(1, 2, 3, 4, 5, 6, 120_000, tzinfo=UTC)) == "0001-02-03T04:05:06.12Z"
    assert duration_text(timedelta(microseconds=1)) == "0.000001s"
