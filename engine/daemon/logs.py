"""The log: one line for each event, pretty for people and JSON for machines, on standard error.

An event is a constant in past tense (`spec.loaded`, `process.failed`) with fields, never a formatted sentence: that is
what lets a machine count them. Nothing here is global. :func:`make_log` gives a logger that its caller hands on, and two
daemons in one process have two. A level that is switched off costs one empty call.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from engine.daemon.config import LogSection
from engine.errors import Diagnostic, ErrorValue, WeirError

__all__ = ["Log", "Sink", "make_log"]

Log = FilteringBoundLogger
"""What :func:`make_log` gives: `log.info("spec.loaded", spec="snippet/a", revision=3)`, `log.bind(…)`."""

_EVENT_WIDTH: Final = 24


class Stream(Protocol):
    """What a log needs of a file."""

    def write(self, text: str, /) -> Any: ...
    def flush(self) -> Any: ...
    def isatty(self) -> bool: ...


class Sink:
    """Writes lines to a stream. One that is gone (a closed terminal, a full disk) loses lines, and never an event's maker.

    `lost` counts the lines that could not be written.
    """

    __slots__ = ("_stream", "lost")

    def __init__(self, stream: Stream | TextIO) -> None:
        self._stream = stream
        self.lost = 0

    def msg(self, line: str) -> None:
        """Write one line at once, so that a killed daemon has told all that it did."""
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream is closed, or cannot encode the line
            self.lost += 1

    debug = info = warning = error = critical = exception = msg


def make_log(
    settings: LogSection, *, stream: Stream | TextIO | None = None, environ: Mapping[str, str] | None = None
) -> Log:
    """A logger as the config says; `stream` is standard error unless given.

    With the format `auto` a terminal gets pretty lines, everything else JSON. Pretty lines have colours on a terminal
    unless `NO_COLOR` is in `environ`.
    """
    target = sys.stderr if stream is None else stream
    terminal = target.isatty()
    pretty = settings.format == "pretty" or (settings.format == "auto" and terminal)
    colors = terminal and not (environ or {}).get("NO_COLOR")
    log = structlog.wrap_logger(
        Sink(target),
        processors=_pretty(colors) if pretty else _JSON,
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    bound: Log = log.bind()
    return bound


def _plain(value: Any) -> Any:
    """What a field says, for JSON."""
    if isinstance(value, (ErrorValue, Diagnostic)):
        return value.to_json()
    if isinstance(value, WeirError):
        return value.value.to_json()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def _as_json(event: Any, **_: Any) -> str:
    """One line of JSON, time and level first. A field that JSON cannot hold must not lose the event."""
    line = {key: event.pop(key) for key in _FIRST if key in event} | event
    try:
        return _encode(line)
    except (TypeError, ValueError):  # keys that are no text, data that holds itself, numbers that are none
        return _encode({key: value if _fits(value) else repr(value) for key, value in line.items()})


def _fits(value: Any) -> bool:
    try:
        _encode(value)
    except (TypeError, ValueError):
        return False
    return True


def _words(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Errors as their text: what `repr` makes of them is for nobody."""
    for key, value in event.items():
        if isinstance(value, (WeirError, ErrorValue, Diagnostic)):
            event[key] = str(value)
    return event


def _pretty(colors: bool) -> list[Processor]:
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=False),
        _words,
        structlog.dev.ConsoleRenderer(
            colors=colors,
            pad_event_to=_EVENT_WIDTH,
            repr_native_str=True,  # what a request brings must not write to the terminal
            sort_keys=False,
            exception_formatter=structlog.dev.plain_traceback,
        ),
    ]


_FIRST: Final = ("time", "level", "event")

_encode: Final = json.JSONEncoder(default=_plain, separators=(",", ":"), allow_nan=False).encode

_JSON: Final[list[Processor]] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    structlog.processors.format_exc_info,
    structlog.processors.JSONRenderer(serializer=_as_json),
]
