"""Timestamps and durations: reading and writing their texts, and their parts, in UTC or another time zone.

Both count microseconds, as Python does; finer digits are cut off towards the past.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

from engine.errors import ExpressionError
from engine.language.cel.arithmetic import duration_in_range
from engine.language.cel.functions import function, method
from engine.language.json_form import duration_text, timestamp_text

_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)
_DURATION_PART = re.compile(r"([0-9]{1,20})?(?:\.([0-9]{0,20}))?(h|ms|us|µs|μs|ns|m|s)")
_OFFSET = re.compile(r"([+-]?)(\d\d):(\d\d)", re.ASCII)
_NANOSECONDS = {
    "h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000,
    "ms": 1_000_000, "us": 1000, "µs": 1000, "μs": 1000, "ns": 1,
}  # fmt: skip
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


def _out_of_range() -> ExpressionError:
    return ExpressionError("timestamp out of range", hint="years run from 0001 to 9999")


def parse_timestamp(text: str) -> datetime:
    """The UTC time of an RFC 3339 text."""
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        raise ExpressionError(f"no timestamp, or out of range: {text[:60]!r}", hint="write it as 2024-02-29T12:00:00Z")
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    fraction, sign, hours, minutes = found.groups()[6:]
    try:
        local = datetime(
            year, month, day, hour, minute, second, int((fraction or "0")[:6].ljust(6, "0")), tzinfo=UTC
        )  # fmt: skip
        shift = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        return local + shift if sign == "-" else local - shift
    except (ValueError, OverflowError):
        raise ExpressionError(f"no such time, or out of range: {text!r}") from None


def timestamp_of_seconds(seconds: int) -> datetime:
    """The time so many seconds after 1970."""
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        raise _out_of_range() from None


def epoch_seconds(moment: datetime) -> int:
    """Whole seconds since 1970, rounded towards the past."""
    return (in_utc(moment) - _EPOCH) // _SECOND


def in_utc(moment: datetime) -> datetime:
    """The same moment with the zone UTC. A time without a zone is taken as UTC."""
    return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def parse_duration(text: str) -> timedelta:
    """The duration of a text such as `1h30m`, `-1.5s`, `0`."""
    sign = text[:1] if text[:1] in {"-", "+"} else ""
    rest = text[len(sign) :]
    nanoseconds = 0
    at = 0
    for found in _DURATION_PART.finditer(rest):
        whole, fraction, unit = found.groups()
        if found.start() != at or not (whole or fraction):
            break
        at = found.end()
        size = _NANOSECONDS[unit]
        nanoseconds += int(whole or 0) * size + int(fraction or 0) * size // 10 ** len(fraction or "")
    if (at != len(rest) or not rest) and rest != "0":
        raise ExpressionError(f"no duration: {text[:60]!r}", hint="write it as 90s, 1h30m or 1.5s")
    microseconds = (-nanoseconds if sign == "-" else nanoseconds) // 1000
    try:
        return duration_in_range(timedelta(microseconds=microseconds))
    except OverflowError:
        raise ExpressionError("duration out of range", hint="a duration is at most about 292 years long") from None


def time_zone(name: str) -> tzinfo:
    """The zone of a name (`Europe/Berlin`) or an offset (`+01:00`, `-02:30`, `02:00`)."""
    found = _OFFSET.fullmatch(name)
    if found is not None:
        sign, hours, minutes = found.groups()
        shift = timedelta(hours=int(hours), minutes=int(minutes))
        if shift >= timedelta(days=1) or int(minutes) > 59:
            raise ExpressionError(f"no time zone: {name!r}")
        return timezone(-shift if sign == "-" else shift)
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # only when somebody asks for another zone

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ExpressionError(f"no time zone: {name[:60]!r}", hint="write Area/City or an offset as +01:00") from None


def _in_zone(moment: datetime, zone: str) -> datetime:
    try:
        return in_utc(moment).astimezone(time_zone(zone))
    except OverflowError:
        raise _out_of_range() from None


def _year(moment: datetime) -> int:
    return moment.year


def _month(moment: datetime) -> int:
    return moment.month - 1


def _day_of_year(moment: datetime) -> int:
    return moment.timetuple().tm_yday - 1


def _day_of_month(moment: datetime) -> int:
    return moment.day - 1


def _date(moment: datetime) -> int:
    return moment.day


def _day_of_week(moment: datetime) -> int:
    return moment.isoweekday() % 7


def _hours(moment: datetime) -> int:
    return moment.hour


def _minutes(moment: datetime) -> int:
    return moment.minute


def _seconds(moment: datetime) -> int:
    return moment.second


def _milliseconds(moment: datetime) -> int:
    return moment.microsecond // 1000


_PARTS: tuple[tuple[str, Callable[[datetime], int]], ...] = (
    ("getFullYear", _year),
    ("getMonth", _month),
    ("getDayOfYear", _day_of_year),
    ("getDayOfMonth", _day_of_month),
    ("getDate", _date),
    ("getDayOfWeek", _day_of_week),
    ("getHours", _hours),
    ("getMinutes", _minutes),
    ("getSeconds", _seconds),
    ("getMilliseconds", _milliseconds),
)


def _utc_part(part: Callable[[datetime], int]) -> Callable[[datetime], int]:
    return lambda moment: part(in_utc(moment))


def _zone_part(part: Callable[[datetime], int]) -> Callable[[datetime, str], int]:
    return lambda moment, zone: part(_in_zone(moment, zone))


def _whole_units(unit: timedelta) -> Callable[[timedelta], int]:
    """How many whole units a duration has, rounded to zero."""

    def count(duration: timedelta) -> int:
        units = abs(duration) // unit
        return -units if duration < timedelta() else units

    return count


def _duration_milliseconds(duration: timedelta) -> int:
    """The milliseconds beyond the last whole second."""
    rest = abs(duration).microseconds // 1000
    return -rest if duration < timedelta() else rest


def _same(value: Any) -> Any:
    return value


OVERLOADS = (
    function("timestamp", "string -> timestamp", parse_timestamp),
    function("timestamp", "int -> timestamp", timestamp_of_seconds),
    function("timestamp", "timestamp -> timestamp", _same),
    function("duration", "string -> duration", parse_duration),
    function("duration", "duration -> duration", _same),
    function("string", "timestamp -> string", timestamp_text),
    function("string", "duration -> string", duration_text),
    *(method(name, "timestamp -> int", _utc_part(part)) for name, part in _PARTS),
    *(method(name, "timestamp string -> int", _zone_part(part)) for name, part in _PARTS),
    method("getHours", "duration -> int", _whole_units(timedelta(hours=1))),
    method("getMinutes", "duration -> int", _whole_units(timedelta(minutes=1))),
    method("getSeconds", "duration -> int", _whole_units(_SECOND)),
    method("getMilliseconds", "duration -> int", _duration_milliseconds),
)
