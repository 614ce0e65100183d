"""A whole store in parts: its history, and what is stored at one moment."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any

from pymongo.asynchronous.cursor import AsyncCursor

from engine.store.change import LogEntry
from engine.store.mongodb import changes as log
from engine.store.mongodb.apart import apart
from engine.store.mongodb.connection import Connection, Row, Scope
from engine.store.mongodb.records import to_record
from engine.store.record import Record
from engine.store.transfer.parts import COUNT, ItemT, is_full, size
from engine.store.transfer.refusal import refuse_sealed, unreadable
from engine.store.vault import Vault


async def history(connection: Connection, wanted: Row, after: int, upto: int | None) -> list[LogEntry]:
    """A part of the history after one revision, up to another: all of it that one command reads."""
    bounds: dict[str, Any] = {"$gt": after} if upto is None else {"$gt": after, "$lte": upto}

    async def read(scope: Scope) -> list[LogEntry]:
        rows = scope["changes"].find({"_id": bounds, **wanted}, session=scope.session, limit=COUNT).sort("_id", 1)
        async with rows:
            return await _part(rows, partial(_read, log.to_entry, connection.address.shown))

    return await connection.run(read)


async def stored(connection: Connection, scope: Scope, wanted: Row, vault: Vault) -> AsyncGenerator[list[Record], None]:
    """What is stored, at one moment, with the values as they were written."""
    url = connection.address.shown

    def opened(row: Row) -> Record:
        record = vault.open(_read(to_record, url, row))
        refuse_sealed(url, record)
        return record

    async def take() -> list[Record]:
        with connection.explained():
            return await _part(rows, opened)

    rows = scope["documents"].find(wanted, session=scope.session, batch_size=COUNT).sort("_id", 1)
    try:
        while part := await apart(take()):
            yield part
    finally:
        await rows.close()


async def _part(rows: AsyncCursor[Row], read: Callable[[Row], ItemT]) -> list[ItemT]:
    """The next part of what a cursor gives; empty at its end."""
    found: list[ItemT] = []
    length = 0
    async for row in rows:
        found.append(read(row))
        length += size(found[-1])
        if is_full(len(found), length):
            break
    return found


def _read(make: Callable[[Row], ItemT], url: str, row: Row) -> ItemT:
    try:
        return make(row)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(url, f"a row ({row['_id']})", error) from error
