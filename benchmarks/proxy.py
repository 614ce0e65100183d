"""A network that can be broken: it stands between a store and its server, for tests and benchmarks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.mongod import HOST


class Proxy:
    """A network between a store and its server, which can be cut, or swallow everything that is sent."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self.port = 0
        self.cut_after: bytes | None = None
        """Cut the connection, once, when the answer to a request with these bytes comes."""

    @property
    def url(self) -> str:
        """That of a store on the server behind it."""
        return f"mongodb://{HOST}:{self.port}/weir?directConnection=true"

    async def start(self) -> None:
        """Take connections, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End all connections, and take no new ones."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def swallow(self) -> None:
        """Keep the connections, and let nothing through."""
        self._open.clear()

    def let_through(self) -> None:
        """Deliver what was kept back, and all that comes."""
        self._open.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        marked = asyncio.Event()
        try:
            there, back = await asyncio.open_connection(HOST, self._target)
            self._writers.add(back)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(reader, back, marked, answers=False))
                both.create_task(self._pass(there, writer, marked, answers=True))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            for each in (writer, back):
                each.transport.abort()
                self._writers.discard(each)
            self._tasks.discard(task)

    async def _pass(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, marked: asyncio.Event, *, answers: bool
    ) -> None:
        while data := await source.read(65536):
            await self._open.wait()
            if not answers and self.cut_after is not None and self.cut_after in data:
                self.cut_after = None
                marked.set()
            if answers and marked.is_set():
                break
            target.write(data)
            await target.drain()
        raise ConnectionResetError


@asynccontextmanager
async def proxied(port: int) -> AsyncIterator[Proxy]:
    """A network before the server on this port."""
    proxy = Proxy(port)
    await proxy.start()
    try:
        yield proxy
    finally:
        proxy.let_through()
        await proxy.cut()
