"""One thread that does what must not wait for an event loop: deadlines, and the making of isolates.

Deadlines cannot live in the loop of whoever called: that loop may be gone while the code still runs. The thread starts
with the first use and sleeps until the earliest time that anybody may have to be woken.

Almost every deadline is met, and a busy program sets thousands of them in a second, each a little later than the one
before. So a program has one :class:`Alarm`, and to set it again is to write a number: the thread comes at the earlier
time that was planned, finds that nothing is due, and plans anew.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable

_log = logging.getLogger(__name__)


class Alarm:
    """Calls an action when a time has come. One thread at a time may set and clear it.

    The action is called on the keeper's thread while others may go on setting and clearing. It may come too late, so it
    has to look at `until` again, under a lock that it shares with those, before it believes that the time has come.
    """

    __slots__ = ("_keeper", "action", "planned", "until")

    def __init__(self, keeper: Keeper, action: Callable[[], None]) -> None:
        self._keeper = keeper
        self.action = action
        self.until: float | None = None
        """When the action is due, of :func:`time.monotonic`; None while the alarm is not set."""
        self.planned: float | None = None
        """When the keeper looks here next. The keeper's own."""

    def set(self, when: float) -> None:
        """Call the action at `when` instead of any other time."""
        # First `until`, then `planned`; the keeper forgets `planned` first and reads `until` then. So one of the two
        # sees what the other did, and no lock is needed for the usual case: a plan that is earlier than `when`.
        self.until = when
        planned = self.planned
        if planned is None or planned > when:
            self._keeper.plan(self, when)

    def clear(self) -> None:
        """Do not call the action. May come too late, and may be called twice."""
        self.until = None

    @property
    def is_due(self) -> bool:
        """Whether the time has come."""
        until = self.until
        return until is not None and until <= time.monotonic()


class Keeper:
    """The thread. It may be used from any thread; actions and jobs run one at a time and must be short."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._wake = threading.Condition()
        self._plans: list[tuple[float, int, Alarm]] = []
        self._jobs: deque[Callable[[], None]] = deque()
        self._order = itertools.count()
        self._sleeps_until = 0.0
        self._thread: threading.Thread | None = None
        self._closed = False

    def alarm(self, action: Callable[[], None]) -> Alarm:
        """An alarm that is not set yet. It costs nothing until then."""
        return Alarm(self, action)

    def call(self, job: Callable[[], None]) -> None:
        """Call `job` as soon as possible. After :meth:`close` nothing is called any more."""
        with self._wake:
            self._jobs.append(job)
            self._start_or_wake()

    def plan(self, alarm: Alarm, when: float) -> None:
        """Look at `alarm` at that time; an earlier plan for it no longer counts."""
        with self._wake:
            self._push(alarm, when)
            if when < self._sleeps_until or self._thread is None:
                self._start_or_wake()

    def close(self) -> None:
        """End the thread after the jobs that are waiting, and wait for it. Alarms that are set do not go off."""
        with self._wake:
            self._closed = True
            self._wake.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _push(self, alarm: Alarm, when: float) -> None:
        alarm.planned = when
        heapq.heappush(self._plans, (when, next(self._order), alarm))

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
            del action  # a program that is gone must not live on in a sleeping thread

    def _next(self) -> Callable[[], None] | None:
        with self._wake:
            while True:
                # Deadlines first: many isolates may have to be made, and each takes some milliseconds.
                if not self._closed and (action := self._due()) is not None:
                    return action
                if self._jobs:
                    return self._jobs.popleft()
                if self._closed:
                    return None
                self._sleeps_until = self._plans[0][0] if self._plans else float("inf")
                self._wake.wait(self._sleeps_until - time.monotonic() if self._plans else None)
                self._sleeps_until = 0.0

    def _due(self) -> Callable[[], None] | None:
        """The next action whose time has come; plans for what was cleared or moved are made anew or dropped."""
        now = time.monotonic()
        while self._plans and self._plans[0][0] <= now:
            when, _, alarm = heapq.heappop(self._plans)
            if alarm.planned != when:
                continue
            alarm.planned = None
            until = alarm.until
            if until is None:
                continue
            if until <= now:
                return alarm.action
            self._push(alarm, until)
        return None
