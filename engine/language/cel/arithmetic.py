"""The operators `+ - * / %` and unary `-`, with CEL's ranges: 64 bits, errors instead of wrapping round.

Integers of a payload may be of any size; computing with one beyond its range is an error, as is a result beyond it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from engine.errors import ExpressionError
from engine.language.cel.values import INT_MAX, INT_MIN, UINT_MAX, UInt, limit_reached, no_overload

_SECONDS = 9_223_372_036
DURATION_MAX = timedelta(seconds=_SECONDS, microseconds=854_775)
"""The longest duration: 64 bits of nanoseconds, about 292 years."""


def _int_in_range(value: int, left: int, right: int) -> int:
    if INT_MIN <= value <= INT_MAX and INT_MIN <= left <= INT_MAX and INT_MIN <= right <= INT_MAX:
        return value
    raise ExpressionError("integer overflow", hint="an int has 64 bits; use double(x) where precision may be lost")


def _uint_in_range(value: int, left: int, right: int) -> UInt:
    if 0 <= value <= UINT_MAX and left <= UINT_MAX and right <= UINT_MAX:
        return UInt(value)
    raise ExpressionError("unsigned integer overflow", hint="a uint has 64 bits and is never negative")


def duration_in_range(value: timedelta) -> timedelta:
    """`value`, or an error when it is longer than CEL's durations are."""
    if -DURATION_MAX <= value <= DURATION_MAX:
        return value
    raise ExpressionError("duration out of range", hint="a duration is at most about 292 years long")


def _shifted(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment.astimezone(UTC) + by
    except OverflowError:
        raise ExpressionError("timestamp out of range", hint="years run from 0001 to 9999") from None


_ELEMENT = 8
"""An element of a list takes as much as so many characters."""


def check_size(value: Any, max_size: int) -> Any:
    """`value`, or an error when it is longer than `max_size` characters or bytes."""
    if len(value) > max_size:
        raise limit_reached(f"a value of {len(value)} is larger than {max_size}", "build smaller values")
    return value


def check_length(count: int, max_size: int) -> None:
    """Refuse a list of so many elements when it takes more than `max_size`, 8 for each."""
    if count * _ELEMENT > max_size:
        raise limit_reached(f"a list of {count} is larger than {max_size // _ELEMENT} elements", "build smaller values")


def _numbers(left: Any, right: Any) -> type | None:
    """The class both numbers have; `None` when they are no two numbers of one kind."""
    kind = left.__class__
    if kind is right.__class__ and (kind is int or kind is float or kind is UInt):
        return kind
    return None


def add(left: Any, right: Any, max_size: int) -> Any:
    """`left + right`: numbers of one kind, text, bytes, lists, durations, a timestamp and a duration."""
    kind = left.__class__
    if kind is right.__class__:
        if kind is int:
            return _int_in_range(left + right, left, right)
        if kind is str or kind is bytes:
            return check_size(left + right, max_size)
        if kind is float:
            return left + right
        if kind is UInt:
            return _uint_in_range(int(left) + int(right), left, right)
        if kind is timedelta:
            return duration_in_range(duration_in_range(left) + duration_in_range(right))
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        check_length(len(left) + len(right), max_size)
        return [*left, *right]
    if isinstance(left, datetime) and isinstance(right, timedelta):
        return _shifted(left, right)
    if isinstance(left, timedelta) and isinstance(right, datetime):
        return _shifted(right, left)
    raise no_overload("_+_", left, right)


def subtract(left: Any, right: Any) -> Any:
    """`left - right`: numbers of one kind, timestamps, durations, a duration from a timestamp."""
    kind = _numbers(left, right)
    if kind is int:
        return _int_in_range(left - right, left, right)
    if kind is float:
        return left - right
    if kind is UInt:
        return _uint_in_range(int(left) - int(right), left, right)
    if isinstance(right, timedelta):
        if isinstance(left, timedelta):
            return duration_in_range(duration_in_range(left) - duration_in_range(right))
        if isinstance(left, datetime):
            return _shifted(left, -duration_in_range(right))
    if isinstance(left, datetime) and isinstance(right, datetime):
        return duration_in_range(left - right)
    raise no_overload("_-_", left, right)


def multiply(left: Any, right: Any) -> Any:
    """`left * right`: two numbers of one kind."""
    kind = _numbers(left, right)
    if kind is int:
        return _int_in_range(left * right, left, right)
    if kind is float:
        return left * right
    if kind is UInt:
        return _uint_in_range(int(left) * int(right), left, right)
    raise no_overload("_*_", left, right)


def _truncated(left: int, right: int) -> int:
    """The quotient rounded to zero, where Python rounds down."""
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) is (right < 0) else -quotient


def divide(left: Any, right: Any) -> Any:
    """`left / right`: integers round to zero and refuse zero; doubles follow IEEE 754."""
    kind = _numbers(left, right)
    if kind is float:
        if right != 0.0:
            return left / right
        return left * float("inf") if _positive(right) else left * float("-inf")
    if kind is None:
        raise no_overload("_/_", left, right)
    if right == 0:
        raise ExpressionError("division by zero")
    if kind is int:
        return _int_in_range(_truncated(left, right), left, right)
    return _uint_in_range(int(left) // int(right), left, right)


def _positive(value: float) -> bool:
    """Whether a zero has a plus sign."""
    return not str(value).startswith("-")


def modulo(left: Any, right: Any) -> Any:
    """`left % right` for integers; the result has the sign of `left`."""
    kind = _numbers(left, right)
    if kind is None or kind is float:
        raise no_overload("_%_", left, right)
    if right == 0:
        raise ExpressionError("modulus by zero")
    if kind is int:
        _int_in_range(_truncated(left, right), left, right)
        return left - right * _truncated(left, right)
    return _uint_in_range(int(left) % int(right), left, right)


def negate(value: Any) -> Any:
    """`-value` for an int, a double or a duration."""
    if value.__class__ is int:
        return _int_in_range(-value, value, 0)
    if value.__class__ is float:
        return -value
    if isinstance(value, timedelta):
        return -duration_in_range(value)
    raise no_overload("-_", value)
