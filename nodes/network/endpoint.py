"""An endpoint: the open socket of one address, and the listener that answers on it today.

The socket belongs to the runtime (a resource, keyed by address), not to a listener node. It is bound once, and stays
open as long as any node has a lease on it. Which node answers is asked at each request, also on a kept-alive
connection. A node goes through these steps, each called by the listener node's own life:

1. :meth:`Endpoint.join`, from `load`: the address is bound, if it is not yet. That may fail, and the plan with it. A
   request that comes before anybody is active waits for the publish.
2. :meth:`Endpoint.activate`, from `activate`, at publish: requests go to this node from now on.
3. :meth:`Endpoint.retire`, from `retire`, at publish of a generation without it: requests go to whoever else is active.
   When nobody is left who might take over, the socket closes at once, and requests that still come on kept-alive
   connections are answered with 503 and `Connection: close`.
4. :meth:`Endpoint.leave`, from `unload`, and the lease is released: without a lease the endpoint closes. Idle
   connections end at once; what is in flight is answered first.

What follows for changes, whatever the order in which one publish calls `activate` and `retire`:

* *replaced*: the new node joins the open endpoint, becomes active, and the old one retires without effect;
* *swapped* ports: each new node joins the other's endpoint; no socket is closed or bound;
* *renamed*: a new node with the same address, just as replaced;
* *removed*: steps 3 and 4; *added again* meanwhile: `join` binds the address anew;
* *never published*: step 1, then step 4. Nobody noticed;
* *another host on the same port*: refused by the system as long as the old socket is open, and the old node serves on.
  Two such sockets can be made to live side by side (`SO_REUSEPORT` while the second is bound), but closing the first
  resets the connections that wait in its queue, and a change must lose none.

Where several processes serve the address (:mod:`engine.graph.sockets`), one that is to be replaced is *withdrawn*: it
accepts no more, and answers what its connections still ask, each answer with `Connection: close`. So nobody is cut off who
has just connected, or who asks again on a connection that he believes to be open.

Two nodes that stay active on one address contradict each other. The newer one answers, the log says so, and when it
goes the older one has the address back.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable
from typing import Protocol

from engine.errors import Code, WeirError
from engine.graph.context import Log
from engine.graph.sockets import BACKLOG, Listening, OwnSockets, Sockets
from nodes.network.acceptor import Acceptor
from nodes.network.connection import HttpRequest, HttpServer, Sent
from nodes.network.problem import problem

GRACE = 5.0
"""Seconds that a closing endpoint waits for responses that are being written."""


class Answerer(Protocol):
    """Who answers requests: a listener node."""

    label: str

    def serve(self, request: HttpRequest) -> Awaitable[Sent]: ...


class Endpoint:
    """The open socket of one address. `port` 0 takes any free port; :attr:`address` has the one that it became.

    `sockets` binds it, in the name of `owner` (see :meth:`engine.graph.sockets.Sockets.listen`).
    """

    def __init__(self, host: str, port: int, *, log: Log, sockets: Sockets | None = None, owner: str = "") -> None:
        self.host = host
        self.port = port
        self.log = log
        self._sockets = sockets or OwnSockets()
        self._owner = owner
        self.listener: Answerer | None = None
        """The node that answers now."""
        self._joined: dict[Answerer, bool] = {}
        """Who has a lease, and whether it might still answer."""
        self._active: list[Answerer] = []
        self._listening: Listening | None = None
        self._servers: list[asyncio.Server | Acceptor] = []
        self._http: HttpServer | None = None
        self._binding = asyncio.Lock()
        self._change: asyncio.Future[None] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, the real one once the endpoint is bound."""
        return self.host, self.port

    @property
    def is_accepting(self) -> bool:
        """Whether new connections are accepted."""
        return bool(self._servers)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._http.connections) if self._http is not None else 0

    # --- the life of a listener

    async def join(self, listener: Answerer) -> None:
        """Prepare to answer: bind the address if it is not bound.

        Raises :class:`~engine.errors.WeirError` (`unavailable`) with the address when that cannot be.
        """
        self._joined[listener] = True
        try:
            async with self._binding:
                if not self._servers:
                    await self._open()
        except BaseException:
            self.leave(listener)
            raise

    def activate(self, listener: Answerer) -> None:
        """Answer from now on."""
        self._active.append(listener)
        self._choose()
        if len(self._active) > 1:
            asyncio.get_running_loop().call_soon(self._look_for_conflict)

    def retire(self, listener: Answerer) -> None:
        """Answer no more, whoever comes next."""
        if listener in self._joined:
            self._joined[listener] = False
        if listener in self._active:
            self._active.remove(listener)
        self._choose()

    def leave(self, listener: Answerer) -> None:
        """Let go, retired or never active."""
        self.retire(listener)
        self._joined.pop(listener, None)

    async def withdraw(self) -> None:
        """Leave new connections to other processes. Returns when the last one here is gone: see :data:`Withdraw`."""
        acceptors = [server for server in self._servers if isinstance(server, Acceptor)]
        self._stop_accepting()
        if self._http is not None:
            self._http.draining = True
            for acceptor in acceptors:
                await acceptor.settle()
            await self._http.quiet()

    async def close(self) -> None:
        """End all connections: idle ones now, busy ones when they have answered, at most :data:`GRACE` seconds on."""
        self._joined.clear()
        self._active.clear()
        self._choose()
        if self._http is not None:
            self._http.wind_up()
            await self._http.shutdown(GRACE)

    # --- requests

    def handle(self, request: HttpRequest) -> Awaitable[Sent]:
        """Answer one request."""
        listener = self.listener
        return listener.serve(request) if listener is not None else self.defer(request)

    async def defer(self, request: HttpRequest) -> Sent:
        """Answer a request for which nobody is active: wait if somebody may become so, else refuse."""
        while self.listener is None:
            if not any(self._joined.values()):
                return request.refuse(problem(503))
            if self._change is None:
                self._change = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._change)
        return await self.listener.serve(request)

    # --- inside

    def _choose(self) -> None:
        self.listener = self._active[-1] if self._active else None
        change, self._change = self._change, None
        if change is not None:
            change.set_result(None)
        if not any(self._joined.values()):
            self._stop_accepting()
        if self._http is not None:
            self._http.draining = not self._servers

    def _look_for_conflict(self) -> None:
        if len(self._active) > 1:
            labels = [listener.label for listener in self._active]
            self.log.error("listener.conflict", address=f"{self.host}:{self.port}", nodes=labels, serves=labels[-1])

    def _stop_accepting(self) -> None:
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.release()

    async def _open(self) -> None:
        if self._http is None:
            self._http = HttpServer(self.handle, log=self.log)
        try:
            listening = await self._sockets.listen(self.host, self.port, owner=self._owner, withdraw=self.withdraw)
        except OSError as error:
            raise _refused(self.host, self.port, error) from error
        self._listening = listening
        waiting = list(listening.sockets)
        port = waiting[0].getsockname()[1] if waiting else self.port
        try:
            # The sockets become servers one by one; what is not one yet is closed if that fails.
            while waiting:
                self._servers.append(await self._accept_from(waiting[0], self._http, sharers=listening.sharers))
                del waiting[0]
        except BaseException as error:
            for sock in waiting:
                sock.close()
            self._stop_accepting()
            if isinstance(error, OSError):
                raise _refused(self.host, self.port, error) from error
            raise
        self.port = port
        self._http.draining = not self._servers

    async def _accept_from(self, sock: socket.socket, http: HttpServer, *, sharers: int) -> asyncio.Server | Acceptor:
        if sharers > 1:
            return Acceptor(sock, http, sharers=sharers, log=self.log)
        return await asyncio.get_running_loop().create_server(http, sock=sock, backlog=BACKLOG)


def _refused(host: str, port: int, error: OSError) -> WeirError:
    reason, hint = str(error), None
    if isinstance(error, socket.gaierror):
        reason, hint = f"the host cannot be resolved ({error.strerror})", "check `host`"
    elif error.errno is not None:
        reason = os.strerror(error.errno).lower()
        hint = {
            errno.EADDRINUSE: (
                "stop what listens there, or choose another `port`; a listener that is to move to another `host` "
                "on its own port must be deleted first"
            ),
            errno.EACCES: "ports below 1024 need the right to bind them",
            errno.EADDRNOTAVAIL: "no network interface of this machine has the address: check `host`",
        }.get(error.errno)
    return WeirError(f"cannot listen on {host}:{port}: {reason}", code=Code.UNAVAILABLE, hint=hint)
