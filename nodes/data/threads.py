"""Threads for calls that block, and no more of them awake than are of use.

The problem. Python runs one thread at a time. With eight threads awake for calls of a few microseconds each, most of the
time goes into handing the interpreter from one to the other, and an executor of the standard library makes two objects
with a lock of their own for each call.

The choice. One thread takes the calls from a queue, one after the other, for as long as there are any. Another one is
woken when a call has waited for :data:`PATIENCE` seconds (the one before it takes long). A thread tells the event loop of
all that it has done when the queue is empty; where that takes longer, the loop looks by itself after :data:`PATIENCE`.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic
from typing import Any, Final, Generic, TypeVar

from engine.errors import UnavailableError

T = TypeVar("T")

PATIENCE: Final = 0.002
"""Seconds that a call waits before another thread is woken for it, and an answer before somebody looks for it."""

_STOP_AGAIN: Final = 0.02
"""Seconds between two attempts to interrupt a call."""


class Call(asyncio.Future[T], Generic[T]):
    """What a call returns or raises, once its thread is done with it, and never sooner.

    Nobody can cancel one that a thread has begun with: whoever awaits it and is cancelled has the call interrupted by
    `stop`, again and again until it has returned, and goes on, cancelled, only then. One that still waits for a thread is
    not made at all, unless it cannot be stopped: that one has to be made.
    """

    def __init__(self, threads: Threads, function: Callable[[], T], stop: Callable[[], None] | None) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._threads = threads
        self._function = function
        self._stop = stop
        self._unheard = False
        self.since = monotonic()

    def cancel(self, msg: Any = None) -> bool:
        """Interrupt the call. It is not cancelled by that, as asyncio understands it, once it has begun: hence False."""
        if self.done():
            return False
        if self._stop is not None and self._threads.withdraw(self):
            return super().cancel(msg)
        if not self._unheard:
            self._unheard = True
            self.add_done_callback(_ignore)  # there is nobody left to hear of its error
        if self._stop is not None:
            self._stop()
            self.get_loop().call_later(_STOP_AGAIN, self.cancel)
        return False

    def run(self) -> tuple[Call[T], T | None, BaseException | None]:
        """Make the call, in a thread; what :meth:`tell` takes."""
        try:
            return self, self._function(), None
        except BaseException as error:
            return self, None, error

    def tell(self, result: Any, error: BaseException | None) -> None:
        """It has returned, or raised."""
        if error is None:
            self.set_result(result)
        elif isinstance(error, StopIteration):  # which a future cannot raise
            self.set_exception(RuntimeError("the call raised StopIteration"))
        else:
            self.set_exception(error)


class Threads:
    """At most `most` threads, which are started when they are first needed. All methods are for one event loop."""

    def __init__(self, most: int, *, name: str) -> None:
        self._most = most
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        """Held for a few steps where threads and the loop must agree: on what waits, who sleeps, and what is answered."""
        self._waiting: deque[Call[Any]] = deque()
        self._asleep = 0
        self._wake: SimpleQueue[bool] = SimpleQueue()
        self._answers: list[tuple[Call[Any], Any, BaseException | None]] = []
        self._looking = False
        self._waking = False
        self._running = 0

    def call(self, function: Callable[[], T], *, stop: Callable[[], None] | None = None) -> Call[T]:
        """Call a function in a thread. `stop` interrupts it."""
        call = Call(self, function, stop)
        self._running += 1
        with self._lock:
            self._waiting.append(call)
        if not self._waking:
            # At the end of this turn of the loop: who else comes in it shares the thread, and that has not to fight for the
            # interpreter.
            self._waking = True
            asyncio.get_running_loop().call_soon(self._wake_if_all_sleep)
        self._look_soon()
        return call

    def withdraw(self, call: Call[Any]) -> bool:
        """Take a call out of the queue. False when a thread has begun with it."""
        with self._lock:
            if call not in self._waiting:
                return False
            self._waiting.remove(call)
        self._running -= 1
        return True

    @property
    def busy(self) -> bool:
        """Whether calls are under way or wait."""
        return self._running > 0

    def close(self) -> None:
        """End the threads, when no call is under way any more."""
        for _ in self._threads:
            self._wake.put(False)
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        self._asleep = 0

    # --- in the event loop's thread

    def _wake_one(self) -> None:
        with self._lock:
            starts = self._asleep == 0
            if not starts:
                self._asleep -= 1
        if not starts:
            self._wake.put(True)
        elif len(self._threads) < self._most:
            self._loop = asyncio.get_running_loop()
            thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                self._do_with_those_there_are()
            else:
                self._threads.append(thread)

    def _do_with_those_there_are(self) -> None:
        """The system has no thread left. Those that run take all calls; without any the calls fail."""
        if self._threads:
            return
        error = UnavailableError("no thread can be started", hint="the system allows the daemon no more of them")
        with self._lock:
            while self._waiting:
                self._answers.append((self._waiting.popleft(), None, error))
        asyncio.get_running_loop().call_soon(self._take_answers)

    def _wake_if_all_sleep(self) -> None:
        self._waking = False
        with self._lock:
            needed = bool(self._waiting) and self._asleep == len(self._threads)
        if needed:
            self._wake_one()

    def _look_soon(self) -> None:
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(PATIENCE, self._look)

    def _look(self) -> None:
        """Take the answers that are there, and wake another thread if calls have waited for too long.

        An answer that nobody has told of means that its thread has found another call in the queue. So while there is
        none left, and no answer, there will be nothing to look for.
        """
        self._looking = False
        oldest = self._take_answers()
        if oldest is None:
            return
        self._look_soon()
        if monotonic() - oldest.since >= PATIENCE:
            self._wake_one()

    def _take_answers(self) -> Call[Any] | None:
        """Tell of all answers that are there; the call that had waited longest when they were taken, if any.

        Both under the lock: of an answer that comes with an empty queue its thread tells, of any other nobody does.
        """
        with self._lock:
            answers, self._answers = self._answers, []
            oldest = self._waiting[0] if self._waiting else None
        self._running -= len(answers)
        for call, result, error in answers:
            call.tell(result, error)
        return oldest

    # --- in a thread

    def _work(self) -> None:
        while True:
            with self._lock:
                call = self._waiting.popleft() if self._waiting else None
                if call is None:
                    self._asleep += 1
            if call is None:
                if not self._wake.get():
                    return
                continue
            answer = call.run()
            del call
            with self._lock:
                self._answers.append(answer)
                is_last = not self._waiting
            del answer
            if is_last:
                assert self._loop is not None
                self._loop.call_soon_threadsafe(self._take_answers)


def _ignore(future: asyncio.Future[Any]) -> None:
    future.exception()
