"""Field types of node specs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from engine.spec.fields import Duration, FieldError, PortName, Size, Source, duration, port_name, size, source, written


@pytest.mark.parametrize(
    ("value", "milliseconds"),
    [
        ("250ms", 250),
        ("1.5s", 1500),
        ("2h", 7_200_000),
        ("1h30m", 5_400_000),
        ("1h 30m 5s", 5_405_000),
        ("10us", 0.01),
        ("10µs", 0.01),
        ("10μs", 0.01),
        ("1000ns", 0.001),
        ("1d", 86_400_000),
        (".5s", 500),
        ("+1s", 1000),
        ("5 s", 5000),
        ("10", 10),
        ("0.5", 0.5),
        (10, 10),
        (0.5, 0.5),
        (0, 0),
        (timedelta(seconds=2), 2000),
    ],
)
def test_durations(value, milliseconds):
    assert duration(value) == timedelta(milliseconds=milliseconds)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "is a duration, not ''"),
        ("x", "is a duration, not 'x'"),
        ("5x", "is a duration, not '5x'"),
        ("1s5", "is a duration, not '1s5'"),
        ("s", "is a duration, not 's'"),
        ("1e3", "is a duration, not '1e3'"),
        ("٣s", "is a duration, not '٣s'"),
        ("-5s", "is a duration and cannot be negative (-5s)"),
        (-1, "is a duration and cannot be negative (-1)"),
        ("-0.5", "is a duration and cannot be negative (-0.5)"),
        (timedelta(seconds=-1), "is a duration and cannot be negative (-1 day, 23:59:59)"),
        (True, "is a duration, not the boolean true"),
        (None, "is a duration, not nothing"),
        ([], "is a duration, not a list"),
        ("99999999999d", "cannot be as long as 99999999999d"),
        (float("inf"), "cannot be as long as inf"),
        (float("nan"), "cannot be as long as nan"),
        (10**400, "cannot be as long as"),
    ],
)
def test_bad_durations(value, reason):
    with pytest.raises(FieldError) as caught:
        duration(value)
    assert caught.value.reason.startswith(reason)
    assert "250ms" in caught.value.hint


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=10)))
def test_durations_read_back(span):
    assert abs(duration(written(span)) - span) <= timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (10, 10),
        (10.0, 10),
        ("10", 10),
        ("8MiB", 8 * 1024**2),
        ("64KB", 64_000),
        ("64 kb", 64_000),
        ("1.5KiB", 1536),
        ("1GB", 10**9),
        ("2TiB", 2 * 1024**4),
        ("7B", 7),
        (0, 0),
    ],
)
def test_sizes(value, count):
    assert size(value) == count
    assert type(size(value)) is int


@pytest.mark.parametrize(
    "value", ["", "x", "-1", -1, 1.5, "1.5B", "8 MX", True, None, [], float("nan"), float("inf"), "1iB", "9" * 5000]
)
def test_bad_sizes(value):
    with pytest.raises(FieldError) as caught:
        size(value)
    assert "8MiB" in caught.value.hint


@pytest.mark.parametrize("name", ["out", "in", "error", "out[0]", "out[12]", "a_b-c", "_x"])
def test_ports(name):
    assert port_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "o o", "out[]", "out[x]", "out[01]", "out[-1]", "[1]", "1a", "out[1][2]", 5, None, "out[1]\n"]
)
def test_bad_ports(name):
    with pytest.raises(FieldError, match=r"write a name such as out, or out\[3\]"):
        port_name(name)


@pytest.mark.parametrize(
    ("value", "code"), [("x", "x"), (True, "true"), (False, "false"), (1, "1"), (1.5, "1.5"), ("", "")]
)
def test_source(value, code):
    assert source(value) == code


@pytest.mark.parametrize("value", [None, [], {"a": 1}, b"x"])
def test_bad_source(value):
    with pytest.raises(FieldError, match="is code, not"):
        source(value)


def test_they_work_in_pydantic_and_tell_editors():
    for kind, value, result, back in [
        (Duration, "1.5s", timedelta(seconds=1.5), "1.5s"),
        (Size, "1KiB", 1024, 1024),
        (PortName, "out[1]", "out[1]", "out[1]"),
        (Source, True, "true", "true"),
        (Duration | None, None, None, None),
    ]:
        adapter = TypeAdapter(kind)
        assert adapter.validate_python(value) == result
        assert adapter.dump_python(result) == back
        assert adapter.json_schema()
    schema = TypeAdapter(Duration).json_schema()
    assert schema["type"] == ["string", "number"]
    assert "250ms" in schema["examples"]
