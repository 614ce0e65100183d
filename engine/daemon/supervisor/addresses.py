"""The sockets that a supervisor keeps, and the workers that need them.

An address is bound when the first worker asks for it, and closed when the last one lets go. So what waits in its queue is
accepted by whoever is there, and a worker that dies takes nothing with it but what it had accepted. The owner is part of the
key: two namespaces that want one address contradict each other, in one worker or in two, and the system refuses the second.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field

from engine.graph.sockets import bind


@dataclass(frozen=True, slots=True)
class Key:
    """An address, and in whose name it is bound. Port 0 is one free port for each owner."""

    owner: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port or 'any'} of {self.owner}"


@dataclass(slots=True, eq=False)
class _Entry:
    binding: asyncio.Lock = field(default_factory=asyncio.Lock)
    sockets: Sequence[socket.socket] = ()
    holders: Counter[Hashable] = field(default_factory=Counter)


class Addresses:
    """Bound addresses. `bind` makes the sockets; see :func:`engine.graph.sockets.bind`."""

    def __init__(self, bind: Callable[[str, int], Awaitable[Sequence[socket.socket]]] = bind) -> None:
        self._bind = bind
        self._entries: dict[Key, _Entry] = {}

    async def take(self, key: Key, holder: Hashable) -> Sequence[socket.socket]:
        """The sockets of an address, bound if they are not yet. A holder that takes it twice lets go twice.

        Raises OSError. Cancelled or failed, the holder holds nothing by this call.
        """
        entry = self._entries.setdefault(key, _Entry())
        entry.holders[holder] += 1
        try:
            async with entry.binding:
                if not entry.sockets:
                    entry.sockets = await self._bind(key.host, key.port)
        except BaseException:
            self.release(key, holder)
            raise
        if not entry.holders[holder]:
            self._close_if_free(key, entry)  # the holder has died while it was bound
        return entry.sockets

    def release(self, key: Key, holder: Hashable) -> None:
        """One hold less. Unknown holds are none."""
        entry = self._entries.get(key)
        if entry is None:
            return
        entry.holders[holder] -= 1
        if entry.holders[holder] <= 0:
            del entry.holders[holder]
        self._close_if_free(key, entry)

    def drop(self, holder: Hashable) -> None:
        """Let go of everything that a holder has."""
        for key, entry in tuple(self._entries.items()):
            del entry.holders[holder]
            self._close_if_free(key, entry)

    def held(self, holder: Hashable) -> frozenset[Key]:
        """What a holder has."""
        return frozenset(key for key, entry in self._entries.items() if entry.holders[holder] > 0)

    def close(self) -> None:
        """Close everything."""
        for entry in self._entries.values():
            _close(entry)
        self._entries.clear()

    def _close_if_free(self, key: Key, entry: _Entry) -> None:
        if entry.holders.total():
            return
        if self._entries.get(key) is entry:
            del self._entries[key]
        _close(entry)


def _close(entry: _Entry) -> None:
    for sock in entry.sockets:
        sock.close()
    entry.sockets = ()
