"""`print`, to the log. A daemon's standard output belongs to nobody, and that of `weir run` to the answers."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

Log = Callable[[str, str], None]

MOST_LINES = 100
"""Lines that one call may log; the rest is counted."""
MOST_TEXT = 8192
"""Characters of one line."""


@dataclass(slots=True)
class Call:
    """How much one call has printed, and what its context was in before."""

    before: Call | None
    lines: int = 0


_CALL: ContextVar[Call | None] = ContextVar("weir_python_call", default=None)
"""The call that runs. One variable for all snippets: contexts never let go of a variable."""


class Printer:
    """The `print` of one snippet, and how much of it each call has used.

    A call is a context: what it awaits, and the tasks that it starts, count as its own.
    """

    __slots__ = ("_log",)

    def __init__(self, log: Log | None) -> None:
        self._log = log

    def begin(self) -> Call:
        """A call begins."""
        call = Call(_CALL.get())
        _CALL.set(call)
        return call

    def end(self, call: Call) -> None:
        """The call is over: tell what was left out."""
        # No token: a coroutine that is closed may end in another context than it began in.
        _CALL.set(call.before)
        if call.lines > MOST_LINES and self._log is not None:
            self._log("warning", f"… {call.lines - MOST_LINES} more lines of this call are left out")

    def print(
        self, *values: object, sep: str | None = None, end: str | None = None, file: Any = None, flush: bool = False
    ) -> None:
        """As Python's own, to the log: one entry for each call; an error, if it is for standard error.

        What is printed to any other file goes there.
        """
        if file not in (None, sys.stdout, sys.stderr):
            builtins.print(*values, sep=sep, end=end, file=file, flush=flush)
            return
        call = _CALL.get()
        if call is not None:
            call.lines += 1
        if self._log is None or (call is not None and call.lines > MOST_LINES):
            return
        text = (" " if sep is None else sep).join(map(str, values)) + (end or "").rstrip("\n")
        if len(text) > MOST_TEXT:
            text = f"{text[:MOST_TEXT]}… {len(text) - MOST_TEXT} more characters"
        self._log("error" if file is not None and file is sys.stderr else "info", text)
