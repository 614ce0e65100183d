"""One snippet, running: its calls in order, in batches, under a deadline.

The life of a call:

1. It is encoded by the caller and waits in the queue.
2. Whatever waits when the isolate is free goes out as one text (a batch). The isolate works through it for a few
   milliseconds and answers with a line for each call that is finished; the others are sent again.
3. A call that gave a promise ends its batch. What is left of the promise runs by itself; a second text collects it.
   There are no timers and no input or output in an isolate, so a promise that is not settled by then never will be.
4. The answers go to the loops that asked, one wake-up for each loop.

A call that must be killed (time, memory) takes the isolate with it: results that were finished before it are still
fetched (salvage), those behind it are sent again to a fresh isolate, and it alone fails. If the code that runs wild was
left behind by an earlier call, nobody fails.

Exactly one of the threads (a caller's loop, the isolate's, the keeper's) has the baton, `_busy`: the right to send. The
lock guards the fields, and is never held while anything foreign is called.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from engine.errors import ExpressionError
from engine.language.javascript import failure
from engine.language.javascript.disposal import Disposal
from engine.language.javascript.engine import Engine, Isolate, Reply, Settings, Status
from engine.language.javascript.keeper import Deadline, Keeper
from engine.language.javascript.module import Module
from engine.language.javascript.pool import Pool
from engine.language.javascript.wire import Argument, decode, encode
from engine.language.protocol import Payload

Log = Callable[[str, str], None]

_MOST_CALLS = 64
_MOST_TEXT = 256 * 1024
_GRACE = 0.5
"""Seconds that an interrupted isolate has to come back, if nothing but its log is at stake."""
_LONG_GRACE = 2.0
"""The same, if results of other calls are."""


@dataclass(slots=True, eq=False)
class _Call:
    argument: Argument
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[str]
    log: list[str] = field(default_factory=list)
    outcome: str | ExpressionError = ""
    tries: int = 0


_MOST_TRIES = 3
"""Texts with a call that may go unanswered before it is held to be the call's own fault."""


class _Phase(Enum):
    RUNNING = "running"
    COLLECTING = "collecting"
    STOPPING = "stopping"
    SALVAGING = "salvaging"


@dataclass(frozen=True, slots=True)
class House:
    """What the programs of one compiler have in common."""

    engine: Engine
    pool: Pool
    keeper: Keeper
    disposal: Disposal


class JavaScriptProgram:
    """A compiled snippet with its own state and globals. Calls may come from any event loop, also from several.

    Cancelling the task that awaits a call takes the call out of the queue; one that runs already runs to its end, and
    nobody gets its result.
    """

    is_async = True

    def __init__(
        self, module: Module, house: House, *, settings: Settings, timeout: timedelta, log: Log | None
    ) -> None:
        self.keeps_state = module.keeps_state
        self.last_used = 0.0
        self._module = module
        self._house = house
        self._settings = settings
        self._timeout = timeout
        self._log = log
        self._lock = threading.Lock()
        self._queue: deque[_Call] = deque()
        self._busy = False
        self._closed = False
        self._is_tenant = False
        self._isolate: Isolate | None = None
        self._served = False  # whether this isolate has had a batch; before that, nobody makes it give way
        self._batch: list[_Call] = []
        self._turn = 0  # counts texts; an answer or a deadline of another turn comes too late
        self._phase = _Phase.RUNNING
        self._finished = 0  # calls of the batch, when it was stopped
        self._until = 0.0
        self._deadline: Deadline | None = None
        self._error: ExpressionError | None = None

    async def __call__(self, payload: Payload, /) -> Payload:
        """Call the default export with a copy of `payload`.

        Raises :class:`ExpressionError`: what the code threw, with its place in the source; or that it was stopped, with
        the code `deadline` for its time, after which the next call finds a fresh module.
        """
        loop = asyncio.get_running_loop()
        call = _Call(encode(payload), loop, loop.create_future())
        self._submit(call)
        line = await call.future
        if line[0] == "E":
            raise failure.thrown(line, call.argument.errors, self._module.source)
        return decode(line, call.argument.errors)

    def close(self) -> None:
        """Fail the calls that wait or run, and free the isolate in the background. May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._turn += 1
            calls = [*self._batch, *self._queue]
            self._batch = []
            self._queue.clear()
            isolate, self._isolate = self._isolate, None
            if self._deadline is not None:
                self._deadline.cancel()
        for call in calls:
            call.outcome = failure.closed()
        self._deliver(calls)
        if isolate is not None:
            self._house.disposal.add(isolate)
        self._house.pool.leave(self)

    # ------------------------------------------------------------------ room for the isolate

    def move_in(self) -> None:
        """The pool has room: make the isolate."""
        self._is_tenant = True
        self._house.keeper.call(self._make)

    def refuse(self, error: ExpressionError) -> None:
        """The pool has no room: fail what waits."""
        self._fail_queue(error)

    def move_out(self) -> bool:
        """Let the isolate go, unless there is work or state in it."""
        with self._lock:
            if self._busy or (self.keeps_state and self._isolate is not None):
                return False
            self._is_tenant = False
            isolate, self._isolate = self._isolate, None
        if isolate is not None:
            self._house.disposal.add(isolate)
        return True

    def _make(self) -> None:
        try:
            isolate = self._house.engine.isolate(self._module, self._settings)
        except Exception as error:
            self._fail_queue(error if isinstance(error, ExpressionError) else ExpressionError(str(error)))
            return
        with self._lock:
            unwanted = self._closed
            if not unwanted:
                self._isolate = isolate
                self._served = False
        if unwanted:
            self._house.disposal.add(isolate)
        else:
            self._advance()

    def _fail_queue(self, error: ExpressionError) -> None:
        with self._lock:
            calls = list(self._queue)
            self._queue.clear()
            self._busy = False
            self._is_tenant = False
        self._house.pool.leave(self)
        for call in calls:
            call.outcome = error
        self._deliver(calls)

    def _leave(self) -> None:
        """Give the isolate, if any, and the room back."""
        with self._lock:
            self._is_tenant = False
            isolate, self._isolate = self._isolate, None
        if isolate is not None:
            self._house.disposal.add(isolate)
        self._house.pool.leave(self)

    # ------------------------------------------------------------------ sending

    def _submit(self, call: _Call) -> None:
        with self._lock:
            if self._closed:
                raise failure.closed()
            self._queue.append(call)
            if self._busy:
                return
            self._busy = True
        self._advance()

    def _advance(self) -> None:
        """Go on with the queue; called by who has the baton, while nothing runs."""
        pool = self._house.pool
        with self._lock:
            if self._closed:
                return
            while self._queue and self._queue[0].future.cancelled():
                self._queue.popleft()
            rests = not self._queue
            self._busy = not rests
            isolate = self._isolate
        if rests:
            pool.rest()
            return
        if isolate is not None and self._served and not self.keeps_state and pool.crowded:
            self._leave()
            isolate = None
        if isolate is not None:
            self._send_batch(isolate)
        elif self._is_tenant:
            self._house.keeper.call(self._make)
        else:
            pool.enter(self)

    def _send_batch(self, isolate: Isolate) -> None:
        parts = ["R"]
        size = 0
        with self._lock:
            while self._queue and len(self._batch) < _MOST_CALLS:
                size += len(self._queue[0].argument.line)
                if self._batch and size > _MOST_TEXT:
                    break
                call = self._queue.popleft()
                if not call.future.cancelled():
                    self._batch.append(call)
                    parts.append(call.argument.line)
        now = time.monotonic()
        self.last_used = now
        self._served = True
        self._until = now + self._timeout.total_seconds() + self._settings.slice / 1000
        self._send(isolate, "\n".join(parts), _Phase.RUNNING, until=self._until)

    def _send(self, isolate: Isolate, text: str, phase: _Phase, *, until: float) -> None:
        with self._lock:
            if self._closed:
                return
            self._phase = phase
            self._turn += 1
            turn = self._turn
            self._deadline = self._house.keeper.at(until, lambda: self._on_deadline(turn))
        isolate.run(text, lambda reply: self._on_reply(turn, reply))

    # ------------------------------------------------------------------ answers

    def _on_reply(self, turn: int, reply: Reply) -> None:
        """The isolate answered, on its own thread."""
        with self._lock:
            if turn != self._turn:
                return
            self._turn += 1
            phase, isolate = self._phase, self._isolate
            if self._deadline is not None:
                self._deadline.cancel()
        assert isolate is not None
        if phase is _Phase.SALVAGING:
            self._end_salvage(reply.text if reply.status is Status.DONE else None)
        elif reply.status is Status.DONE:
            self._settle(isolate, reply.text)
        elif reply.status is Status.MEMORY:
            self._stop(isolate, failure.out_of_memory(self._settings.memory))
        elif reply.status is Status.STOPPED or phase is _Phase.STOPPING:
            self._stop(isolate, failure.timed_out(self._timeout))
        else:
            self._stop(isolate, ExpressionError(reply.text))

    def _settle(self, isolate: Isolate, text: str) -> None:
        finished = self._read(text)
        waiting = self._batch[finished] if text[0] == "W" else None
        calls, behind = self._batch[:finished], self._batch[finished + (waiting is not None) :]
        with self._lock:
            self._queue.extendleft(reversed(behind))
            self._batch = [] if waiting is None else [waiting]
        self._deliver(calls)
        if waiting is None:
            self._advance()
        else:
            self._send(isolate, "C", _Phase.COLLECTING, until=self._until)

    def _read(self, text: str) -> int:
        """Give the lines of an answer to the calls of the batch; tells how many are finished."""
        finished = 0
        for line in text.split("\n")[1:]:
            if finished == len(self._batch):
                break
            call = self._batch[finished]
            if line[0] == "L":
                call.log.append(line)
            else:
                call.outcome = line
                finished += 1
        return finished

    def _deliver(self, calls: list[_Call]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[_Call]] = {}
        for call in calls:
            by_loop.setdefault(call.loop, []).append(call)
        for loop, answered in by_loop.items():
            try:
                loop.call_soon_threadsafe(self._hand_over, answered)
            except RuntimeError:
                continue  # that loop is closed, and with it everybody who waited there

    def _hand_over(self, calls: list[_Call]) -> None:
        """On the callers' loop."""
        for call in calls:
            outcome: str | Exception = call.outcome
            try:
                for line in call.log:
                    self._print(line)
            except Exception as error:
                outcome = error
            if call.future.done():
                continue
            if isinstance(outcome, str):
                call.future.set_result(outcome)
            else:
                call.future.set_exception(outcome)

    def _print(self, line: str) -> None:
        if self._log is not None:
            level, text = decode("P" + line[1:])
            self._log(level, text)

    # ------------------------------------------------------------------ killing

    def _on_deadline(self, turn: int) -> None:
        """Too long, on the keeper's thread."""
        with self._lock:
            if turn != self._turn or self._isolate is None:
                return
            isolate, phase = self._isolate, self._phase
            finished = isolate.progress()
            if phase in (_Phase.RUNNING, _Phase.COLLECTING) and finished is not None:
                self._phase = _Phase.STOPPING
                grace = time.monotonic() + (_LONG_GRACE if finished else _GRACE)
                self._deadline = self._house.keeper.at(grace, lambda: self._on_deadline(turn))
                interrupts = True
            else:
                self._turn += 1
                interrupts = False
        if interrupts:
            isolate.interrupt()
        elif phase is _Phase.SALVAGING:
            self._end_salvage(None)
        elif phase is _Phase.STOPPING:
            self._error = failure.timed_out(self._timeout)
            self._finished = finished or 0
            self._end_salvage(None)
        else:
            self._stop(isolate, failure.timed_out(self._timeout))

    def _stop(self, isolate: Isolate, error: ExpressionError) -> None:
        """The batch was stopped, or must be. Find out how far it came."""
        finished = isolate.progress()
        if finished is not None:
            self._error, self._finished = error, finished
            isolate.lift_limit()
            self._send(isolate, "S", _Phase.SALVAGING, until=time.monotonic() + _GRACE)
            return
        # It never began: what an earlier call left behind holds the isolate. If that is the promise that is collected,
        # its call is to blame; else nobody of this batch is, unless it happens again and again.
        for call in self._batch:
            call.tries += 1
        blamed = self._phase is _Phase.COLLECTING or self._batch[0].tries > _MOST_TRIES
        self._renew([], error if blamed else None)

    def _end_salvage(self, text: str | None) -> None:
        finished = self._finished if text is None else self._read(text)
        calls = self._batch[:finished]
        for call in calls if text is None else ():
            call.outcome = failure.result_lost()
        self._renew(calls, self._error)

    def _renew(self, finished: list[_Call], error: ExpressionError | None) -> None:
        """Deliver, let the isolate go, and go on with a fresh one. `error` is for the call that did not finish."""
        behind = self._batch[len(finished) :]
        if error is not None and behind:
            behind[0].outcome = error
            finished = [*finished, behind.pop(0)]
        with self._lock:
            self._batch = []
            self._queue.extendleft(reversed(behind))
            isolate, self._isolate = self._isolate, None
        if isolate is not None:
            self._house.disposal.add(isolate)
        self._deliver(finished)
        self._advance()
