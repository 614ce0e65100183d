"""The time of a store: that of the server which writes it down.

Machines that share a store have clocks of their own, which may differ by minutes. So nobody is asked for his: a time is an
expression that the server works out when it comes to it. A store that was given a clock hands in its time instead.

Times are whole microseconds since 1970, as in all stores; a server tells milliseconds.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final, TypeAlias

from engine.store.clock import Clock, microseconds

Expression: TypeAlias = dict[str, Any]

_OF_THE_SERVER: Final[Expression] = {"$multiply": [{"$toLong": "$$NOW"}, 1_000]}


def time_of(clock: Clock | None) -> Expression:
    """What the server works out for "now"."""
    return _OF_THE_SERVER if clock is None else {"$literal": microseconds(clock())}


def before(now: Expression, span: timedelta) -> Expression:
    """So much earlier."""
    return {"$subtract": [now, microseconds(span)]}
