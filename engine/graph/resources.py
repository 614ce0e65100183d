"""Resources that outlive the nodes which use them: sockets, connection pools.

They belong to the runtime and are keyed by what opens them (an address, a database). Whoever needs one takes a lease; the
last lease that is given back closes it. So a node that is replaced by another with the same address hands the open
socket on simply by letting go after its successor has taken hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, Protocol, TypeVar


class Closable(Protocol):
    """What can be kept as a resource."""

    async def close(self) -> None: ...


R = TypeVar("R", bound=Closable)


class Lease(Generic[R]):
    """A hold on a resource. `release` gives it back; a second call does nothing."""

    __slots__ = ("_entry", "_owner", "resource")

    def __init__(self, owner: Resources, entry: _Entry, resource: R) -> None:
        self._owner = owner
        self._entry: _Entry | None = entry
        self.resource = resource

    async def release(self) -> None:
        """Give the resource back; it is closed if nobody else holds it."""
        entry, self._entry = self._entry, None
        if entry is not None:
            await self._owner._release(entry)


class _Entry:
    __slots__ = ("holds", "key", "opening")

    def __init__(self, key: Hashable, opening: asyncio.Task[Any]) -> None:
        self.key = key
        self.opening = opening
        self.holds = 0


class Resources:
    """Open resources by key."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, _Entry] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def take(self, key: Hashable, opener: Callable[[], Awaitable[R]]) -> Lease[R]:
        """A lease on the resource of this key; `opener` opens it if nobody has yet.

        Several that ask at the same time share one opening, which runs in a task of its own: cancelling one of them
        does not fail the others, and when none is left the opening is cancelled. What the opener raises is raised to
        all of them, and the next one tries again. One that is being closed, which may take as long as its last users,
        is not waited for: the next to ask opens another.
        """
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(key, asyncio.ensure_future(_call(opener)))
        entry.holds += 1
        try:
            resource = await asyncio.shield(entry.opening)
        except BaseException:
            await self._release(entry)
            raise
        return Lease(self, entry, resource)

    async def close(self) -> None:
        """Close everything that is still open, held or not. What fails is raised when all the others are closed."""
        for entry in tuple(self._entries.values()):
            self._close(entry)
        failed = [each for each in await asyncio.gather(*self._closing, return_exceptions=True) if each is not None]
        if failed:
            raise failed[0]

    async def _release(self, entry: _Entry) -> None:
        entry.holds -= 1
        if entry.holds == 0 and self._entries.get(entry.key) is entry:
            # In a task of its own: whoever gives it back may be cancelled, and it is closed all the same.
            await asyncio.shield(self._close(entry))

    def _close(self, entry: _Entry) -> asyncio.Task[None]:
        del self._entries[entry.key]
        closing = asyncio.ensure_future(_close_now(entry))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        return closing


async def _close_now(entry: _Entry) -> None:
    if not entry.opening.done():
        entry.opening.cancel()
        await asyncio.wait([entry.opening])
    if not entry.opening.cancelled() and entry.opening.exception() is None:
        await entry.opening.result().close()


async def _call(opener: Callable[[], Awaitable[R]]) -> R:
    return await opener()
