"""What ends a call that QuickJS does not end by itself.

QuickJS looks at its time limit every ten thousand loops and calls. If each of them copies an array of a hundred thousand
items, that is far too late. So another thread looks too, and hinders a call that is late (:meth:`.Context.hinder`), so
that it fails, or gets soon to where QuickJS looks.

The time that counts is the processor time of the calling thread where the system tells it: a machine that is busy with
something else makes nobody late.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from engine.language.javascript.keeper import Keeper

Clock = Callable[[], float]


class Watch:
    """Watches over one program's calls, one at a time. A call that ends in time costs it two attributes and a lock.

    `hinder` is called on the keeper's thread, first between `seconds` and twice that after the call's beginning, and again
    every `seconds` for as long as it goes on.
    """

    def __init__(self, keeper: Keeper, *, seconds: float, hinder: Callable[[], None]) -> None:
        self._seconds = seconds
        self._hinder = hinder
        self._lock = threading.Lock()
        self._thread: int | None = None
        self.is_late = False
        """Whether the call that runs was hindered."""
        self._clock: Clock | None = None  # of the call that is being watched closely
        self._until = 0.0
        self._alarm = keeper.alarm(self._look)

    def begin(self) -> None:
        """This thread begins a call."""
        with self._lock:
            self._thread = threading.get_ident()
            self._alarm.set(time.monotonic() + self._seconds)

    def end(self) -> bool:
        """The call has ended; tells whether it was hindered."""
        with self._lock:
            self._alarm.clear()
            late, self.is_late = self.is_late, False
            self._thread = self._clock = None
        return late

    def _look(self) -> None:
        with self._lock:
            if self._thread is None or not self._alarm.is_due:
                return
            if self._clock is None:
                # The wall clock says that it is late. Only from here on it is worth asking for the thread's own.
                self._clock = _clock_of(self._thread)
                self._until = self._clock() + self._seconds
            left = self._until - self._clock()
            if left > 0:
                self._alarm.set(time.monotonic() + left)
                return
            self.is_late = True
            self._until = self._clock() + self._seconds
            self._alarm.set(time.monotonic() + self._seconds)
            self._hinder()


def _clock_of(thread: int) -> Clock:
    """The processor time of a thread that is alive; on a system that does not tell it, the time that passes."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return time.monotonic
    clock = time.pthread_getcpuclockid(thread)
    return lambda: time.clock_gettime(clock)
