"""A database that is copied from, and one that is copied into.

**From**: the history is read first, in order, by its revisions: its rows never change. When little is left of it, a moment of
the database is chosen; what came before it is read as well, and then what is stored at that moment. A server keeps a
moment for some minutes only, but there is no limit to how long the history may take. (What the source forgets of its
history meanwhile, the copy may still have.)

**Into**: no transaction takes a whole store. So the database is marked first (:mod:`~engine.store.mongodb.mark`), filled in
transactions of bounded size, and the mark removed last; until then nobody can open it. What an earlier copy has left is
cleared away.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Final, Self

from engine.errors import InvalidError
from engine.store.change import LogEntry
from engine.store.mongodb import changes as log
from engine.store.mongodb import instances, trials
from engine.store.mongodb.address import Address
from engine.store.mongodb.apart import apart
from engine.store.mongodb.connection import Connection, Row, Scope
from engine.store.mongodb.contents import history, stored
from engine.store.mongodb.mark import Mark
from engine.store.mongodb.moment import Whole, choose
from engine.store.mongodb.records import LARGEST, key_of, to_row
from engine.store.mongodb.schema import VERSION, prepare, refuse_half
from engine.store.mongodb.time import time_of
from engine.store.plan import Plan
from engine.store.record import Record
from engine.store.transfer.parts import COUNT
from engine.store.transfer.protocol import Destination, Outline, Source
from engine.store.transfer.refusal import (
    outdated,
    refuse_content,
    refuse_daemons,
    refuse_trials,
)
from engine.store.vault import Vault

_ROUNDS: Final = 5
"""How often a source is asked what was written while it was read, before a moment of it is chosen."""

_SIGN: Final = 10.0
"""Seconds after which a copy that only reads tells that it goes on."""


class MongodbSource(Whole, Source):
    """See the module."""

    def __init__(self, address: Address, *, vault: Vault) -> None:
        super().__init__(address, vault=vault)
        self._within: Row = {}
        self._namespaces: frozenset[str] | None = None
        self._revision = 0

    @property
    def revision(self) -> int:
        return self._revision

    async def begin(self, namespaces: frozenset[str] | None) -> Outline:
        self._namespaces = namespaces
        self._within = {} if namespaces is None else {"namespace": {"$in": sorted(namespaces)}}

        async def look(scope: Scope) -> Outline:
            state = await self._look(scope)
            refuse_trials(self.url, await trials.running(scope), namespaces)
            specs, values, changes = [
                await scope[name].count_documents({"resource": resource, **self._within}, session=scope.session)
                for name, resource in (("documents", "spec"), ("documents", "value"), ("changes", "spec"))
            ]
            return Outline(state["identity"], specs, values, changes)

        return await apart(self.connection.run(look))

    async def changes(self) -> AsyncGenerator[list[LogEntry], None]:
        last = upto = 0
        # What was written meanwhile is less each time, unless others write faster than this reads.
        for _ in range(_ROUNDS):
            upto, before = await apart(self._newest()), upto
            if upto - before <= COUNT:
                break
            while part := await apart(self._page(last, upto)):
                last = part[-1].revision
                yield part
        await apart(self._choose(upto))
        while part := await apart(self._page(last, self._revision)):
            last = part[-1].revision
            yield part

    async def records(self) -> AsyncGenerator[list[Record], None]:
        found = stored(self.connection, self.moment, self._within, self._vault)
        async with contextlib.aclosing(found) as parts:
            async for part in parts:
                yield part

    async def _newest(self) -> int:
        """The last revision given, now."""
        return int((await self.connection.run(self._look))["revision"])

    async def _page(self, after: int, upto: int) -> list[LogEntry]:
        """A part of the history after one revision, up to another."""
        return await history(self.connection, {"resource": "spec", **self._within}, after, upto)

    async def _choose(self, least: int) -> None:
        """Choose the moment, not before this revision."""
        self._revision = (await self.choose(least))["revision"]
        with self.connection.explained():
            refuse_trials(self.url, await trials.running(self.moment), self._namespaces)

    async def _look(self, scope: Scope) -> Row:
        state = await self.state(scope)
        refuse_half(state, self.url)
        if state["schema"] < VERSION:
            raise outdated(self.url, state["schema"], known=VERSION)
        return state


class MongodbDestination(Destination):
    """See the module. What is missing of the database is made."""

    def __init__(self, address: Address, *, vault: Vault) -> None:
        self._address = address
        self._vault = vault
        self._connection: Connection | None = None
        self._mark: Mark | None = None
        self._ordinals: dict[str, int] = {}
        self._told = 0.0

    @property
    def url(self) -> str:
        return self._address.shown

    async def begin(self, source: str, outline: Outline) -> None:
        if outline.values:
            await asyncio.to_thread(self._vault.check)
        self._connection = await apart(Connection.connect(self._address))
        await apart(prepare(self._connection, filling=True))
        mark = self._mark = Mark(source, self.url)

        async def take(scope: Scope) -> None:
            left = await mark.take(scope, identity=outline.identity)
            if left is None:
                await self._refuse(scope)
            await mark.put(scope)

        connection = _connected(self._connection)
        await apart(connection.run(self._refuse_daemons))
        await apart(connection.transact(take))
        for collection in ("changes", "documents"):
            cleared = COUNT
            while cleared == COUNT:
                cleared = await apart(connection.transact(partial(self._clear, name=collection)))

    async def add_changes(self, changes: list[LogEntry]) -> None:
        # No stream tells of these rows in their time, so none has to wait for an apply to be whole.
        rows = [log._row(entry, last=entry.revision, ordinals=self._ordinals) for entry in changes]
        await self._add("changes", rows)

    async def add_records(self, records: list[Record]) -> None:
        final = {(record.resource, record.id): record for record in records}
        closed = await asyncio.to_thread(self._vault.closed, Plan(0, final=dict(final)), may_make=lambda: False)
        rows: list[Row] = []
        for record in closed.final.values():
            assert record is not None
            row = {"_id": key_of(record.resource, record.id), **to_row(record)}
            if record.resource == "spec":
                row["ordinal"] = self._ordinals.get(record.id, 0)
            rows.append(row)
        await self._add("documents", rows)

    async def changes(self) -> AsyncGenerator[list[LogEntry], None]:
        last = 0
        while part := await apart(history(_connected(self._connection), {"resource": "spec"}, last, None)):
            last = part[-1].revision
            yield part
            await self._sign()

    async def records(self) -> AsyncGenerator[list[Record], None]:
        connection = _connected(self._connection)
        async with contextlib.AsyncExitStack() as stack:
            scope, _ = await apart(choose(stack, connection, self._copying, fits=lambda here: here))
            async with contextlib.aclosing(stored(connection, scope, {}, self._vault)) as parts:
                async for part in parts:
                    yield part
                    await self._sign()

    async def finish(self, revision: int) -> None:
        mark = self._taken()
        await apart(_connected(self._connection).transact(lambda scope: mark.remove(scope, revision=revision)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _copying(self, scope: Scope) -> bool:
        """Whether this moment has the mark of a copy."""
        return (
            await scope["state"].find_one({"_id": "state", "copy": {"$exists": True}}, session=scope.session)
            is not None
        )

    async def _refuse(self, scope: Scope) -> None:
        """Raise ConflictError unless the database has never held anything."""

        async def count(name: str, **wanted: str) -> int:
            return await scope[name].count_documents(wanted, session=scope.session)

        state = await scope["state"].find_one({"_id": "state"}, {"revision": 1}, session=scope.session)
        refuse_content(
            self.url,
            specs=await count("documents", resource="spec"),
            values=await count("documents", resource="value"),
            changes=await count("changes"),
            trials=await count("trials"),
            revision=state["revision"] if state is not None else 0,
        )

    async def _refuse_daemons(self, scope: Scope) -> None:
        refuse_daemons(self.url, await instances.alive(scope, None, now=time_of(None)))

    async def _clear(self, scope: Scope, *, name: str) -> int:
        """Delete some of what an earlier copy has left; how much."""
        await self._taken().renew(scope)
        async with scope[name].find({}, {"_id": 1}, session=scope.session, limit=COUNT) as rows:
            keys = [row["_id"] async for row in rows]
        if keys:
            await scope[name].delete_many({"_id": {"$in": keys}}, session=scope.session)
        return len(keys)

    async def _add(self, name: str, rows: list[Row]) -> None:
        for row in rows:
            self._check_size(row)

        async def insert(scope: Scope) -> None:
            await self._taken().renew(scope)
            await scope[name].insert_many(rows, session=scope.session)

        await apart(_connected(self._connection).transact(insert))
        self._told = monotonic()

    def _check_size(self, row: Row) -> None:
        texts = [text for text in row.values() if isinstance(text, str)]
        if 4 * sum(map(len, texts)) <= LARGEST or sum(len(text.encode()) for text in texts) <= LARGEST:
            return
        known = row["name"] if row.get("name") else row["id"]
        raise InvalidError(
            f"{row['resource']} {known!r} in namespace {row['namespace']!r} is too large for MongoDB with the places of its "
            f"values: a store there takes {LARGEST:,} bytes for one document",
            hint="keep large data in a file, and its path in the spec",
        )

    async def _sign(self) -> None:
        """Tell now and then that the copy goes on, while nothing is written."""
        if monotonic() - self._told > _SIGN:
            await apart(_connected(self._connection).transact(self._taken().renew))
            self._told = monotonic()

    def _taken(self) -> Mark:
        assert self._mark is not None, "it has begun"
        return self._mark


def _connected(connection: Connection | None) -> Connection:
    assert connection is not None, "it is open"
    return connection
