"""The deadlines of processes, most of which never come.

A timer of the event loop takes some 600 bytes and a microsecond, and nearly every process that waits would have one only
to cancel it. So processes whose deadlines fall into the same :data:`SPAN` share a timer, which goes off when that span
begins; whoever is still there then gets a timer of its own. Nobody is ended early or late.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

SPAN: Final = 1.0
"""Seconds whose deadlines share a timer."""


class Expiring(Protocol):
    """Something with a deadline, a time of the event loop's clock."""

    deadline: float | None

    def expire(self) -> None: ...


class Deadlines:
    """Calls :meth:`Expiring.expire` of each that has been added, at its deadline, unless it is removed before."""

    __slots__ = ("_near", "_spans")

    def __init__(self) -> None:
        self._near: dict[Expiring, asyncio.TimerHandle] = {}
        self._spans: dict[int, tuple[set[Expiring], asyncio.TimerHandle]] = {}

    def add(self, one: Expiring) -> None:
        """Watch the deadline of `one`, which has not been added yet."""
        span = _span_of(one)
        known = self._spans.get(span)
        if known is not None:
            known[0].add(one)
            return
        loop = asyncio.get_running_loop()
        begin = span * SPAN
        if begin > loop.time():
            self._spans[span] = ({one}, loop.call_at(begin, self._come_near, span))
        else:
            self._watch(loop, one)

    def remove(self, one: Expiring) -> None:
        """Forget the deadline of `one`, be it that it has come."""
        own = self._near.pop(one, None)
        if own is not None:
            own.cancel()
            return
        span = _span_of(one)
        known = self._spans.get(span)
        if known is None:
            return
        together, timer = known
        together.discard(one)
        if not together:
            timer.cancel()
            del self._spans[span]

    def _come_near(self, span: int) -> None:
        loop = asyncio.get_running_loop()
        for one in self._spans.pop(span)[0]:
            self._watch(loop, one)

    def _watch(self, loop: asyncio.AbstractEventLoop, one: Expiring) -> None:
        assert one.deadline is not None
        self._near[one] = loop.call_at(one.deadline, self._come, one)

    def _come(self, one: Expiring) -> None:
        del self._near[one]
        one.expire()


def _span_of(one: Expiring) -> int:
    assert one.deadline is not None
    return int(one.deadline // SPAN)
