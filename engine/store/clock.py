"""Time as stores keep it: whole microseconds since 1970."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

Clock: TypeAlias = Callable[[], datetime]
"""Tells the time, with its zone."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def utc_now() -> datetime:
    """The clock that stores use unless they get another."""
    return datetime.now(UTC)


def microseconds(time: datetime | timedelta) -> int:
    """A moment (with a zone) as microseconds since 1970, or a span as microseconds."""
    span = time if isinstance(time, timedelta) else time - _EPOCH
    return span // _MICROSECOND


def moment(number: int) -> datetime:
    """The moment of a number of microseconds since 1970."""
    return _EPOCH + number * _MICROSECOND
