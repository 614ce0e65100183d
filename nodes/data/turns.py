"""Turns that a limited number may have at one time, given in the order in which they were asked for."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress


class Turns:
    """`free` turns. Cheaper than a semaphore with a timeout around it, which costs as much as a short statement."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def take(self) -> bool:
        """Take a turn if one is free."""
        if self._free == 0:
            return False
        self._free -= 1
        return True

    async def wait(self, timeout: float) -> None:
        """Take a turn as soon as one is free. Raises TimeoutError when none is within `timeout` seconds."""
        if self.take():
            return
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.append(waiter)
        timer = loop.call_later(timeout, _late, waiter)
        try:
            await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.give_back()  # it came together with a cancellation
            else:
                with suppress(ValueError):  # a turn has come to it in vain just now, and gone to the next
                    self._waiting.remove(waiter)
            raise
        finally:
            timer.cancel()

    def give_back(self) -> None:
        """A turn is over; it is the next one's."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1


def _late(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
