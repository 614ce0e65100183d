"""The clients: kept-alive connections that ask without a pause, and hold every answer against the book.

They share two cores with the daemon that they measure, so each is a bare protocol with a parser for what the daemon
sends and no more: a head with a length, and a body. Between two requests nothing is scheduled; one timer for all of them
looks for requests whose time is up.

What may go wrong, counted apart:

* *failed*: another status than 200, an answer that is no HTTP, a connection that ends within an answer or cannot be made;
* *hung*: no answer within the deadline;
* *mixed*: a body that no transaction explains;
* *stale*: a body that was right once, asked for after somebody had seen a newer one;
* *closed idle*: the connection ended before the first byte of an answer. RFC 9112 (9.3.1) lets a client ask again on
  another connection, and these do; a user never sees it. It should not happen all the same;
* *sent away*: an answer with `Connection: close`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from time import monotonic
from typing import cast

from benchmarks.reload.book import Book

HOST = "127.0.0.1"
SHOWN = 5
"""How many of each kind of failure are told in full."""
LOOK = 0.25
"""Seconds between two looks for requests that hang."""
AGAIN = 0.05
"""Seconds before a connection that could not be made is tried again."""
FAST = ("text", "chain", "each", "nest")
"""Routes that answer at once: what they show tells when a change is live."""
MIXTURES = (("text", "chain", "each", "nest", "fan"), ("slow", "fan"))
"""What a client asks for, in turn: three in four clients the first, one the second."""
PAUSE = 0.15
"""Seconds, at most, between two requests of a client that pauses."""


@dataclass(slots=True)
class Tally:
    """What the clients have seen. `examples` tells the first of what went wrong."""

    answered: int = 0
    failed: int = 0
    hung: int = 0
    mixed: int = 0
    stale: int = 0
    closed_idle: int = 0
    sent_away: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def bad(self) -> int:
        """Everything that a reload should not have done."""
        return self.failed + self.hung + self.mixed + self.stale + self.closed_idle + self.sent_away

    def note(self, kind: str, what: str) -> None:
        """Keep an example of what went wrong."""
        examples = self.examples.setdefault(kind, [])
        if len(examples) < SHOWN:
            examples.append(what)


class Load:
    """All clients. `seen` has the time at which a transaction was first known to be live, by its number."""

    def __init__(self, port: int, book: Book, *, deadline: float = 10.0) -> None:
        self.port = port
        self.pages = book.pages
        self.deadline = deadline
        self.tally = Tally()
        self.seen: dict[int, float] = {}
        self.newest = 0
        """The newest transaction that an answer has shown."""
        self.stopping = False
        self.clients: list[Client] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()

    def start(self, count: int, *, pausing: int = 2, seed: int = 1) -> None:
        """Begin to ask: `count` clients without a pause, and `pausing` ones that let their connections be idle."""
        random = Random(seed)
        self.clients = [Client(self, MIXTURES[index % 4 == 3]) for index in range(count)]
        self.clients += [Client(self, MIXTURES[0], pauses=random) for _ in range(pausing)]
        for client in self.clients:
            client.connect()
        self._look()

    async def stop(self) -> None:
        """Ask nothing more; what has been asked is still answered, or hangs."""
        self.stopping = True
        for client in self.clients:
            client.stop()
        self.check_over()
        await self._over.wait()
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*self.tasks)

    def check_over(self) -> None:
        if self.stopping and all(client.transport is None and not client.connecting for client in self.clients):
            self._over.set()

    def judge(self, route: str, status: bytes, body: bytes, floor: int) -> None:
        """Take in an answer to a request that was sent when transaction `floor` had been seen."""
        tally = self.tally
        tally.answered += 1
        if status != b"200":
            tally.failed += 1
            self.note("failed", f"/{route}: {status.decode('latin-1')} {body[:500]!r}")
            return
        span = self.pages[route].get(body)
        if span is None:
            tally.mixed += 1
            self.note("mixed", f"/{route}: no transaction explains {body[:500]!r}")
        elif span.last < floor:
            tally.stale += 1
            self.note("stale", f"/{route}: {body[:500]!r} was right up to {span.last}, and {floor} had been seen")
        elif span.first > self.newest:
            self.newest = span.first
            if route in FAST:
                self.seen[span.first] = monotonic()
        elif route in FAST and span.first not in self.seen:
            self.seen[span.first] = monotonic()

    def fail(self, what: str) -> None:
        self.tally.failed += 1
        self.note("failed", what)

    def note(self, kind: str, what: str) -> None:
        """Keep an example of what went wrong, with the transaction that was the newest to be seen."""
        self.tally.note(kind, f"after {self.newest}: {what}")

    def _look(self) -> None:
        now = monotonic()
        for client in self.clients:
            if client.route is not None and now - client.asked > self.deadline:
                self.tally.hung += 1
                self.note("hung", f"/{client.route}: no answer within {self.deadline:g} s")
                client.give_up()
        self._timer = asyncio.get_running_loop().call_later(LOOK, self._look)


class Client(asyncio.Protocol):
    """One connection at a time, one request at a time."""

    def __init__(self, load: Load, routes: Sequence[str], *, pauses: Random | None = None) -> None:
        self.load = load
        self.routes = routes
        self.pauses = pauses
        self.requests = {route: f"GET /{route}/x HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode() for route in routes}
        self.transport: asyncio.Transport | None = None
        self.connecting = False
        self.route: str | None = None
        """What has been asked for and not been answered yet."""
        self.asked = 0.0
        self._turn = 0
        self._floor = 0
        self._buffer = b""
        self._leaving = False
        self._timer: asyncio.TimerHandle | None = None

    # --- connections

    def connect(self) -> None:
        self.connecting = True
        task = asyncio.get_running_loop().create_task(self._connect())
        self.load.tasks.add(task)
        task.add_done_callback(self.load.tasks.discard)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        while not self.load.stopping:
            try:
                await loop.create_connection(lambda: self, HOST, self.load.port)
            except OSError as error:
                self.load.fail(f"no connection: {error}")
                await asyncio.sleep(AGAIN)
            else:
                break
        self.connecting = False
        self.load.check_over()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not a check: uvloop's transports are none of asyncio's.
        self.transport = cast("asyncio.Transport", transport)
        self._buffer, self._leaving = b"", False
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        route, self.route = self.route, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if route is not None and self._buffer:
            self.load.fail(f"/{route}: the connection ended within the answer, after {self._buffer[:200]!r}")
        elif not self._leaving and not (self.load.stopping and route is None):
            self.load.tally.closed_idle += 1
            self.load.note(
                "closed idle", f"the connection ended {f'after asking for /{route}' if route else 'while idle'}: {exc}"
            )
        if self.load.stopping:
            self.load.check_over()
        else:
            self.connect()

    def give_up(self) -> None:
        """The request has taken too long: it is counted already."""
        self.route, self._leaving = None, True
        if self.transport is not None:
            self.transport.abort()

    def stop(self) -> None:
        if self.route is None and self.transport is not None:
            self.transport.close()

    # --- requests

    def _ask(self) -> None:
        self._timer = None
        transport = self.transport
        if transport is None:
            return
        if self.load.stopping:
            transport.close()
            return
        self.route = route = self.routes[self._turn % len(self.routes)]
        self._turn += 1
        self._floor = self.load.newest
        self.asked = monotonic()
        transport.write(self.requests[route])

    def data_received(self, data: bytes) -> None:
        route = self.route
        if route is None:
            if not self._leaving:
                self.load.fail(f"bytes that nobody has asked for: {data[:200]!r}")
            return
        self._buffer = buffer = self._buffer + data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        at = buffer.find(b"Content-Length: ", 0, end)
        if not buffer.startswith(b"HTTP/1.1 ") or at < 0:
            self.load.fail(f"/{route}: no answer that can be read: {buffer[:500]!r}")
            self.give_up()
            return
        length = int(buffer[at + 16 : buffer.find(b"\r", at)])
        body = buffer[end + 4 :]
        if len(body) < length:
            return
        self.route, self._buffer = None, b""
        self.load.judge(route, buffer[9:12], body[:length], self._floor)
        if len(body) > length:
            self.load.fail(f"/{route}: more than the answer: {body[length : length + 200]!r}")
            self.give_up()
        elif b"\r\nConnection: close" in buffer[:end]:
            self.load.tally.sent_away += 1
            self.load.note("sent away", f"/{route}: sent away by {buffer[:end]!r}")
            self._leaving = True
        elif self.pauses is None or self.load.stopping:
            self._ask()
        else:
            self._timer = asyncio.get_running_loop().call_later(self.pauses.uniform(0, PAUSE), self._ask)
