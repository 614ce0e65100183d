"""Sees what any process commits to the file, and tells the event loop.

SQLite has no way to be told of another process's commit, but `PRAGMA data_version` says whether there was one, for a few
microseconds and without touching the disk. A thread asks every :data:`INTERVAL`; a commit of this process wakes it at
once. Only then does it read, from an append-only table, and in one read transaction: an `apply` is seen whole or not at all.

A look costs some 5 microseconds of work; waking a thread 40 times a second costs more than that, so the interval is as
long as "within 50 ms" allows. (After the last feed has ended, SQLite may hold on to one descriptor of the file until the
store is closed: closing it would drop the locks of the store's own connection. The next feed takes it up.)
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from time import monotonic
from typing import Final

from engine.errors import UnavailableError
from engine.store.change import Batch, Change, LogEntry, Resync
from engine.store.sqlite import tables
from engine.store.sqlite.file import Connection, connect, explain, missing
from engine.store.watch import BACKLOG

INTERVAL: Final = 0.025
"""Seconds between two looks at the file."""

RETRY: Final = 0.25
"""Seconds between two attempts to reach a store that is away."""


class Feed:
    """A thread with a connection of its own.

    It begins after `revision` of the file with this `identity`, and calls (in its own thread) `tell` with every batch, in
    order, or with a Resync when changes may be missing: after the store was away, was replaced, or had forgotten what was
    not read yet. `lost` hears why the store cannot be reached, once; a Resync says that it is back. `show` makes of an
    entry what a watch shows.
    """

    def __init__(
        self,
        path: Path,
        *,
        identity: str,
        revision: int,
        tell: Callable[[Batch | Resync], None],
        lost: Callable[[UnavailableError], None],
        show: Callable[[LogEntry], Change],
    ) -> None:
        self._path = path
        self._show = show
        self._identity = identity
        self._position = revision
        self.heard = monotonic()
        """When the file was last looked at."""
        self._tell = tell
        self._lost = lost
        self._signal = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"weir-feed {path.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Look now."""
        self._signal.set()

    def stop(self) -> None:
        """Ask the thread to end; :meth:`join` waits for it."""
        self._stopping = True
        self._signal.set()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        connection: Connection | None = None
        version = -1
        away: UnavailableError | None = None
        try:
            while not self._stopping:
                try:
                    if connection is None:
                        connection = connect(self._path)
                        version = -1
                    version = self._look(connection, version, away)
                    away = None
                    self.heard = monotonic()
                except Exception as error:  # a watch that silently ended would be worse than any of them
                    if connection is not None:
                        connection.close()
                        connection = None
                    if away is None:
                        away = self._describe(error)
                        self._lost(away)
                self._signal.wait(INTERVAL if away is None else RETRY)
                self._signal.clear()
        finally:
            if connection is not None:
                connection.close()

    def _describe(self, error: Exception) -> UnavailableError:
        if isinstance(error, sqlite3.Error):
            return explain(error, self._path)
        if isinstance(error, UnavailableError):
            return error
        return UnavailableError(f"the store {self._path} holds a change that cannot be read", causes=(error,))

    def _look(self, connection: Connection, version: int, away: UnavailableError | None) -> int:
        """Tell what is new since `version`, the last that was seen; the version now."""
        if connection.stale:
            raise missing(self._path)
        raw = connection.raw
        now: int = raw.execute("PRAGMA data_version").fetchone()[0]
        if now == version and away is None:
            return now
        raw.execute("BEGIN")
        try:
            self._read(raw, away)
        finally:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
        return now

    def _read(self, raw: sqlite3.Connection, away: UnavailableError | None) -> None:
        identity, revision, floor = tables.state(raw)
        reason = None
        if identity != self._identity:
            reason = f"another store was put in the place of {self._path}"
        elif away is not None:
            reason = f"the store is back; before, {away}"
        elif revision < self._position:
            reason = f"the store {self._path} has gone back from revision {self._position} to {revision}"
        elif floor > self._position:
            reason = f"changes up to revision {floor} are not kept any more"
        elif revision - self._position > BACKLOG:
            reason = f"{revision - self._position:,} changes were not read yet"
        if reason is not None:
            self._identity, self._position = identity, revision
            self._tell(Resync(reason))
            return
        for batch in self._batches(raw, self._position):
            self._tell(batch)
            self._position = batch.revision

    def _batches(self, raw: sqlite3.Connection, revision: int) -> Iterator[Batch]:
        for _, entries in groupby(tables.changes_after(raw, revision), key=attrgetter("batch")):
            changes = tuple(map(self._show, entries))
            yield Batch(changes[-1].revision, changes)
