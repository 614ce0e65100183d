"""One batch on its way through an isolate: sent, answered, and, if it must be, stopped.

1. The batch goes out as one text. The isolate works through it for a few milliseconds and answers with a line for each
   call that is finished; those behind them go back to the program.
2. A call that gave a promise ends the batch. What is left of the promise runs by itself; a second text collects it.
   There are no timers and no input or output in an isolate, so a promise that is not settled by then never will be.
3. A call that must be killed (time, memory) takes the isolate with it: it is interrupted, results that were finished
   before it are still fetched (salvage), those behind it go back, and it alone fails. If the code that runs wild was
   left behind by an earlier call, nobody fails.
4. If the isolate dies, results that were finished in it are lost with its state. Nobody has seen either, and code has no
   other way to do anything: so such calls go back too, as if they had never run. Nobody knows which of several was the
   one; they are sent one at a time from then on, and who dies alone is to blame.

Whoever may send (the thread that made the batch, the isolate's with an answer, the keeper's with a deadline) is always
one thread: an answer and a deadline each take the turn from the other, under the lock.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Protocol

from engine.errors import ExpressionError
from engine.language.javascript import failure
from engine.language.javascript.engine import Isolate, Reply, Settings, Status
from engine.language.javascript.keeper import Alarm
from engine.language.javascript.wire import Argument

_LONGER = 2.0
"""How many times as long an interrupted isolate gets to come back, if results of other calls are at stake."""
_MOST_TRIES = 3
"""Texts with a call that may go unanswered before it is held to be the call's own fault."""
_MOST_DEATHS = 2
"""Isolates that may die under a call, before it is held to be its fault although it was not even seen to begin."""


@dataclass(slots=True, eq=False)
class Call:
    """One call. `outcome` is the line of its result, or why there is none; `log` the lines that it printed."""

    argument: Argument
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[str]
    outcome: str | ExpressionError = ""
    log: list[str] | None = None
    tries: int = 0
    deaths: int = 0
    """How many isolates died with it. After one it is sent alone."""


class Sender(Protocol):
    """Who sent the batch. Called without any lock, on the thread that has the turn."""

    def deliver(self, calls: list[Call]) -> None:
        """These have their outcome."""
        ...

    def end(self, behind: list[Call], *, lost: bool) -> None:
        """The batch is over; `behind` were not run. `lost` tells that the isolate cannot be used any more."""
        ...


class _Phase(Enum):
    RUNNING = "running"
    COLLECTING = "collecting"
    STOPPING = "stopping"
    SALVAGING = "salvaging"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the batches of one program are held to."""

    settings: Settings
    timeout: timedelta


class Batch:
    """Calls that were sent together. The alarm is the program's; it is set only while a text is on its way."""

    __slots__ = (
        "_alarm",
        "_calls",
        "_error",
        "_finished",
        "_isolate",
        "_limits",
        "_lock",
        "_phase",
        "_salvages",
        "_sender",
        "_turn",
        "_until",
    )

    def __init__(self, calls: list[Call], isolate: Isolate, sender: Sender, *, alarm: Alarm, limits: Limits) -> None:
        self._calls = calls
        self._isolate = isolate
        self._sender = sender
        self._alarm = alarm
        self._limits = limits
        self._lock = threading.Lock()
        self._phase = _Phase.RUNNING
        self._turn = 0  # counts texts, their answers and their ends; -1 when the batch was given up
        self._until = 0.0
        self._finished = 0  # calls that were finished when the batch was stopped
        self._error: ExpressionError | None = None  # why it was stopped
        self._salvages = 0

    def send(self, now: float) -> None:
        """Send it. `now` is the monotonic clock's, from which the deadline counts."""
        self._until = now + self._limits.timeout.total_seconds() + self._limits.settings.slice / 1000
        lines = [call.argument.line for call in self._calls]
        self._send("\n".join(("R", *lines)), _Phase.RUNNING, until=self._until)

    def give_up(self) -> list[Call]:
        """Hear nothing of it any more; gives the calls without an answer."""
        with self._lock:
            self._turn = -1
            self._alarm.clear()
            return self._calls

    def on_alarm(self) -> None:
        """The alarm went off, on the keeper's thread."""
        with self._lock:
            if self._turn < 0 or not self._alarm.is_due:
                return
            phase = self._phase
            finished = self._isolate.progress()
            interrupts = phase in (_Phase.RUNNING, _Phase.COLLECTING) and finished is not None
            if interrupts:
                self._phase = _Phase.STOPPING
                self._alarm.set(time.monotonic() + self._isolate.grace * (_LONGER if finished else 1))
            else:
                self._turn += 1
                self._alarm.clear()
        if interrupts:
            self._isolate.interrupt()
        elif phase is _Phase.SALVAGING:
            self._end_salvage(None)
        elif phase is _Phase.STOPPING:
            self._error = failure.timed_out(self._limits.timeout)
            self._finished = finished or 0
            self._end_salvage(None)
        else:
            self._stop(failure.timed_out(self._limits.timeout))

    # ------------------------------------------------------------------ texts and answers

    def _send(self, text: str, phase: _Phase, *, until: float) -> None:
        with self._lock:
            if self._turn < 0:
                return
            self._phase = phase
            self._turn = turn = self._turn + 1
            self._alarm.set(until)
        self._isolate.run(text, lambda reply: self._on_reply(turn, reply))

    def _on_reply(self, turn: int, reply: Reply) -> None:
        """The isolate answered, on its own thread."""
        with self._lock:
            if turn != self._turn:
                return
            self._turn += 1
            self._alarm.clear()
            phase = self._phase
        if phase is _Phase.SALVAGING:
            self._on_salvage(reply)
        elif reply.status in (Status.DIED, Status.STARVED):
            self._on_death(reply, phase)
        elif reply.status is Status.DONE:
            self._settle(reply.text)
        elif reply.status is Status.MEMORY:
            self._read(reply.text, self._calls)  # what was printed, if it came as far as an answer
            self._stop(failure.out_of_memory(self._limits.settings.memory))
        elif reply.status is Status.STOPPED or phase is _Phase.STOPPING:
            self._stop(failure.timed_out(self._limits.timeout))
        else:
            self._stop(ExpressionError(reply.text))

    def _settle(self, text: str) -> None:
        calls = self._calls
        finished = self._read(text, calls)
        status = text[:1]
        if status == "N" and finished < len(calls):
            calls[finished].outcome = failure.never_settles()
            finished += 1
        if finished == 0 and status != "W":
            # Not even the first: whoever is sent again would wait for ever.
            self._give_back([], failure.no_answer())
            return
        if status == "W":
            waiting, behind = calls[finished : finished + 1], calls[finished + 1 :]
            with self._lock:
                self._calls = waiting + behind
            self._sender.deliver(calls[:finished])
            self._send("C", _Phase.COLLECTING, until=self._until)
            return
        # Collecting answers for the first call alone, and those behind it were never sent with it.
        self._end(calls[:finished], calls[finished:], lost=False)

    def _read(self, text: str, calls: list[Call]) -> int:
        """Give the lines of an answer to the calls; tells how many are finished."""
        finished = 0
        for line in text.split("\n")[1:]:
            if finished == len(calls):
                break
            call = calls[finished]
            if line[0] != "L":
                call.outcome = line
                finished += 1
            elif call.log is None:
                call.log = [line]
            else:
                call.log.append(line)
        return finished

    def _end(self, finished: list[Call], behind: list[Call], *, lost: bool) -> None:
        with self._lock:
            if self._turn < 0:
                return
            self._turn = -1
            self._calls = []
        self._sender.deliver(finished)
        self._sender.end(behind, lost=lost)

    # ------------------------------------------------------------------ stopping

    def _stop(self, error: ExpressionError) -> None:
        """The batch was stopped, or must be. Find out how far it came."""
        finished = self._isolate.progress()
        if finished is not None:
            self._error, self._finished = error, finished
            self._isolate.lift_limit()
            self._salvage()
            return
        # It never began: what an earlier call left behind holds the isolate. If that is the promise that is collected,
        # its call is to blame; else nobody of this batch is, unless it happens again and again.
        blamed = self._phase is _Phase.COLLECTING
        if not blamed:
            for call in self._calls:
                call.tries += 1
            blamed = self._calls[0].tries > _MOST_TRIES
        self._give_back([], error if blamed else None)

    def _salvage(self) -> None:
        self._salvages += 1
        self._send("S", _Phase.SALVAGING, until=time.monotonic() + self._isolate.grace)

    def _on_salvage(self, reply: Reply) -> None:
        if reply.status is Status.STOPPED and self._salvages == 1:
            # The interrupt came when the code had just ended, and hit this text instead. It hits once.
            self._salvage()
        else:
            self._end_salvage(reply.text if reply.status is Status.DONE else None)

    def _end_salvage(self, text: str | None) -> None:
        if text is None:
            self._blame(self._finished, self._error)
        else:
            self._give_back(self._calls[: self._read(text, self._calls)], self._error)

    def _on_death(self, reply: Reply, phase: _Phase) -> None:
        """The isolate died while the text ran."""
        calls = self._calls
        if phase is _Phase.STOPPING:
            error = failure.timed_out(self._limits.timeout)
        elif reply.status is Status.STARVED:
            error = failure.out_of_memory(self._limits.settings.memory)
        else:
            error = failure.died(reply.text)
        sent = calls[:1] if phase is _Phase.COLLECTING else calls
        for call in sent:
            call.deaths += 1
        has_begun = self._isolate.progress() is not None
        if len(sent) == 1 and (has_begun or sent[0].deaths >= _MOST_DEATHS or phase is _Phase.COLLECTING):
            self._blame(0, error)
        else:
            self._start_over([], calls)

    def _blame(self, finished: int, error: ExpressionError | None) -> None:
        """End the batch without its isolate and its results. `error` is for the call behind the finished ones."""
        calls = self._calls
        blamed, again = calls[finished : finished + 1], calls[:finished] + calls[finished + 1 :]
        for call in blamed:
            call.outcome = error or ""
        if not blamed:
            # All were finished, and what the last one left behind held the isolate. That must not go on for ever.
            for call in again:
                call.deaths += 1
            blamed = [call for call in again if call.deaths > _MOST_DEATHS]
            again = [call for call in again if call.deaths <= _MOST_DEATHS]
            for call in blamed:
                call.outcome = failure.result_lost()
        self._start_over(blamed, again)

    def _start_over(self, blamed: list[Call], again: list[Call]) -> None:
        """End the batch as if `again` had never run."""
        for call in again:
            call.log = None
        self._end(blamed, again, lost=True)

    def _give_back(self, finished: list[Call], error: ExpressionError | None) -> None:
        """End the batch without its isolate. `error` is for the call that did not finish."""
        behind = self._calls[len(finished) :]
        if error is not None and behind:
            behind[0].outcome = error
            finished = [*finished, behind.pop(0)]
        self._end(finished, behind, lost=True)
