"""A SQLite file that is copied from, and one that is copied into.

**From**: one read transaction, on a connection that cannot write. The write-ahead log keeps that moment for as long as it
takes, while others go on writing.

**Into**: one write transaction. However large it is, the file is as it was until the commit, and as it should be after it;
what was written by a process that was killed, nobody ever sees. SQLite moves to the log what does not fit into its cache, so
memory stays bounded. Others who want to write to the file meanwhile are told that it is locked.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Final, Self

from engine.store.change import LogEntry
from engine.store.clock import Clock
from engine.store.plan import Plan
from engine.store.record import Record
from engine.store.sqlite import tables, whole
from engine.store.sqlite.file import VERSION, Connection, connect, missing, prepare
from engine.store.sqlite.held import Held, Holder
from engine.store.sqlite.reading import open_to_read
from engine.store.transfer.parts import ItemT, cut
from engine.store.transfer.protocol import Destination, Outline, Source
from engine.store.transfer.refusal import (
    outdated,
    refuse_content,
    refuse_daemons,
    refuse_same,
    refuse_sealed,
    refuse_trials,
    unreadable,
)
from engine.store.vault import Vault

_CACHE: Final = -16_384
"""Kibibytes (negative: that is how SQLite tells them from pages) of a file that is filled, so that its indexes fit."""


class SqliteSource(Holder, Source):
    """See the module. It is open from one moment on, that of :meth:`__aenter__`."""

    def __init__(self, path: Path, *, url: str, vault: Vault) -> None:
        super().__init__(path, url=url, vault=vault)
        self._namespaces: frozenset[str] | None = None
        self._revision = 0

    @property
    def revision(self) -> int:
        return self._revision

    async def begin(self, namespaces: frozenset[str] | None) -> Outline:
        self._namespaces = namespaces

        def look(raw: sqlite3.Connection) -> Outline:
            identity, self._revision, _ = tables.state(raw)
            refuse_trials(self._url, tables.trials(raw), namespaces)
            return Outline(identity, **whole.count(raw, namespaces))

        return await self._held.do(look)

    def changes(self) -> AsyncGenerator[list[LogEntry], None]:
        return _parts(self._held, self._url, lambda raw: whole.changes(raw, self._namespaces))

    def records(self) -> AsyncGenerator[list[Record], None]:
        return _opened(self._held, self._url, self._vault, self._namespaces)

    async def __aenter__(self) -> Self:
        def begin() -> Connection:
            connection, version = open_to_read(self._held.path)
            if version < VERSION:
                connection.close()
                raise outdated(self._url, version, known=VERSION)
            return connection

        await self._held.open(begin)
        return self


class SqliteDestination(Holder, Destination):
    """See the module. The file is made if it is missing; nothing else of it is to be seen before :meth:`finish`."""

    def __init__(self, path: Path, *, url: str, vault: Vault, clock: Clock, busy_timeout: float) -> None:
        super().__init__(path, url=url, vault=vault)
        self._clock = clock
        self._busy_timeout = busy_timeout

    async def begin(self, source: str, outline: Outline) -> None:  # noqa: ARG002 - nobody ever sees half of it
        if outline.values:
            self._vault.check()

        def make() -> Connection:
            prepare(self._held.path)
            return connect(self._held.path, busy_timeout=self._busy_timeout)

        def take(raw: sqlite3.Connection) -> None:
            raw.execute(f"PRAGMA cache_size = {_CACHE}")
            raw.execute("BEGIN IMMEDIATE")
            own, revision, _ = tables.state(raw)
            refuse_same(self._url, own, source=outline.identity)
            found = whole.count(raw, None)
            refuse_content(self._url, **found, trials=len(tables.trials(raw)), revision=revision)
            refuse_daemons(self._url, tables.instances(raw, None, now=self._clock()))

        await self._held.open(make)
        await self._held.do(take)

    async def add_changes(self, changes: list[LogEntry]) -> None:
        await self._held.do(lambda raw: whole.add_changes(raw, changes))

    async def add_records(self, records: list[Record]) -> None:
        def add(raw: sqlite3.Connection) -> None:
            plan = Plan(0, final={(record.resource, record.id): record for record in records})
            closed = self._vault.closed(plan, may_make=lambda: True)
            whole.add_records(raw, (record for record in closed.final.values() if record is not None))

        await self._held.do(add)

    def changes(self) -> AsyncGenerator[list[LogEntry], None]:
        return _parts(self._held, self._url, lambda raw: whole.changes(raw, None))

    def records(self) -> AsyncGenerator[list[Record], None]:
        return _opened(self._held, self._url, self._vault, None)

    async def finish(self, revision: int) -> None:
        if await self._held.is_stale():
            raise missing(self._held.path)

        def commit(raw: sqlite3.Connection) -> None:
            whole.found_anew(raw, revision)
            raw.execute("COMMIT")

        await self._held.do(commit)

    async def __aenter__(self) -> Self:
        return self


def _opened(
    held: Held, url: str, vault: Vault, namespaces: frozenset[str] | None
) -> AsyncGenerator[list[Record], None]:
    """Parts of what is stored, with the values as they were written."""

    def opened(record: Record) -> Record:
        found = vault.open(record)
        refuse_sealed(url, found)
        return found

    return _parts(held, url, lambda raw: map(opened, whole.records(raw, namespaces)))


async def _parts(
    held: Held, url: str, select: Callable[[sqlite3.Connection], Iterator[ItemT]]
) -> AsyncGenerator[list[ItemT], None]:
    """Parts of what a select gives, read in the thread one by one."""
    cutter: Iterator[list[ItemT]] = await held.do(lambda raw: cut(select(raw)))

    def take(_: sqlite3.Connection) -> list[ItemT] | None:
        try:
            return next(cutter, None)
        except (json.JSONDecodeError, TypeError, AttributeError) as error:
            raise unreadable(url, "a row", error) from error

    while (part := await held.do(take)) is not None:
        yield part
