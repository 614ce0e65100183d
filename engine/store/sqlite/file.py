"""The file: opening it, its schema, and every way in which it can be out of reach.

**Durability.** The write-ahead log lets readers and one writer work at the same time. `synchronous=FULL` syncs the log at
each commit: `weir apply` must not say "configured" and have lost it when the power goes. That costs a sync for each
`apply`, however many documents it has, and applies are rare.

**A file that is replaced.** A connection keeps the file that it opened, even when another one stands under its name by
now; it would go on writing to a file that nobody finds. So whoever uses a connection asks :attr:`Connection.stale` first.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from engine.errors import UnavailableError
from engine.store.sqlite.schema import APPLICATION_ID, MIGRATIONS

VERSION: Final = len(MIGRATIONS)
"""The schema that this version of Weir knows."""

BUSY_TIMEOUT: Final = 5.0
"""Seconds to wait for another process that writes."""

_RETRY: Final = 0.01


@dataclass(frozen=True, slots=True)
class Connection:
    """An open file. It belongs to the thread that opened it."""

    raw: sqlite3.Connection
    path: Path
    inode: tuple[int, int]

    @property
    def stale(self) -> bool:
        """Whether the file was removed or replaced since it was opened."""
        return inode_of(self.path) != self.inode

    def close(self) -> None:
        """Let go of the file."""
        # A damaged file can make even this fail; the connection is gone all the same.
        with contextlib.suppress(sqlite3.Error):
            self.raw.close()


def prepare(path: Path) -> None:
    """Make the file, readable by its owner alone, and its directories, if they are missing. Raises UnavailableError."""
    try:
        for directory in reversed([path.parent, *path.parent.parents]):
            if not directory.is_dir():
                directory.mkdir(mode=0o700, exist_ok=True)
        # Only a file that is new is opened here: closing any descriptor of a file takes away this process's locks on it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError as error:
        if not path.parent.is_dir():
            raise UnavailableError(
                f"the store {path} cannot be made: {path.parent} is no directory", hint="choose another path"
            ) from error
    except OSError as error:
        raise UnavailableError(
            f"the store {path} cannot be made: {error.strerror}",
            hint="choose another path, or make its directory writable",
        ) from error


def connect(path: Path, *, busy_timeout: float = BUSY_TIMEOUT) -> Connection:
    """Open a file that is there, and bring its schema up to date. Raises UnavailableError."""
    _check_access(path)
    inode = inode_of(path)
    if inode is None:
        raise missing(path)
    try:
        raw = sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=busy_timeout, isolation_level=None)
    except sqlite3.Error as error:
        raise explain(error, path) from error
    connection = Connection(raw, path, inode)
    try:
        _configure(connection, busy_timeout)
    except sqlite3.Error as error:
        connection.close()
        raise explain(error, path) from error
    except BaseException:
        connection.close()
        raise
    return connection


def missing(path: Path) -> UnavailableError:
    """The error for a file that is not there (any more)."""
    return UnavailableError(
        f"the store {path} is not there any more",
        hint="put the file back, or restart to begin with an empty store",
    )


def explain(error: sqlite3.Error, path: Path) -> UnavailableError:
    """What SQLite says, in words that help."""
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    said, hint = _WORDS.get(primary, ("failed", "look at the file and its disk"))
    return UnavailableError(f"the store {path} {said}", hint=hint, causes=(error,) if primary not in _WORDS else ())


def is_passing(error: sqlite3.Error) -> bool:
    """Whether the connection is sound all the same: another process held the lock, or the disk was full."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL)


_WORDS: Final = {
    sqlite3.SQLITE_BUSY: (
        "is locked by another process",
        "try again; `fuser FILE` shows who has it open",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened",
        "check that the file and its directory may be read and written",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "is damaged",
        "restore a backup, or save what can be read with `sqlite3 FILE .recover`",
    ),
    sqlite3.SQLITE_FULL: ("has no room: the disk is full", "free some space; nothing of this write was stored"),
    sqlite3.SQLITE_IOERR: ("cannot be read or written: the disk reports an error", "check the disk and its mount"),
    sqlite3.SQLITE_NOTADB: ("is no store: the file is not a SQLite database", "choose another path, or move the file"),
    sqlite3.SQLITE_PERM: ("may not be used", "check the permissions of the file"),
    sqlite3.SQLITE_READONLY: ("is read-only", "make the file and its directory writable"),
}
"""By primary result code: what is wrong with the store, and what to do."""


def inode_of(path: Path) -> tuple[int, int] | None:
    """What tells this file from another of the same name; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path's own would cost twice as much, and the feed asks all the time
    except OSError:
        return None
    return found.st_dev, found.st_ino


def check_readable(path: Path) -> None:
    """Raise UnavailableError for what is no file or cannot be read: SQLite would only say "unable to open database file"."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise missing(path) from error
    except OSError as error:
        raise UnavailableError(
            f"the store {path} cannot be reached: {error.strerror}", hint="check the path and its permissions"
        ) from error
    if stat.S_ISDIR(mode):
        raise UnavailableError(f"the store {path} is a directory", hint="give the path of a file in it")
    if not stat.S_ISREG(mode):
        raise UnavailableError(f"the store {path} is no regular file", hint="choose another path")
    if not may(path, os.R_OK):
        raise UnavailableError(f"the store {path} may not be read", hint="check the permissions of the file")


def _check_access(path: Path) -> None:
    """Raise as :func:`check_readable`, and for what cannot be written."""
    check_readable(path)
    if not may(path, os.W_OK):
        raise UnavailableError(f"the store {path} is read-only", hint="make the file writable for this user")
    if not may(path.parent, os.W_OK | os.X_OK):
        raise UnavailableError(
            f"the store {path} cannot be written: its directory is read-only",
            hint="make the directory writable for this user: the write-ahead log stands beside the file",
        )


def may(path: Path, mode: int) -> bool:
    """Whether this process has these rights (`os.R_OK`, …)."""
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _configure(connection: Connection, busy_timeout: float) -> None:
    raw = connection.raw
    raw.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten, on whatever SQLite this is
    raw.execute("BEGIN")  # the marks are read as of one moment: another process may be writing them
    version = schema_version(connection)
    raw.execute("COMMIT")
    if version < VERSION:
        _use_log(connection, busy_timeout)
        _migrate(connection)
    elif raw.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        _use_log(connection, busy_timeout)
    raw.execute("PRAGMA synchronous = FULL")
    raw.execute("PRAGMA foreign_keys = ON")
    raw.execute("PRAGMA trusted_schema = OFF")
    raw.execute("PRAGMA journal_size_limit = 16777216")  # bytes; what one huge apply made the log is given back


def schema_version(connection: Connection) -> int:
    """The version of the schema, 0 for an empty file. Raises UnavailableError for a file that is not ours to use.

    To be called in a transaction.
    """
    raw, path = connection.raw, connection.path
    application = raw.execute("PRAGMA application_id").fetchone()[0]
    version: int = raw.execute("PRAGMA user_version").fetchone()[0]
    if application == 0 and version == 0 and raw.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        return 0
    if application != APPLICATION_ID:
        raise UnavailableError(
            f"the store {path} is a SQLite database of another program", hint="choose another path for the store"
        )
    if version > VERSION:
        raise UnavailableError(
            f"the store {path} was written by a newer Weir: its schema is {version}, this one knows up to {VERSION}",
            hint="use that version of Weir, or another store",
        )
    return version


def _use_log(connection: Connection, busy_timeout: float) -> None:
    """Switch to write-ahead logging. SQLite does not wait for a lock here, so this does."""
    deadline = time.monotonic() + busy_timeout
    while True:
        try:
            mode = connection.raw.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if not is_passing(error) or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY)
            continue
        if mode == "wal":
            return
        raise UnavailableError(
            f"the store {connection.path} cannot have a write-ahead log where it is",
            hint="put it on a local disk: network file systems cannot share one",
        )


def _migrate(connection: Connection) -> None:
    """Run the migrations that are missing, all or none."""
    raw = connection.raw
    raw.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been faster while this one waited for the lock.
        for script in MIGRATIONS[schema_version(connection) :]:
            for statement in script:
                raw.execute(statement)
        raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        raw.execute(f"PRAGMA user_version = {VERSION}")
        raw.execute("COMMIT")
    except BaseException:
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        raise
