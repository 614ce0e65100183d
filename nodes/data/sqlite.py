"""SQLite behind the `sql` node: a pool of connections, and one transaction for each process.

The problem. `sqlite3` blocks, so it runs in worker threads; a thread cannot be cancelled, and a connection that a thread
is using belongs to nobody else.

The choice. A process that asks gets a connection of its own from a pool, and one transaction on it, whichever node asks:
two nodes with the same source share them, so a process never waits for a lock that it holds itself. Whoever is cancelled
interrupts his statement and waits for the thread to let go, which takes milliseconds; only then does anybody go on. The
transaction ends, and the connection goes back to the pool, when the process is settled.

What is known to be short (:mod:`nodes.data.pace`) runs in the event loop, within a budget that SQLite itself watches; a
commit never does, as it waits for the disk. What has only read has nothing to commit, and ends at once.

Whoever writes waits for his turn here, in order, before SQLite is asked: a lock of SQLite can only be polled. Those whose
turn it is share one thread, and the turn is the next one's as soon as a commit is in the queue of that thread: what he
writes is in line behind it. So nobody who reads can keep a commit waiting. Nobody may wait for his turn who could have
SQLite's lock already, as whoever has the turn waits for that: what begins with the lock needs the turn first, and who ran a
statement of which nobody knows whether it writes asks SQLite from then on.

A database in memory lives as long as its connection, so there is one, which processes use in turn; that is their turn to
write as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter
from typing import Any, Final, TypeVar

from engine.errors import ErrorValue, UnavailableError
from engine.flow import Process
from nodes.data.connection import IMMEDIATE, Connection
from nodes.data.pace import BUDGET, Pace
from nodes.data.source import Source
from nodes.data.statement import Statement
from nodes.data.threads import Threads
from nodes.data.turns import Turns

T = TypeVar("T")

CONNECTIONS: Final = 32
"""Connections of one database, and so processes that have a transaction on it at one time. Who writes first needs none of
them."""

THREADS: Final = 8
"""Statements of one database that last at one time; whoever has the turn to write has a thread besides."""

_STOP_AGAIN: Final = 0.02
"""Seconds between two attempts to interrupt what runs when a database is closed."""

_LOCKED_HINT: Final = "another process has been writing for longer than `timeout`"


class Database:
    """The connections to one source, and the threads that use them. It is shared by all nodes with that source."""

    def __init__(self, source: Source) -> None:
        count = 1 if source.memory else CONNECTIONS
        self._source = source
        self._idle: list[Connection] = []
        self._all: list[Connection] = []
        self.pace = Pace()
        self._turns = Turns(count)
        self._threads = Threads(min(count, THREADS), name="sqlite")
        self._writing = Turns(1)
        self._writer = Threads(1, name="sqlite-writer")
        """The thread of those whose turn it is to write."""
        self._writers: list[Connection] = []
        """Connections for those who begin with a write. One writes while that of the one before commits: seldom more than
        two."""
        self.is_closed = False

    @property
    def is_busy(self) -> bool:
        """Whether a call is under way."""
        return self._threads.busy or self._writer.busy

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

    async def acquire(self, timeout: float, *, to_write: bool) -> Connection:
        """A connection that nobody else uses; `to_write` by whose turn it is.

        Raises UnavailableError when none is given back within `timeout` seconds.
        """
        if to_write:
            # He must not wait for those who have a connection and wait for him.
            return self._writers.pop() if self._writers else self._new(to_write=True)
        try:
            await self._turns.wait(timeout)
        except TimeoutError:
            raise UnavailableError(
                "no connection is free", hint="processes that use the database last longer than `timeout`"
            ) from None
        if self._idle:
            return self._idle.pop()
        return self._new(to_write=False)

    def acquire_now(self) -> Connection | None:
        """A connection that is open and that nobody else uses, if there is one."""
        return self._idle.pop() if self._idle and not self.is_closed and self._turns.take() else None

    def acquire_to_write_now(self) -> Connection | None:
        """The turn to write and a connection that is open, if nobody else writes or commits."""
        if self.is_closed or self._writer.busy or not self._writers or not self._writing.take():
            return None
        return self._writers.pop()

    def release(self, connection: Connection) -> None:
        """Give a connection back, its transaction ended."""
        if connection.to_write:
            self._writers.append(connection)
            return
        self._idle.append(connection)
        self._turns.give_back()

    def _new(self, *, to_write: bool) -> Connection:
        connection = Connection(self._source, to_write=to_write)
        self._all.append(connection)
        return connection

    @property
    def has_turns_to_write(self) -> bool:
        """Whether there are turns to write. Who has the only connection to a database in memory needs none."""
        return not self._source.memory

    async def begin_to_write(self, timeout: float) -> None:
        """Wait for one's turn to write. Raises UnavailableError when it does not come within `timeout` seconds."""
        try:
            await self._writing.wait(timeout)
        except TimeoutError:
            raise UnavailableError("database is locked", hint=_LOCKED_HINT) from None

    def end_writing(self) -> None:
        """It is the next one's turn."""
        self._writing.give_back()

    def call(self, function: Callable[[], T], *, in_turn: bool, stop: Callable[[], None] | None = None) -> Awaitable[T]:
        """Call a function of a connection in a thread: see :meth:`~nodes.data.threads.Threads.call`.

        `in_turn` by whose turn it is to write: his calls are made in order, behind those of the one before.

        When the caller is cancelled, `stop` is called until the function returns; with or without it, the caller goes on
        only when the thread is done. What can be stopped and has not begun is not called at all.
        """
        if self.is_closed:
            raise UnavailableError("the database has been closed")
        return (self._writer if in_turn else self._threads).call(function, stop=stop)

    async def close(self) -> None:
        """Close all connections and end the threads; what still runs is interrupted, what is not committed undone.

        Whoever asks from now on is refused: to end a thread that somebody has just begun to use would hold the event loop.
        """
        self.is_closed = True
        while self.is_busy:
            for connection in self._all:
                connection.stop()
            await asyncio.sleep(_STOP_AGAIN)
        for connection in self._all:
            await self._threads.call(connection.close)
        for threads in (self._threads, self._writer):
            threads.close()  # they are idle: this takes no time


class Transaction:
    """What one process does to one database. Its statements run one after another."""

    def __init__(self, database: Database, process: Process) -> None:
        self._database = database
        self._process = process
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()
        self._timeout = 0.0
        self._may_write = False
        """Whether it has the turn to write."""
        self._may_have_lock = False
        """Whether it may have SQLite's lock for writing without that turn."""
        self._only_reads = True

    def try_now(self, statement: Statement, *, begin: str, timeout: float) -> list[dict[str, Any]] | None:
        """The rows of a statement that is known to be short; None, and nothing has happened, where it has to wait.

        `timeout` is for the commit.
        """
        database = self._database
        if self._turn.locked() or not database.pace.is_short(statement.sql) or statement.is_large or database.is_closed:
            return None
        known = connection = self._connection
        needs_turn = self._needs_turn(statement, begin)
        if known is not None:
            if needs_turn:
                return None
        elif needs_turn:
            connection, begin = database.acquire_to_write_now(), IMMEDIATE
        elif not self._may_write:
            connection = database.acquire_now()
        if connection is None:
            return None
        if known is None:
            self._connection, self._may_write = connection, needs_turn
        before = self._only_reads, self._may_have_lock
        self._timeout = timeout
        self._note(statement)
        since = perf_counter()
        rows = connection.try_now(statement, begin=begin, budget=BUDGET)
        if perf_counter() - since > BUDGET:
            database.pace.forget(statement.sql)
        if rows is None:
            self._only_reads, self._may_have_lock = before
            if known is None:
                self._let_go()
        return rows

    async def run(self, statement: Statement, *, begin: str, timeout: float) -> list[dict[str, Any]]:
        """The rows of a statement. Cancelling the caller interrupts it; the transaction is then good for a rollback only."""
        async with self._turn:
            self._timeout = timeout
            if self._needs_turn(statement, begin):
                await self._database.begin_to_write(timeout)
                self._may_write = True
            if statement.writes:
                # To begin with a lock spares whoever writes first a view of the data that is old by the time he does.
                begin = IMMEDIATE
            if self._connection is None:
                self._connection = await self._database.acquire(timeout, to_write=self._may_write)
            connection = self._connection
            self._note(statement)
            call = partial(self._database.call, in_turn=self._may_write, stop=connection.stop)
            if self._database.pace.is_short(statement.sql):
                return await call(partial(connection.run, statement, begin=begin, timeout=timeout))
            rows, used = await call(partial(connection.run_timed, statement, begin=begin, timeout=timeout))
            self._database.pace.took(statement.sql, used)
            return rows

    def end(self, error: ErrorValue | None) -> Awaitable[None] | None:
        """Commit at a clean end, roll back otherwise, and give the connection back. Raises where the commit fails."""
        connection = self._connection
        if self._turn.locked() or not (self._only_reads or connection is None or not connection.has_begun):
            return self._end(error)
        self._database.forget(self._process)
        try:
            if connection is not None and not self._database.is_closed:
                connection.end_reading()
        finally:
            self._let_go()
        return None

    def abandon(self, error: ErrorValue | None) -> Awaitable[None] | None:
        """Undo what nobody has ended: the process is over."""
        if self._connection is None and not self._may_write:
            return None
        return self.end(error or ErrorValue("the process has ended"))

    async def _end(self, error: ErrorValue | None) -> None:
        async with self._turn:
            self._database.forget(self._process)
            connection, in_turn = self._connection, self._may_write
            try:
                if connection is not None:
                    finish = connection.rollback if error else partial(connection.commit, timeout=self._timeout)
                    self._end_writing()  # who is next asks in his own task, and so behind the following
                    await self._database.call(finish, in_turn=in_turn)
            finally:
                self._let_go()

    def _needs_turn(self, statement: Statement, begin: str) -> bool:
        """Whether this statement has to wait for the turn to write."""
        if self._may_write or not self._database.has_turns_to_write:
            return False
        if self._connection is None or not self._connection.has_begun:
            return statement.writes or begin == IMMEDIATE
        return statement.writes and not self._may_have_lock

    def _note(self, statement: Statement) -> None:
        """Keep in mind what a statement may do."""
        if not statement.reads:
            self._only_reads = False
        if statement.is_obscure and not self._may_write:
            self._may_have_lock = True

    def _let_go(self) -> None:
        """Give back the turn and the connection, whose transaction is over."""
        self._end_writing()
        connection, self._connection = self._connection, None
        self._only_reads, self._may_have_lock = True, False
        if connection is not None:
            self._database.release(connection)

    def _end_writing(self) -> None:
        if self._may_write:
            self._may_write = False
            self._database.end_writing()
