"""One connection to an SQLite database, as its worker thread uses it.

Everything here blocks and belongs to worker threads, except what stands under "in the event loop's thread". A connection
is given to one process at a time, and its calls come one after another.

SQLite's own waiting for a lock cannot be interrupted, so it is told not to wait, and the waiting is done here.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from time import monotonic, perf_counter, thread_time
from typing import Any, Final, TypeVar

from engine.errors import Code, InvalidError, UnavailableError, WeirError
from nodes.data.source import Source
from nodes.data.statement import Statement

T = TypeVar("T")

_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_NOT_NOW: Final = _BUSY | {sqlite3.SQLITE_INTERRUPT}
_UNAVAILABLE: Final = _BUSY | {
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}
IMMEDIATE: Final = "BEGIN IMMEDIATE"
"""Begins a transaction that has the lock for writing."""

_PAUSES: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
_STEPS: Final = 500
"""Steps of SQLite's machine between two looks at the clock: some ten microseconds."""
_LOST: Final = "the database has rolled the transaction back"


class Connection:
    """A connection that is opened at its first use. `to_write` tells that it is for those who begin with a write."""

    def __init__(self, source: Source, *, to_write: bool = False) -> None:
        self.to_write = to_write
        self._source = source
        self._sqlite: sqlite3.Connection | None = None
        self._stopped = threading.Event()
        self._began = False

    # --- in the event loop's thread

    @property
    def has_begun(self) -> bool:
        """Whether a transaction is open, while no call is under way."""
        return self._began

    def stop(self) -> None:
        """Interrupt what runs now. Call it again until the call has returned: what begins just then goes unnoticed."""
        self._stopped.set()
        sqlite = self._sqlite
        if sqlite is not None:
            sqlite.interrupt()

    def try_now(self, statement: Statement, *, begin: str, budget: float) -> list[dict[str, Any]] | None:
        """Run a statement here and now, as :meth:`run` does, if that takes no longer than `budget` seconds.

        None, and nothing has happened, where it takes longer, or the connection is not open or the database is locked.
        """
        sqlite = self._sqlite
        is_first = not self._began
        # An interrupted write takes its transaction with it, which is nothing only where it is the first statement.
        if sqlite is None or statement.many is not None or not (statement.reads or is_first):
            return None
        try:
            if is_first:
                sqlite.execute(begin)
                self._began = True
            elif not sqlite.in_transaction:
                return None
            until = perf_counter() + budget
            sqlite.set_progress_handler(lambda: perf_counter() > until, _STEPS)
            try:
                return _fetch(sqlite, statement)
            finally:
                sqlite.set_progress_handler(None, 0)
        except (sqlite3.Error, sqlite3.Warning) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_NOW:
                if is_first:
                    self.rollback()
                return None
            raise _translated(error) from error
        except (OverflowError, UnicodeEncodeError) as error:
            raise _unfit(error) from error

    def end_reading(self) -> None:
        """End a transaction that has written nothing, while no call is under way: nothing is to be written down."""
        self.rollback()

    # --- in a worker thread

    def run(self, statement: Statement, *, begin: str, timeout: float) -> list[dict[str, Any]]:
        """Run a statement in the transaction, which begins now if it has not; the rows, an empty list for none.

        A statement that fails leaves the transaction as it was before. Raises InvalidError for what the database
        refuses, UnavailableError where it is locked for longer than `timeout` seconds, full, read-only or broken.
        """
        self._stopped.clear()
        try:
            sqlite = self._opened(timeout)
            if not self._began:
                self._patient(lambda: sqlite.execute(begin), timeout)
                self._began = True
            elif not sqlite.in_transaction:
                raise UnavailableError(_LOST, hint="the process has to end; a new one may try again")
            if statement.many is not None:
                return self._run_many(sqlite, statement, timeout)
            return self._patient(lambda: _fetch(sqlite, statement), timeout)
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise _translated(error) from error
        except (OverflowError, UnicodeEncodeError) as error:
            raise _unfit(error) from error

    def run_timed(self, statement: Statement, *, begin: str, timeout: float) -> tuple[list[dict[str, Any]], float]:
        """:meth:`run`, and the seconds of a processor that it has taken."""
        began = thread_time()
        rows = self.run(statement, begin=begin, timeout=timeout)
        return rows, thread_time() - began

    def commit(self, *, timeout: float) -> None:
        """End the transaction for good. Where that fails it is rolled back, and the error is raised."""
        sqlite = self._sqlite
        if sqlite is None or not self._began:
            return
        self._stopped.clear()
        try:
            if not sqlite.in_transaction:
                raise UnavailableError(_LOST)
            self._patient(lambda: sqlite.execute("COMMIT"), timeout)
        except (sqlite3.Error, sqlite3.Warning) as error:
            self.rollback()
            raise _translated(error) from error
        except WeirError:
            self.rollback()
            raise
        finally:
            self._began = False

    def rollback(self) -> None:
        """Undo the transaction."""
        self._began = False
        sqlite = self._sqlite
        if sqlite is None or not sqlite.in_transaction:
            return
        try:
            sqlite.execute("ROLLBACK")
        except sqlite3.Error as error:
            # Closing undoes it as well; the next user opens a new connection.
            self.close()
            raise _translated(error) from error

    def close(self) -> None:
        """Close; an open transaction is undone. The next use opens the connection again."""
        sqlite, self._sqlite = self._sqlite, None
        self._began = False
        if sqlite is not None:
            sqlite.close()

    def _opened(self, timeout: float) -> sqlite3.Connection:
        if self._sqlite is not None:
            return self._sqlite
        sqlite = sqlite3.connect(self._source.uri, uri=True, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._patient(lambda: _prepare(sqlite), timeout)
        except BaseException:
            sqlite.close()
            raise
        self._sqlite = sqlite
        return sqlite

    def _run_many(self, sqlite: sqlite3.Connection, statement: Statement, timeout: float) -> list[dict[str, Any]]:
        """All or nothing, as one statement is by itself."""

        def run() -> None:
            sqlite.execute("SAVEPOINT bulk")
            try:
                sqlite.executemany(statement.sql, statement.many or ())
            except BaseException:
                if sqlite.in_transaction:
                    sqlite.execute("ROLLBACK TO bulk")
                    sqlite.execute("RELEASE bulk")
                raise
            sqlite.execute("RELEASE bulk")

        self._patient(run, timeout)
        return []

    def _patient(self, call: Callable[[], T], timeout: float) -> T:
        """Call again while the database is locked, until the time is up or somebody says stop."""
        until = monotonic() + timeout
        attempt = 0
        while True:
            if self._stopped.is_set():
                raise WeirError(Code.CANCELLED.title, code=Code.CANCELLED)
            try:
                return call()
            except sqlite3.OperationalError as error:
                # With a snapshot that others have written past, waiting does not help.
                stale = error.sqlite_errorcode == sqlite3.SQLITE_BUSY_SNAPSHOT
                if error.sqlite_errorcode & 0xFF not in _BUSY or stale or monotonic() >= until:
                    raise
            pause = _PAUSES[min(attempt, len(_PAUSES) - 1)]
            self._stopped.wait(min(pause, max(0.0, until - monotonic())))
            attempt += 1


def _prepare(sqlite: sqlite3.Connection) -> None:
    try:
        # Readers and one writer do not wait for each other. It stays set in the file.
        sqlite.execute("PRAGMA journal_mode = WAL").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
            raise  # a file that may only be read keeps the mode that it has


def _fetch(sqlite: sqlite3.Connection, statement: Statement) -> list[dict[str, Any]]:
    cursor = sqlite.execute(statement.sql, statement.parameters)
    try:
        if cursor.description is None:
            return []
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]
    finally:
        cursor.close()


def _unfit(error: Exception) -> InvalidError:
    return InvalidError(f"a parameter cannot be stored: {type(error).__name__}")


def _translated(error: sqlite3.Error | sqlite3.Warning) -> WeirError:
    """The database's error as one of ours, with its message, which never holds the value of a parameter."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_INTERRUPT:
        return WeirError(Code.CANCELLED.title, code=Code.CANCELLED)
    if code in _BUSY:
        hint = "another process has been writing for longer than `timeout`, or has written what this one read before"
        return UnavailableError(str(error), hint=hint)
    if code == sqlite3.SQLITE_CANTOPEN:
        return UnavailableError(str(error), hint="does the folder exist, and may the daemon write there?")
    if code in _UNAVAILABLE:
        return UnavailableError(str(error))
    if isinstance(error, sqlite3.IntegrityError):
        return WeirError(str(error), code=Code.CONFLICT)
    # A wrong statement is a mistake of the flow, like a wrong expression; who sent the request cannot mend it.
    return WeirError(str(error), code=Code.EXPRESSION)
