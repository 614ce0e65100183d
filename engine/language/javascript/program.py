"""One snippet: its calls in order, an isolate to run them in, and never more than one batch of them on its way.

A call is encoded by the caller and waits in the queue. Whatever waits when the isolate is free goes out together
(`batch.py`); the answers go to the loops that asked, one wake-up for each loop.

Exactly one of the threads (a caller's loop, the isolate's, the keeper's) has the baton, `_busy`: the right to send. The
lock guards the fields, and is never held while anything foreign is called.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from engine.errors import ExpressionError
from engine.language.javascript import failure
from engine.language.javascript.batch import Batch, Call, Limits
from engine.language.javascript.disposal import Disposal
from engine.language.javascript.engine import Engine, Isolate, Settings
from engine.language.javascript.keeper import Keeper
from engine.language.javascript.module import Module
from engine.language.javascript.pool import Pool
from engine.language.javascript.wire import decode, encode
from engine.language.protocol import Payload

Log = Callable[[str, str], None]

_MOST_CALLS = 64
_MOST_TEXT = 256 * 1024


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
        self._limits = Limits(settings, timeout)
        self._log = log
        self._lock = threading.Lock()
        self._queue: deque[Call] = deque()
        self._busy = False
        self._closed = False
        self._is_tenant = False
        self._isolate: Isolate | None = None
        self._served = False  # whether this isolate has had a batch; before that, nobody makes it give way
        self._batch: Batch | None = None
        self._alarm = house.keeper.alarm(self._on_alarm)

    async def __call__(self, payload: Payload, /) -> Payload:
        """Call the default export with a copy of `payload`.

        Raises :class:`ExpressionError`: what the code threw, with its place in the source; or that it was stopped, with
        the code `deadline` for its time, after which the next call finds a fresh module.
        """
        loop = asyncio.get_running_loop()
        argument = encode(payload, self._module.reads)
        call = Call(argument, loop, loop.create_future())
        self._submit(call)
        line = await call.future
        if line[0] == "E":
            raise failure.thrown(line, argument.errors, self._module.source, origin=self._module.origin)
        return decode(line, argument.errors)

    def close(self) -> None:
        """Fail the calls that wait or run, and free the isolate in the background. May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            calls = list(self._queue)
            self._queue.clear()
            isolate, self._isolate = self._isolate, None
            batch, self._batch = self._batch, None
        if batch is not None:
            calls = [*batch.give_up(), *calls]
        self._fail(calls, failure.closed())
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
            isolate = self._house.engine.isolate(self._module, self._limits.settings)
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

    def _leave(self) -> None:
        """Give the isolate, if any, and the room back."""
        with self._lock:
            self._is_tenant = False
            isolate, self._isolate = self._isolate, None
        if isolate is not None:
            self._house.disposal.add(isolate)
        self._house.pool.leave(self)

    def _fail_queue(self, error: ExpressionError) -> None:
        with self._lock:
            calls = list(self._queue)
            self._queue.clear()
            self._busy = False
            self._is_tenant = False
        self._house.pool.leave(self)
        self._fail(calls, error)

    # ------------------------------------------------------------------ sending

    def _submit(self, call: Call) -> None:
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
            self._busy = bool(self._queue)
            rests, isolate = not self._busy, self._isolate
            makes_way = self._served and not self.keeps_state and pool.crowded
            batch = None
            if not rests and isolate is not None and not makes_way:
                batch = Batch(self._take(), isolate, self, alarm=self._alarm, limits=self._limits)
                self._batch = batch
                self._served = True
        if rests:
            pool.rest()
        elif batch is not None:
            self.last_used = now = time.monotonic()
            batch.send(now)
        elif isolate is not None:
            self._leave()
            pool.enter(self)
        elif self._is_tenant:
            self._house.keeper.call(self._make)
        else:
            pool.enter(self)

    def _take(self) -> list[Call]:
        """The calls of the next batch; at least the first that waits. The lock is held."""
        queue = self._queue
        call = queue.popleft()
        calls = [call]
        size = len(call.argument.line)
        while queue and len(calls) < _MOST_CALLS and not (call.deaths or queue[0].deaths):
            size += len(queue[0].argument.line)
            if size > _MOST_TEXT:
                break
            call = queue.popleft()
            if not call.future.cancelled():
                calls.append(call)
        return calls

    def _on_alarm(self) -> None:
        """On the keeper's thread."""
        batch = self._batch
        if batch is not None:
            batch.on_alarm()

    # ------------------------------------------------------------------ answers

    def deliver(self, calls: list[Call]) -> None:
        """Wake the loops that asked. For the batch, from any thread."""
        by_loop: dict[asyncio.AbstractEventLoop, list[Call]] = {}
        for call in calls:
            by_loop.setdefault(call.loop, []).append(call)
        for loop, answered in by_loop.items():
            try:
                loop.call_soon_threadsafe(self._hand_over, answered)
            except RuntimeError:
                continue  # that loop is closed, and with it everybody who waited there

    def end(self, behind: list[Call], *, lost: bool) -> None:
        """Take back what was not run, and go on. For the batch, from the thread that has the baton."""
        isolate = None
        with self._lock:
            closed = self._closed
            if not closed:
                self._batch = None
                self._queue.extendleft(reversed(behind))
                if lost:
                    isolate, self._isolate = self._isolate, None
        if closed:
            self._fail(behind, failure.closed())
            return
        if isolate is not None:
            self._house.disposal.add(isolate)
        self._advance()

    def _fail(self, calls: list[Call], error: ExpressionError) -> None:
        for call in calls:
            call.outcome = error
        self.deliver(calls)

    def _hand_over(self, calls: list[Call]) -> None:
        """On the callers' loop."""
        for call in calls:
            outcome: str | Exception = call.outcome
            if call.log is not None:
                try:
                    self._print(call.log)
                except Exception as error:
                    outcome = error
            if call.future.done():
                continue
            if isinstance(outcome, str):
                call.future.set_result(outcome)
            else:
                call.future.set_exception(outcome)

    def _print(self, lines: list[str]) -> None:
        if self._log is None:
            return
        for line in lines:
            level, text = decode("P" + line[1:])
            self._log(level, text)
