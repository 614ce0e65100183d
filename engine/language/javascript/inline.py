"""One snippet on QuickJS: a call runs in the thread that calls, at once, to its end.

That is what makes a short call cheap, and why only short ones belong here: the event loop stands still meanwhile. Each
has a budget of time. When it is used up, or the memory is, the call fails and its context is gone; the next call finds
a fresh one.

A call is what `prelude.js` makes of it: a text goes in, lines come out. If the function gave a promise, its jobs are run
right away. There is nothing to wait for in a context, so a promise that is not settled by then never will be.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from engine.errors import Code, ExpressionError
from engine.language.javascript import failure, quickjs
from engine.language.javascript.engine import Settings, Status
from engine.language.javascript.forin import Guarded
from engine.language.javascript.keeper import Keeper
from engine.language.javascript.module import Module
from engine.language.javascript.watch import Watch
from engine.language.javascript.wire import decode, encode
from engine.language.protocol import Payload

Log = Callable[[str, str], None]

_HINT = "do less in one call, or let the snippet run with `engine: v8`"
_SALVAGE_SECONDS = 0.005
_MAY_THROW = re.compile(r"\b(?:throw|reject)\b")
_NULL_THROWN = 'E{"message":"null"}'
_NEVER_SETTLES = "E" + json.dumps({"message": failure.never_settles().value.message})


class InlineProgram:
    """A compiled snippet with its own state and globals. Calls may come from any thread, and wait for each other.

    A call cannot be cancelled: nothing else happens on its thread before it has ended.
    """

    is_async = False

    def __init__(
        self,
        module: Module,
        guarded: Guarded,
        keeper: Keeper,
        *,
        settings: Settings,
        timeout: timedelta,
        log: Log | None,
    ) -> None:
        self._module = module
        self._guarded = guarded
        self._settings = settings
        self._timeout = timeout
        self._seconds = timeout.total_seconds()
        self._log = log
        self._lock = threading.Lock()
        self._context: quickjs.Context | None = None
        self._closed = False
        self._watch = Watch(keeper, seconds=self._seconds, hinder=self._hinder)

    def __call__(self, payload: Payload, /) -> Payload:
        """Call the default export with a copy of `payload`.

        Raises :class:`ExpressionError`: what the code threw, with its place in the source; or that it was stopped, with
        the code `deadline` for its time, after which the next call finds a fresh module.
        """
        argument = encode(payload, self._module.reads)
        with self._lock:
            if self._closed:
                raise failure.closed()
            lines, error = self._run(argument.line)
        line = "" if error is not None else lines.pop()
        self._print(lines)
        if error is not None:
            raise error
        if line[0] == "E":
            source = self._module.source
            line = quickjs.with_places(line, self._guarded, source)
            raise failure.thrown(line, argument.errors, source, origin=self._module.origin)
        return decode(line, argument.errors)

    def close(self) -> None:
        """Free the context, after the call that runs on another thread. May be called twice."""
        with self._lock:
            self._closed = True
            self._context = None

    # ------------------------------------------------------------------ one call, under the lock

    def _run(self, argument: str) -> tuple[list[str], ExpressionError | None]:
        """The lines of a call: what it printed, and last its result, unless there is an error instead."""
        context = self._context
        if context is None:
            context = self._context = quickjs.Context(self._module, self._guarded, self._settings)
        until = time.process_time() + self._seconds
        lines: list[str] = []
        self._watch.begin()
        try:
            status = self._converse(context, f"R\n{argument}", until, lines)
            if self._watch.is_late:  # whatever it says: it may come from having had no memory
                status = Status.STOPPED
            # What the call has left behind is nobody's fault, but it must not run in another's time.
            goes_on = status is Status.DONE and context.work_off(until) is None
        except BaseException:
            self._context = None
            raise
        finally:
            late = self._watch.end()
        if late or not goes_on:
            self._context = None
        if status is Status.DONE:
            return lines, None
        lines += self._salvage(context)
        return lines, self._error(status)

    def _converse(self, context: quickjs.Context, text: str, until: float, lines: list[str]) -> Status:
        """Ask, and as often as the answer is a promise, run its jobs and ask again. Adds to `lines`."""
        reply = context.ask(text, self._seconds)
        while reply.status is Status.DONE:
            status, *more = reply.text.split("\n")
            lines += more
            if status == "N":  # for want of memory, perhaps: a promise that is to be settled is dropped without it
                if context.is_full:
                    return Status.MEMORY
                lines.append(_NEVER_SETTLES)
                return Status.DONE
            if status == "D":
                return self._verdict(context, lines)
            reply = context.work_off(until) or context.ask("C", until - time.process_time())
            # A promise whose job was interrupted is refused, or never settles: not what it says, but why, is the failure.
            if time.process_time() >= until:
                return Status.STOPPED
        if reply.status is Status.BROKEN and not self._watch.is_late:
            if time.process_time() >= until:  # there may have been no memory to say so
                return Status.STOPPED
            raise ExpressionError(f"the context is broken: {reply.text}", code=Code.INTERNAL)
        return reply.status

    def _verdict(self, context: quickjs.Context, lines: list[str]) -> Status:
        """What the last line of an answer comes to; it is taken away if it is no answer."""
        line = lines[-1] if lines else ""
        if line.startswith(("P", "T")):
            return Status.DONE
        stopped = quickjs.told_to_stop(line) if line else Status.MEMORY
        # Without any memory left, QuickJS throws null for want of an error. So may the snippet, if it throws at all.
        if line == _NULL_THROWN and (context.is_full or not _MAY_THROW.search(self._module.source)):
            stopped = Status.MEMORY
        if stopped is None:
            return Status.DONE
        lines[-1:] = []
        return stopped

    def _salvage(self, context: quickjs.Context) -> list[str]:
        """What a call printed before it was stopped."""
        if self._log is None:
            return []
        context.lift_limit()
        reply = context.ask("S", _SALVAGE_SECONDS)
        return [line for line in reply.text.split("\n") if line.startswith("L")]

    def _error(self, status: Status) -> ExpressionError:
        if status is Status.MEMORY:
            return failure.out_of_memory(self._settings.memory, hint=_HINT)
        return failure.timed_out(self._timeout, hint=_HINT)

    def _hinder(self) -> None:
        """On the keeper's thread, while a call runs."""
        context = self._context
        if context is not None:
            context.hinder()

    # ------------------------------------------------------------------ console

    def _print(self, lines: list[str]) -> None:
        if self._log is None:
            return
        for line in lines:
            level, text = decode("P" + line[1:])
            self._log(level, quickjs.shown(text, self._guarded, self._module.source) if "<input>" in text else text)
