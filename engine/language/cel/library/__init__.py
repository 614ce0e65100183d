"""The functions of CEL's standard and its extensions, and those of ours: one module each, one table of overloads each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from engine.language.cel.functions import Library, function
from engine.language.cel.library import (
    core,
    encoders,
    formatting,
    lists,
    network,
    numbers,
    optionals,
    regex,
    strings,
    times,
)


def system_clock() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def _uuid() -> str:
    from uuid import uuid4

    return str(uuid4())


def make_library(*, max_size: int, clock: Callable[[], datetime] = system_clock) -> Library:
    """All functions. No value they make is larger than `max_size`; `clock` is what `now()` asks.

    `now()` and `uuid()` are the only ones that are not pure.
    """
    return Library(
        (
            *core.OVERLOADS,
            *times.OVERLOADS,
            *strings.OVERLOADS,
            *formatting.OVERLOADS,
            *regex.OVERLOADS,
            *numbers.OVERLOADS,
            *lists.OVERLOADS,
            *optionals.OVERLOADS,
            *encoders.OVERLOADS,
            *network.OVERLOADS,
            function("uuid", "-> string", _uuid),
            function("now", "-> timestamp", clock),
        ),
        max_size=max_size,
    )
