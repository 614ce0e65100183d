"""Payloads as JSON: the form that CEL's own standard gives to values that JSON lacks.

Bytes become base64 text, timestamps RFC 3339 text that ends in `Z`, durations seconds as `65s` or `1.5s`, an error
its text, infinities and NaN the texts `Infinity`, `-Infinity` and `NaN`, and a map key that is no text its text form
(`1`, `true`, `null`). What is JSON already is handed back as the same object, so a payload of plain JSON costs one
walk and no copy.
"""

from __future__ import annotations

import math
from base64 import b64encode
from datetime import UTC, date, datetime, timedelta
from typing import Any

from engine.errors import ErrorValue, ExpressionError

_MICROSECOND = timedelta(microseconds=1)
_EXPONENT_FROM = 1e6
_UNCHANGED = frozenset({str, int, bool, type(None)})


def to_json_value(value: Any) -> Any:
    """`value` with everything that JSON lacks in its JSON form; the same object where nothing needs converting.

    Raises `ExpressionError` for two map keys of one text form (`1` and `"1"`), so that no entry is lost silently, and
    for a value nested deeper than Python's stack. An object that is no payload becomes its text.
    """
    try:
        return _convert(value)
    except RecursionError:
        raise ExpressionError("the value is nested too deeply for JSON") from None


def _convert(value: Any) -> Any:
    kind = value.__class__
    if kind in _UNCHANGED:
        return value
    if kind is dict:
        return _convert_map(value)
    if kind is list:
        return _convert_list(value)
    if kind is float:
        return value if math.isfinite(value) else double_text(value)
    return _convert_other(value)


def _convert_other(value: Any) -> Any:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _convert(float(value))
    if isinstance(value, dict):
        return _convert_map(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_convert(item) for item in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return b64encode(value).decode()
    if isinstance(value, datetime):
        return timestamp_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return duration_text(value)
    return value.text if isinstance(value, ErrorValue) else str(value)


def _convert_list(items: list[Any]) -> list[Any]:
    for position, item in enumerate(items):
        converted = _convert(item)
        if converted is not item:
            # From here on a copy is needed; what stands before is fine as it is.
            return [*items[:position], converted, *(_convert(rest) for rest in items[position + 1 :])]
    return items


def _convert_map(entries: dict[Any, Any]) -> dict[str, Any]:
    changed = entries.__class__ is not dict
    converted: dict[str, Any] = {}
    for key, value in entries.items():
        name = key if key.__class__ is str else key_text(key)
        if name in converted:
            raise ExpressionError(f"two keys of a map are {name!r} in JSON", hint="give them different names")
        form = _convert(value)
        changed = changed or form is not value or name is not key
        converted[name] = form
    return converted if changed else entries


def key_text(key: Any) -> str:
    """The text form of a map key: `1`, `true`, `null`; text stays as it is."""
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, float):
        return double_text(key)
    if isinstance(key, int):
        return str(int(key))
    form = _convert(key)
    return form if isinstance(form, str) else str(form)


def double_text(value: float) -> str:
    """The shortest text that reads back as `value`: `1`, `0.5`, `1e+06`, `NaN`, `-Infinity`.

    The exponent comes in from a million on and below a ten-thousandth, as in other implementations of CEL.
    """
    if value != value:  # noqa: PLR0124 (that is what NaN is)
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = repr(value).removesuffix(".0")
    if abs(value) < _EXPONENT_FROM or "e" in text:
        return text
    whole, _, fraction = text.lstrip("-").partition(".")
    digits = (whole + fraction).rstrip("0")
    mantissa = f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits
    return f"{'-' if value < 0 else ''}{mantissa}e+{len(whole) - 1:02}"


def timestamp_text(value: datetime) -> str:
    """RFC 3339 in UTC, without trailing zeros: `2024-01-01T00:00:00.5Z`. A time without a zone is taken as UTC."""
    utc = value.astimezone(UTC) if value.tzinfo is not None else value.replace(tzinfo=UTC)
    fraction = f".{utc.microsecond:06}".rstrip("0") if utc.microsecond else ""
    return f"{utc.year:04}-{utc.month:02}-{utc.day:02}T{utc.hour:02}:{utc.minute:02}:{utc.second:02}{fraction}Z"


def duration_text(value: timedelta) -> str:
    """Seconds without trailing zeros, and `s`: `65s`, `-1.5s`."""
    microseconds = value // _MICROSECOND
    seconds, rest = divmod(abs(microseconds), 1_000_000)
    fraction = f".{rest:06}".rstrip("0") if rest else ""
    return f"{'-' if microseconds < 0 else ''}{seconds}{fraction}s"
