"""Listening sockets, and who binds them.

A node that listens asks its :class:`Sockets` for the open sockets of an address. By default they are bound here and now
(:class:`OwnSockets`). A worker that shares its addresses with others asks its supervisor instead, which binds each
address once and hands out descriptors of the same sockets; then several processes accept from one queue, and none of them
ends it by going.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

BACKLOG = 1024
"""Connections that may wait to be accepted; the system's own limit may be lower."""

Withdraw = Callable[[], Awaitable[None]]
"""Accept no more; return when the last connection is gone. Cancelling it stops the waiting, and nothing else."""


class Listening:
    """The open sockets of one address. Whoever asked for them closes them, and then calls :meth:`release`.

    `sharers` are the processes that accept from the same sockets, as far as is known. `sockets` is empty where this process is to accept
    nothing, since it is on its way out and others serve the address.
    """

    __slots__ = ("_release", "sharers", "sockets")

    def __init__(
        self, sockets: Sequence[socket.socket], *, sharers: int = 1, release: Callable[[], None] | None = None
    ) -> None:
        self.sockets = tuple(sockets)
        self.sharers = sharers
        self._release = release

    def release(self) -> None:
        """Say that the address is not needed here any more. A second call does nothing."""
        release, self._release = self._release, None
        if release is not None:
            release()


class Sockets(Protocol):
    """Who gives out listening sockets."""

    async def listen(self, host: str, port: int, *, owner: str, withdraw: Withdraw) -> Listening:
        """The sockets of an address; port 0 is any free one, the same for every socket of the answer.

        `owner` tells apart those who may not have an address in common: who asks again for what another owner has is
        refused, as the system refuses it. `withdraw` is called when this process is to stop accepting while others go on.

        Raises OSError, as `bind` does and `getaddrinfo`, and :class:`~engine.errors.WeirError` when nobody is there to ask.
        """
        ...


class OwnSockets:
    """Binds in this process, for this process alone."""

    async def listen(self, host: str, port: int, *, owner: str, withdraw: Withdraw) -> Listening:  # noqa: ARG002
        """See :meth:`Sockets.listen`. Nobody else serves the address, so it is never withdrawn."""
        return Listening(await bind(host, port))


async def bind(host: str, port: int) -> list[socket.socket]:
    """Bind every address that a host has, and listen; port 0 becomes one free port for all of them.

    Raises OSError, and then nothing is bound. The sockets do not block.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            sock = _bind_one(family, kind, protocol, (address[0], port, *address[2:]))
            sockets.append(sock)
            port = sock.getsockname()[1]
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _bind_one(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        # A port is only really ours once it listens: bound alone, two sockets may share it.
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock
