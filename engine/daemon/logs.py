"""The log: one line for each event, pretty for people and JSON for machines, on standard error.

An event is a constant in past tense (`spec.loaded`, `process.failed`) with fields, never a formatted sentence: that is
what lets a machine count them. Nothing here is global. :func:`make_log` gives a logger that its caller hands on, and two
daemons in one process have two. A level that is switched off costs one empty call.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
import weakref
from collections.abc import Mapping
from datetime import datetime, timedelta
from json.encoder import encode_basestring_ascii as _quote
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

    Lines of a turn of the event loop are written together at its end, or as soon as one of them is a warning or worse:
    so a daemon that is killed has told all but what it did in that turn, and a line costs no system call of its own.
    `lost` counts the lines that could not be written.
    """

    def __init__(self, stream: Stream | TextIO) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._writing = threading.Lock()
        self.lost = 0
        # Where the last turn never ends: the loop was closed.
        weakref.finalize(self, _write, stream, self._lines)

    def soon(self, line: str) -> None:
        """Write one line at the end of this turn of the event loop; at once, where none runs."""
        self._lines.append(line)
        if len(self._lines) == 1:
            try:
                asyncio.get_running_loop().call_soon(self.flush)
            except RuntimeError:  # no loop runs in this thread, or it is closed
                self.flush()

    def now(self, line: str) -> None:
        """Write one line, and what waits before it."""
        self._lines.append(line)
        self.flush()

    def flush(self) -> None:
        """Write what waits."""
        with self._writing:  # events come from threads, too
            self.lost += _write(self._stream, self._lines)

    msg = debug = info = soon
    warning = error = critical = exception = now


def _write(stream: Stream | TextIO, lines: list[str]) -> int:
    """Write lines, and forget them; answers how many could not be written."""
    count = len(lines)
    text = "".join([f"{line}\n" for line in lines[:count]])
    del lines[:count]
    if not text:
        return 0
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):  # ValueError: the stream is closed, or cannot encode the line
        return count
    return 0


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
        processors=_pretty(colors) if pretty else [_JsonLine()],
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


class _JsonLine:
    """Renders an event as one line of JSON, time and level first. A field that JSON cannot hold must not lose the event.

    Most fields are texts and numbers, so these go straight into the line; and the clock is put into words once a second.
    """

    def __init__(self) -> None:
        self._second = 0
        self._words = ""

    def __call__(self, _logger: Any, method: str, event: EventDict) -> str:
        if "exc_info" in event:
            event = structlog.processors.format_exc_info(_logger, method, event)
        parts = [f'{{"time":"{self._time()}","level":"{method}","event":{_quote(event.pop("event"))}']
        for key, value in event.items():
            kind = type(value)
            if kind is str:
                text = _quote(value)
            elif kind is int or (kind is float and value - value == 0):
                text = repr(value)
            else:
                text = _encode(value) if _fits(value) else _quote(repr(value))
            parts.append(f",{_quote(key)}:{text}")
        return "".join(parts) + "}"

    def _time(self) -> str:
        now = time.time_ns() // 1000
        second, micro = divmod(now, 1_000_000)
        if second != self._second:
            self._second, self._words = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._words}.{micro:06d}Z"


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


_encode: Final = json.JSONEncoder(default=_plain, separators=(",", ":"), allow_nan=False).encode
