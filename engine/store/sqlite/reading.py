"""Opening a file to read it, and to leave it as it is."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import quote

from engine.store.sqlite.file import (
    BUSY_TIMEOUT,
    Connection,
    check_readable,
    explain,
    inode_of,
    may,
    missing,
    schema_version,
)
from engine.store.transfer.refusal import nothing_there

_EMPTY: Final = 0


def open_to_read(path: Path, *, busy_timeout: float = BUSY_TIMEOUT) -> tuple[Connection, int]:
    """Open a file that is there, and begin to read one moment of it; with the version of its schema.

    Nothing is written to the file, and nothing is made or brought up to date. (What SQLite needs for readers and a writer at
    the same time, the files `-wal` and `-shm`, may be made beside it.) Raises UnavailableError.
    """
    if not path.exists():
        raise nothing_there(str(path))
    check_readable(path)
    inode = inode_of(path)
    if inode is None:
        raise missing(path)
    try:
        raw = sqlite3.connect(
            f"file:{quote(str(path))}?{_mode(path)}", uri=True, timeout=busy_timeout, isolation_level=None
        )
    except sqlite3.Error as error:
        raise explain(error, path) from error
    connection = Connection(raw, path, inode)
    try:
        raw.execute("PRAGMA query_only = ON")
        raw.execute("PRAGMA trusted_schema = OFF")
        raw.execute("BEGIN")
        version = schema_version(connection)
    except sqlite3.Error as error:
        connection.close()
        raise explain(error, path) from error
    except BaseException:
        connection.close()
        raise
    if version == _EMPTY:
        connection.close()
        raise nothing_there(str(path))
    return connection, version


def _mode(path: Path) -> str:
    """How to open it: where nobody can write beside it, nobody does write, and no files for that are needed."""
    alone = not may(path.parent, os.W_OK | os.X_OK) and not Path(f"{path}-wal").exists()
    return "mode=ro&immutable=1" if alone else "mode=ro"
