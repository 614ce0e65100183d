"""A client that asks one daemon all the time, at a modest speed, and notes what is not as it should be."""

from __future__ import annotations

import asyncio
import contextlib
from time import monotonic
from typing import Self

from benchmarks.mongod import HOST

INTERVAL = 0.05
"""Seconds between an answer and the next question."""

DEADLINE = 30.0
"""Seconds that an answer may take, also of a daemon that is paused meanwhile."""


class Asker:
    """Asks while `async with` lasts. `turn` is what the last answer said, `slowest` how long one took, in seconds.

    `failures` are sentences: an answer that is not 200 or not whole, and one that is older than the one before.
    """

    def __init__(self, port: int, *, interval: float = INTERVAL) -> None:
        self.port = port
        self.turn = 0
        self.answered = 0
        self.slowest = 0.0
        self.failures: list[str] = []
        self._interval = interval
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def until(self, turn: int, *, within: float) -> None:
        """Wait until an answer is as new as this; TimeoutError after so many seconds."""
        async with asyncio.timeout(within):
            while self.turn < turn:
                self._news.clear()
                await self._news.wait()

    async def _run(self) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection(HOST, self.port)
                try:
                    while True:
                        await self._ask(reader, writer)
                        await asyncio.sleep(self._interval)
                finally:
                    writer.close()
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                await asyncio.sleep(self._interval)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        since = monotonic()
        async with asyncio.timeout(DEADLINE):
            writer.write(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.lower().partition("content-length: ")[2].partition("\r")[0])
            body = (await reader.readexactly(length)).decode()
        self.slowest = max(self.slowest, monotonic() - since)
        status = head.split(" ", 2)[1]
        if status != "200":
            self.failures.append(f"{status} {body}")
            return
        self.answered += 1
        if int(body) < self.turn:
            self.failures.append(f"{body} after {self.turn}")
        self.turn = int(body)
        self._news.set()
