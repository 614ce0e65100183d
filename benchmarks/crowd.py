"""Many clients that ask at the same time and wait, in a process of their own.

    python -m benchmarks.crowd PORT COUNT PATH

It opens so many connections, asks for `/ping` once on each, and says so. At a line on its standard input it asks for the
path on all of them, and tells when the answers came. What it says is JSON, a line at a time.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from time import perf_counter
from typing import Any, cast

HOST = "127.0.0.1"
OPENING = 200
"""Connections that are being opened at one time; the system's queue of those that nobody has accepted yet is finite."""
SPARE = 200
"""Files that a process has open beside its connections."""


class Client(asyncio.Protocol):
    """One connection. An answer has its status in the first line, and comes in one piece: it is short."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[tuple[bool, float]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own are of no class that could be asked for

    def data_received(self, data: bytes) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_result((data.startswith(b"HTTP/1.1 200"), perf_counter()))

    def connection_lost(self, _error: Exception | None) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_result((False, perf_counter()))

    def ask(self, path: str) -> asyncio.Future[tuple[bool, float]]:
        """Send a request; whether the answer is 200, and when it came."""
        self.answer = asyncio.get_running_loop().create_future()
        assert self.transport is not None
        self.transport.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        return self.answer


def files() -> int:
    """Raise the limit of open files as far as one may; how many connections that allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return (sys.maxsize if hard == resource.RLIM_INFINITY else hard) - SPARE


async def come(port: int, count: int, path: str) -> None:
    """Open, wait for the word, ask, and tell."""
    loop = asyncio.get_running_loop()
    clients: list[Client] = []
    for first in range(0, count, OPENING):
        opened = await asyncio.gather(
            *(loop.create_connection(Client, HOST, port) for _ in range(min(OPENING, count - first)))
        )
        fresh = [client for _, client in opened]
        if not all(good for good, _ in await asyncio.gather(*(client.ask("/ping") for client in fresh))):
            raise SystemExit("a connection was refused or ended")
        clients += fresh
    tell(connected=len(clients))
    await loop.run_in_executor(None, sys.stdin.readline)
    began = perf_counter()
    answers = await asyncio.gather(*(client.ask(path) for client in clients))
    times = [when - began for _, when in answers]
    tell(good=sum(good for good, _ in answers), first=min(times), last=max(times))


def tell(**words: Any) -> None:
    print(json.dumps(words), flush=True)


if __name__ == "__main__":
    import uvloop

    files()
    uvloop.run(come(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
