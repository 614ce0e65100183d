"""A SQLite file that is looked at: what SQLite itself says of it, its schema, and its rows.

It is opened for reading, and all of it is one read transaction. A file of an older schema is not read any further:
whatever opens it to work with it brings it up to date first.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Final, Self

from engine.store.check.finding import RESTORE, Finding
from engine.store.check.protocol import Glance, Inspection, Row, Table
from engine.store.clock import Clock, microseconds
from engine.store.sqlite.file import VERSION, Connection
from engine.store.sqlite.held import Holder
from engine.store.sqlite.reading import open_to_read
from engine.store.sqlite.schema import MIGRATIONS
from engine.store.transfer.parts import COUNT
from engine.store.vault import Vault

MOST: Final = 100
"""Lines of `PRAGMA integrity_check` that are told; one broken page may make thousands."""

_RECOVER: Final = "restore a backup, or save what can be read with `sqlite3 FILE .recover`"
_FIELDS: Final = "resource, id, namespace, name, revision, labels, meaning, document, origin"

_ROWS: Final[dict[Table, str]] = {
    "changes": "SELECT revision, batch, action, resource, id, namespace, name, document, origin, time, author, message "
    "FROM changes ORDER BY revision",
    "documents": f"SELECT {_FIELDS} FROM documents ORDER BY resource, id",  # noqa: S608
    "trials": "SELECT id, deadline, body FROM trials ORDER BY id",
    "trial_documents": f"SELECT trial, {_FIELDS} FROM trial_documents ORDER BY trial, id",  # noqa: S608
    "instances": "SELECT id, namespace, body, time FROM instances LEFT JOIN heartbeats USING (id) ORDER BY id",
}


class SqliteInspection(Holder, Inspection):
    """See the module."""

    def __init__(self, path: Path, *, url: str, vault: Vault, clock: Clock) -> None:
        super().__init__(path, url=url, vault=vault)
        self._clock = clock
        self._schema = 0

    async def begin(self) -> Glance:
        return await self._held.do(self._look)

    async def rows(self, table: Table) -> AsyncGenerator[list[Row], None]:
        cursor = await self._held.do(lambda raw: raw.execute(_ROWS[table]))
        names = [column[0] for column in cursor.description]
        while part := await self._held.do(lambda _: cursor.fetchmany(COUNT)):
            yield [dict(zip(names, row, strict=True)) for row in part]

    async def __aenter__(self) -> Self:
        def begin() -> Connection:
            connection, self._schema = open_to_read(self._held.path)
            return connection

        await self._held.open(begin)
        return self

    def _look(self, raw: sqlite3.Connection) -> Glance:
        found = [*_integrity(raw), *_references(raw)]
        if self._schema < VERSION:
            told = f"it is {self._schema}, and this version of Weir knows {VERSION}; its rows were not checked"
            hint = f"`weir get specs --store {self._url}` brings it up to date; then check again"
            found.append(Finding("old-schema", "schema", told, hint))
            return Glance(self._schema, 0, microseconds(self._clock()), None, {}, tuple(found), readable=False)
        differences = list(_schema(raw))
        found += differences
        state = _state(raw)
        if state is None:
            told = (
                "which revision was given last is not known: the row of it is missing; the other rows were not checked"
            )
            found.append(Finding("no-state", "state", told, _RECOVER))
        revision, floor = state or (0, 0)
        if floor > revision:
            told = f"changes up to revision {floor} are said to be forgotten, and the store has come to {revision}"
            found.append(Finding("wrong-state", "state", told, RESTORE))
        sizes = {table: _size(raw, table) for table in _ROWS}
        return Glance(
            self._schema,
            revision,
            microseconds(self._clock()),
            floor,
            sizes,
            tuple(found),
            readable=state is not None and not any(finding.code == "missing-table" for finding in differences),
        )


def _integrity(raw: sqlite3.Connection) -> Iterator[Finding]:
    """What SQLite finds: pages, indexes, and the constraints of columns."""
    try:
        for (line,) in raw.execute(f"PRAGMA integrity_check({MOST})"):
            if line != "ok":
                yield Finding("damaged-file", "file", str(line), _RECOVER)
    except sqlite3.DatabaseError as error:
        yield Finding("damaged-file", "file", str(error), _RECOVER)


def _references(raw: sqlite3.Connection) -> Iterator[Finding]:
    with contextlib.suppress(sqlite3.DatabaseError):  # pages are broken, which was told
        for table, row, parent, _ in raw.execute("PRAGMA foreign_key_check"):
            told = f"it belongs to a row of {parent} that is not there"
            yield Finding("orphaned-row", f"{table}, row {row}", told, "nothing; it is in nobody's way", "warning")


def _schema(raw: sqlite3.Connection) -> Iterator[Finding]:
    """What the migrations have made and is not there, or is another by now."""
    there = _objects(raw)
    with contextlib.closing(sqlite3.connect(":memory:")) as model:
        for script in MIGRATIONS:
            for statement in script:
                model.execute(statement)
        wanted = _objects(model)
    for (kind, name), text in wanted.items():
        if (kind, name) not in there:
            hint = _RECOVER if kind == "table" else f"make it again with `sqlite3 FILE`: {' '.join(text.split())}"
            yield Finding(f"missing-{kind}", name, f"the {kind} is missing", hint)
        elif there[kind, name].split() != text.split():
            yield Finding(f"changed-{kind}", name, f"the {kind} is not the one that Weir has made", RESTORE)


def _objects(raw: sqlite3.Connection) -> dict[tuple[str, str], str]:
    rows = raw.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
    return {(kind, name): text for kind, name, text in rows}


def _state(raw: sqlite3.Connection) -> tuple[int, int] | None:
    try:
        row: tuple[int, int] | None = raw.execute("SELECT revision, floor FROM state").fetchone()
    except sqlite3.DatabaseError:
        return None  # the schema or the pages are broken, which was told
    return row


def _size(raw: sqlite3.Connection, table: str) -> int:
    try:
        return int(raw.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608
    except sqlite3.DatabaseError:
        return 0  # whoever reads it will tell
