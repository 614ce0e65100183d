"""One thread that does what must not wait for an event loop: deadlines, and the making of isolates.

Deadlines cannot live in the loop of whoever called: that loop may be gone while the code still runs. The thread starts
with the first use and sleeps until the earliest deadline that still counts; a deadline that was met costs nothing but
its place in the heap until then.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

_log = logging.getLogger(__name__)


@dataclass(slots=True, order=True)
class Deadline:
    """Something that happens at `when` (of the monotonic clock) unless it is cancelled."""

    when: float
    order: int
    action: Callable[[], None] | None = field(compare=False)

    def cancel(self) -> None:
        """Do nothing at that time. May come too late, and may be called twice."""
        self.action = None


class Keeper:
    """The thread. `at` and `call` may be used from any thread; actions run one at a time and must be short."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._wake = threading.Condition()
        self._heap: list[Deadline] = []
        self._jobs: deque[Callable[[], None]] = deque()
        self._order = itertools.count()
        self._sleeps_until = 0.0
        self._thread: threading.Thread | None = None
        self._closed = False

    def at(self, when: float, action: Callable[[], None]) -> Deadline:
        """Call `action` at `when`, a time of :func:`time.monotonic`."""
        deadline = Deadline(when, next(self._order), action)
        with self._wake:
            heapq.heappush(self._heap, deadline)
            if when < self._sleeps_until or self._thread is None:
                self._start_or_wake()
        return deadline

    def call(self, job: Callable[[], None]) -> None:
        """Call `job` as soon as possible. After :meth:`close` nothing is called any more."""
        with self._wake:
            self._jobs.append(job)
            self._start_or_wake()

    def close(self) -> None:
        """End the thread after the jobs that are waiting, and wait for it. Deadlines that are left do not happen."""
        with self._wake:
            self._closed = True
            self._wake.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _start_or_wake(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._wake.notify()

    def _run(self) -> None:
        while (action := self._next()) is not None:
            try:
                action()
            except Exception:
                # The thread must outlive a mistake in one action: everybody's deadlines hang on it.
                _log.exception("a deadline of %s failed", self._name)

    def _next(self) -> Callable[[], None] | None:
        with self._wake:
            while True:
                if self._jobs:
                    return self._jobs.popleft()
                if self._closed:
                    return None
                while self._heap and self._heap[0].action is None:
                    heapq.heappop(self._heap)
                left = self._heap[0].when - time.monotonic() if self._heap else None
                if left is not None and left <= 0:
                    action = heapq.heappop(self._heap).action
                    if action is not None:
                        return action
                    continue
                self._sleeps_until = self._heap[0].when if self._heap else float("inf")
                self._wake.wait(left)
                self._sleeps_until = 0.0
