"""SQLite behind the `sql` node: a pool of connections, and one transaction for each process.

The problem. `sqlite3` blocks, so it runs in worker threads; a thread cannot be cancelled, and a connection that a thread
is using belongs to nobody else.

The choice. A process that asks gets a connection of its own from a pool of at most eight, and one transaction on it,
whichever node asks: two nodes with the same source share them, so a process never waits for a lock that it holds
itself. Whoever is cancelled interrupts his statement and waits for the thread to let go, which takes milliseconds;
only then does anybody go on. The transaction ends, and the connection goes back to the pool, when the process is settled.

A database in memory lives as long as its connection, so there is one, which processes use in turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

from engine.errors import ErrorValue, UnavailableError
from engine.flow import Process
from nodes.data.connection import Connection
from nodes.data.source import Source
from nodes.data.statement import Statement

T = TypeVar("T")

CONNECTIONS: Final = 8
"""Connections of one database, and so processes that have a transaction on it at one time."""

_STOP_AGAIN: Final = 0.02
"""Seconds between two attempts to interrupt a call."""


class Database:
    """The connections to one source, and the threads that use them. It is shared by all nodes with that source."""

    def __init__(self, source: Source) -> None:
        count = 1 if source.memory else CONNECTIONS
        self._source = source
        self._idle: list[Connection] = []
        self._all: list[Connection] = []
        self._free = asyncio.Semaphore(count)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="sqlite")
        self._calls: set[asyncio.Future[Any]] = set()
        self._closed = False

    def transaction(self, process: Process) -> Transaction:
        """The transaction of this process, which begins with its first statement. A forked child has its own."""
        key = (self, id(process))
        found: Transaction | None = process.get(key)
        if found is None:
            found = Transaction(self, process)
            process.set(key, found)
            process.on_settle(found.end)
            process.on_exit(found.abandon)
        return found

    def forget(self, process: Process) -> None:
        """The process's transaction is over; another one may begin."""
        process.remove((self, id(process)))

    async def acquire(self, timeout: float) -> Connection:
        """A connection that nobody else uses. Raises UnavailableError when none is given back within `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._free.acquire()
        except TimeoutError:
            raise UnavailableError(
                "no connection is free", hint="processes that use the database last longer than `timeout`"
            ) from None
        if self._idle:
            return self._idle.pop()
        connection = Connection(self._source)
        self._all.append(connection)
        return connection

    def release(self, connection: Connection) -> None:
        """Give a connection back, its transaction ended."""
        self._idle.append(connection)
        self._free.release()

    async def call(self, function: Callable[[], T], *, stop: Callable[[], None] | None = None) -> T:
        """Call a function in a worker thread.

        When the caller is cancelled, `stop` is called until the function returns; without it, or in any case, the
        caller goes on only when the thread is done.
        """
        if self._closed:
            raise UnavailableError("the database has been closed")
        future = asyncio.get_running_loop().run_in_executor(self._threads, function)
        self._calls.add(future)
        future.add_done_callback(self._calls.discard)
        cancelled: asyncio.CancelledError | None = None
        while not future.done():
            try:
                await asyncio.wait(
                    {future}, timeout=_STOP_AGAIN if cancelled is not None and stop is not None else None
                )
            except asyncio.CancelledError as error:
                cancelled = error
            if cancelled is not None and stop is not None:
                stop()
        if cancelled is not None:
            future.exception()  # there is nobody left to hear of it
            raise cancelled
        return future.result()

    async def close(self) -> None:
        """Close all connections and end the threads; what still runs is interrupted, what is not committed undone."""
        while self._calls:
            for connection in self._all:
                connection.stop()
            await asyncio.wait(self._calls, timeout=_STOP_AGAIN)
        for connection in self._all:
            await self.call(connection.close)
        self._closed = True
        self._threads.shutdown()  # idle threads: this takes no time


class Transaction:
    """What one process does to one database. Its statements run one after another."""

    def __init__(self, database: Database, process: Process) -> None:
        self._database = database
        self._process = process
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()
        self._timeout = 0.0

    async def run(self, statement: Statement, *, begin: str, timeout: float) -> list[dict[str, Any]]:
        """The rows of a statement. Cancelling the caller interrupts it; the transaction is then good for a rollback only."""
        async with self._turn:
            self._timeout = timeout
            if self._connection is None:
                self._connection = await self._database.acquire(timeout)
            connection = self._connection
            run = partial(connection.run, statement, begin=begin, timeout=timeout)
            return await self._database.call(run, stop=connection.stop)

    async def end(self, error: ErrorValue | None) -> None:
        """Commit at a clean end, roll back otherwise, and give the connection back. Raises where the commit fails."""
        async with self._turn:
            connection, self._connection = self._connection, None
            self._database.forget(self._process)
            if connection is None:
                return
            finish = connection.rollback if error is not None else partial(connection.commit, timeout=self._timeout)
            try:
                await self._database.call(finish)
            finally:
                self._database.release(connection)

    def abandon(self, error: ErrorValue | None) -> Any:
        """Undo what nobody has ended: the process is over."""
        if self._connection is None:
            return None
        return self.end(error or ErrorValue("the process has ended"))
