"""Who may have an isolate: at most so many at a time.

An isolate belongs to one program and nothing is ever shared between two, not even the objects of the language. So at
the ceiling somebody has to give way:

1. the program that was idle longest among those without state (`state.py`): it gets a new isolate with its next call,
   for the price of making one, and nobody can tell;
2. if all of those are busy, the one that asks waits for the next to finish its batch, in order of asking;
3. if all isolates are held by programs with state, the call fails and says so.

The pool's lock is taken before a program's, never after.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Protocol

from engine.errors import ExpressionError
from engine.language.javascript import failure


class Tenant(Protocol):
    """A program, as the pool sees it."""

    keeps_state: bool
    last_used: float

    def move_in(self) -> None:
        """There is room: make the isolate. Called without the pool's lock."""
        ...

    def refuse(self, error: ExpressionError) -> None:
        """There is no room. Called without the pool's lock."""
        ...

    def move_out(self) -> bool:
        """Let the isolate go, unless there is work or state in it. Called with the pool's lock held."""
        ...


class Pool:
    """Counts isolates. `ceiling` is at least 1."""

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self._lock = threading.Lock()
        self._tenants: set[Tenant] = set()
        self._waiting: deque[Tenant] = deque()

    @property
    def crowded(self) -> bool:
        """Whether somebody waits for room. A program without state should then make way between two batches."""
        return bool(self._waiting)

    def enter(self, tenant: Tenant) -> None:
        """Ask for room; `move_in` or `refuse` is the answer, now or later."""
        with self._lock:
            if len(self._tenants) >= self.ceiling and not self._evict():
                if not all(each.keeps_state for each in self._tenants):
                    self._waiting.append(tenant)
                    return
                refused = True
            else:
                self._tenants.add(tenant)
                refused = False
        if refused:
            tenant.refuse(failure.no_isolate(self.ceiling))
        else:
            tenant.move_in()

    def leave(self, tenant: Tenant) -> None:
        """Give the room back, or give up waiting; the next in line gets it."""
        with self._lock:
            if tenant in self._waiting:
                self._waiting.remove(tenant)
            self._tenants.discard(tenant)
        self._go_on()

    def rest(self) -> None:
        """Somebody came to rest: if there is a queue, whoever rests makes way for its first.

        Takes the lock in any case: so a program that has just come to rest either is seen resting by who asks for room,
        or finds that one in the queue.
        """
        with self._lock:
            crowded = bool(self._waiting)
            if crowded and len(self._tenants) >= self.ceiling:
                self._evict()
        if crowded:
            self._go_on()

    def _evict(self) -> bool:
        for tenant in sorted(self._tenants, key=lambda each: each.last_used):
            if tenant.move_out():
                self._tenants.discard(tenant)
                return True
        return False

    def _go_on(self) -> None:
        """Let those in who wait, as many as there is room for; refuse them all if nobody is left who could make way."""
        admitted: list[Tenant] = []
        refused: list[Tenant] = []
        with self._lock:
            while self._waiting and len(self._tenants) < self.ceiling:
                following = self._waiting.popleft()
                self._tenants.add(following)
                admitted.append(following)
            if self._waiting and all(each.keeps_state for each in self._tenants):
                refused.extend(self._waiting)
                self._waiting.clear()
        for each in admitted:
            each.move_in()
        for each in refused:
            each.refuse(failure.no_isolate(self.ceiling))
