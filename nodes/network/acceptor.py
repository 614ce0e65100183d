"""Accepts from a socket that other processes accept from as well, and leaves them their part.

What asyncio and libuv do by themselves, to accept until nothing waits any more, is right for a socket of one's own. From a
shared one the process that wakes first takes a whole burst, and with it all the work that kept-alive connections bring:
with 32 connections and two processes on asyncio, all 32 went to one of them (`docs/decisions/0015-workers.md`). And of
connections that come one by one the system wakes the same process first each time. So there are two rules:

* who has taken a whole portion rests, and more is for whoever is awake by then;
* who has taken anything lets the others go first: as many connections as there are others. If nobody takes one while he
  rests, since they are busy or hang, he does.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

from engine.graph.context import Log

PORTION = 8
"""Connections that are accepted in one turn: one by one they cost a third more."""

REST = 0.001
"""Seconds of a rest: enough for others to wake up."""

PAUSE = 1.0
"""Seconds without accepting when the system has no room for another connection."""

_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Acceptor:
    """Accepts from `sock` until it is closed; each connection gets a protocol of `factory`.

    `sharers` is how many processes accept from it. It need not be exact: if it is too high, connections wait for a rest now
    and then.
    """

    def __init__(
        self, sock: socket.socket, factory: Callable[[], asyncio.BaseProtocol], *, sharers: int, log: Log
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._factory = factory
        self._log = log
        self._others = sharers - 1
        self._owed = 0
        """How many connections the others are to have first."""
        self._pause: asyncio.TimerHandle | None = None
        self._welcoming: set[asyncio.Task[object]] = set()
        self._loop.add_reader(sock.fileno(), self._wake)

    def close(self) -> None:
        """Accept no more. The socket is closed here, and stays open in other processes. A second call does nothing."""
        if self._sock.fileno() < 0:
            return
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        else:
            self._loop.remove_reader(self._sock.fileno())
        self._sock.close()

    async def settle(self) -> None:
        """Wait until every connection that was accepted has its protocol."""
        await asyncio.gather(*self._welcoming)

    def _wake(self) -> None:
        if self._owed:
            self._rest(REST)
        else:
            self._accept()

    def _accept(self) -> bool:
        """Take what waits, at most a portion. False if there was nothing."""
        for taken in range(PORTION):
            try:
                connection, _ = self._sock.accept()
            except OSError as error:
                if error.errno in _NO_ROOM:
                    self._log.error("listener.no_room", reason=str(error), pause=PAUSE)
                    self._rest(PAUSE)
                return taken > 0  # another process was faster, or the client has gone: there is nothing to accept
            connection.setblocking(False)
            welcoming = self._loop.create_task(self._welcome(connection))
            self._welcoming.add(welcoming)
            welcoming.add_done_callback(self._welcoming.discard)
            self._owed = self._others
        self._rest(REST)
        return True

    def _rest(self, seconds: float) -> None:
        self._loop.remove_reader(self._sock.fileno())
        self._pause = self._loop.call_later(seconds, self._go_on)

    async def _welcome(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._factory, connection)
        except Exception as error:  # this client is lost, and nobody else
            connection.close()
            self._log.warning("listener.client_lost", reason=str(error) or type(error).__name__)

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_reader(self._sock.fileno(), self._wake)
        if not self._accept():
            self._owed = max(0, self._owed - 1)
