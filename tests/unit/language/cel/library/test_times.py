"""Texts of times, and their parts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ExpressionError
from engine.language import cel
from engine.language.cel.library.times import parse_duration, parse_timestamp
from engine.language.json_form import duration_text, timestamp_text


def run(source, payload=None):
    return cel.CelCompiler().compile(source)(payload)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-02-29T12:00:00Z", datetime(2024, 2, 29, 12, tzinfo=UTC)),
        ("2024-02-29t12:00:00.5z", datetime(2024, 2, 29, 12, 0, 0, 500_000, tzinfo=UTC)),
        ("2024-02-29T12:00:00+02:00", datetime(2024, 2, 29, 10, tzinfo=UTC)),
        ("2024-02-29T23:30:00-01:00", datetime(2024, 3, 1, 0, 30, tzinfo=UTC)),
        ("2024-02-29T12:00:00.123456789Z", datetime(2024, 2, 29, 12, 0, 0, 123_456, tzinfo=UTC)),
    ],
)
def test_timestamps(text, expected) -> None:
    assert parse_timestamp(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "2024-02-30T00:00:00Z", "2024-02-29", "2024-02-29T12:00:00", "2024-02-29T25:00:00Z", "0001-01-01T00:00:00+01:00",
        "2024-02-29T12:00:60Z", "٢٠٢٤-02-29T12:00:00Z", "2024-02-29 12:00:00Z",
    ],
)  # fmt: skip
def test_no_timestamps(text) -> None:
    with pytest.raises(ExpressionError):
        parse_timestamp(text)


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("0", 0), ("90s", 90_000_000), ("1h30m", 5_400_000_000), ("-1.5s", -1_500_000), ("+2ms", 2000), ("1.5ms", 1500),
        (".5s", 500_000), ("1.s", 1_000_000), ("3us4µs5μs", 12), ("1ns", 0), ("-1ns", -1), ("1h1h", 7_200_000_000),
    ],
)  # fmt: skip
def test_durations(text, microseconds) -> None:
    assert parse_duration(text) == timedelta(microseconds=microseconds)


@pytest.mark.parametrize(
    "text", ["", "1", "s", "-", "1h 1m", "1x", ".s", "--1s", "1d", "99999999999999999999h", "300000h300000000h"]
)
def test_no_durations(text) -> None:
    with pytest.raises(ExpressionError):
        parse_duration(text)


@settings(derandomize=True)
@given(moment=st.datetimes(timezones=st.just(UTC)), span=st.timedeltas(timedelta(-100_000), timedelta(100_000)))
def test_texts_read_back(moment, span) -> None:
    assert parse_timestamp(timestamp_text(moment)) == moment
    assert parse_duration(duration_text(span)) == span


MOMENT = datetime(2024, 12, 31, 23, 59, 58, 987_654, tzinfo=UTC)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("self.getFullYear()", 2024),
        ("self.getFullYear('+00:01')", 2025),
        ("self.getMonth()", 11),
        ("self.getDayOfYear()", 365),
        ("self.getDayOfMonth()", 30),
        ("self.getDate()", 31),
        ("self.getDayOfWeek()", 2),
        ("self.getHours()", 23),
        ("self.getHours('Asia/Kolkata')", 5),
        ("self.getMinutes()", 59),
        ("self.getSeconds()", 58),
        ("self.getMilliseconds()", 987),
        ("int(self)", 1735689598),
        ("int(timestamp(-1))", -1),
        ("int(timestamp('1969-12-31T23:59:59.5Z'))", -1),
        ("duration('-90m').getHours()", -1),
        ("duration('-90m').getMinutes()", -90),
        ("duration('-1.5s').getSeconds()", -1),
        ("duration('-1.5s').getMilliseconds()", -500),
    ],
)
def test_parts(source, expected) -> None:
    assert run(source, MOMENT) == expected


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "../etc/passwd", "America", "+25:00", "+01:99", "", "x" * 1000, "\x00"]
)
def test_no_time_zone(zone) -> None:
    with pytest.raises(ExpressionError, match="no time zone"):
        run("timestamp(0).getHours(self)", zone)


def test_zone_beyond_the_range() -> None:
    with pytest.raises(ExpressionError, match="out of range"):
        run("timestamp('9999-12-31T23:59:59Z').getHours('+01:00')")
