"""A database that is looked at: its replica set, its collections and indexes, and its rows.

All rows are read as of one moment (:meth:`~engine.store.mongodb.connection.Connection.moment`), without a write.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from typing import Any, Final

from pymongo.errors import ExecutionTimeout, OperationFailure
from pymongo.read_concern import ReadConcern

from engine.store.check.finding import Finding
from engine.store.check.protocol import Glance, Inspection, Table
from engine.store.check.protocol import Row as Kept
from engine.store.mongodb.apart import apart
from engine.store.mongodb.connection import Row
from engine.store.mongodb.moment import Whole
from engine.store.mongodb.schema import COLLECTIONS, INDEXES, VERSION
from engine.store.transfer.parts import COUNT
from engine.store.transfer.refusal import half_a_copy

PATIENCE: Final = 10_000
"""Milliseconds within which the majority must have answered."""

_AWAY: Final = {3: "recovering", 6: "unknown", 8: "down", 9: "rolling back", 10: "removed"}
"""States of members (`replSetGetStatus`) that hold nothing up to date."""

_RECORD: Final = (
    "resource",
    "id",
    "namespace",
    "name",
    "revision",
    "labels",
    "meaning",
    "document",
    "origin",
    "ordinal",
)
_ENTRY: Final = (
    "batch",
    "action",
    "resource",
    "id",
    "namespace",
    "name",
    "document",
    "origin",
    "time",
    "author",
    "message",
    "ordinal",
)
_OPTIONS: Final = ("unique", "partialFilterExpression")


class MongodbInspection(Whole, Inspection):
    """See the module."""

    async def begin(self) -> Glance:
        return await apart(self._look())

    async def rows(self, table: Table) -> AsyncGenerator[list[Kept], None]:
        rows = self.moment[table].find({}, session=self.moment.session, batch_size=COUNT).sort("_id", 1)
        form = _FORMS[table]

        async def take() -> list[Kept]:
            part: list[Kept] = []
            with self.connection.explained():
                async for row in rows:
                    part.append(form(row))
                    if len(part) == COUNT:
                        break
            return part

        try:
            while part := await apart(take()):
                yield part
        finally:
            await rows.close()

    async def _look(self) -> Glance:
        # Not an older moment than others can have seen: what was written last is what is most worth looking at.
        least = (await self.connection.run(self.state))["revision"]
        state = await self.choose(least)
        with self.connection.explained():
            found = [*await self._set(), *await self._collections()]
            sizes: dict[Table, int] = {table: await self._size(table) for table in _FORMS}
        readable = True
        if state["schema"] < VERSION:
            told = f"it is {state['schema']}, and this version of Weir knows {VERSION}; its rows were not checked"
            hint = f"`weir get specs --store {self.url}` brings it up to date; then check again"
            found.append(Finding("old-schema", "schema", told, hint))
            readable = False
        if state.get("copy") is not None:
            half = half_a_copy(state["copy"]["source"], self.url)
            found.append(Finding("half-a-copy", "store", str(half), half.hint or ""))
            readable = False
        return Glance(state["schema"], state["revision"], state["time"], None, sizes, tuple(found), readable=readable)

    async def _set(self) -> list[Finding]:
        """Whether the majority answers, and which members do not."""
        found: list[Finding] = []
        collection = self.connection.database["state"].with_options(read_concern=ReadConcern("linearizable"))
        try:
            await collection.find_one({"_id": "state"}, {"_id": 1}, max_time_ms=PATIENCE)
        except ExecutionTimeout:
            told = f"the majority of its members has not answered within {PATIENCE // 1000}s: nothing can be written"
            found.append(Finding("no-majority", "replica set", told, "`rs.status()` shows which members are away"))
        with contextlib.suppress(OperationFailure):  # not everybody may ask, and a router (mongos) has no such command
            status = await self.connection.database.client.admin.command("replSetGetStatus")
            found += _members(status)
        return found

    async def _collections(self) -> list[Finding]:
        present = set(await self.connection.database.list_collection_names())
        found = [
            Finding(
                "missing-collection",
                name,
                "the collection is missing",
                "any daemon that starts makes it; its rows are lost",
            )
            for name in COLLECTIONS
            if name not in present
        ]
        for name, indexes in INDEXES.items():
            if name in present:
                there = await self.connection.database[name].index_information()
                found += _indexes(name, there, [index.document for index in indexes])
        return found

    async def _size(self, table: Table) -> int:
        return await self.connection.database[table].estimated_document_count()


def _members(status: Row) -> Iterator[Finding]:
    for member in status["members"]:
        if member.get("health") == 0 or member["state"] in _AWAY:
            told = f"this member is {_AWAY.get(member['state'], 'away')}: {member.get('lastHeartbeatMessage') or 'no reason given'}"
            yield Finding(
                "member-away", member["name"], told, "start it, or see whether the others reach it", "warning"
            )


def _indexes(name: str, there: Mapping[str, Any], wanted: list[Mapping[str, Any]]) -> Iterator[Finding]:
    for index in wanted:
        found = there.get(index["name"])
        hint = "drop it, if it is there; any daemon that starts makes it anew"
        if found is None:
            yield Finding("missing-index", f"{name}.{index['name']}", "the index is missing", hint)
        elif (list(found["key"]), *map(found.get, _OPTIONS)) != (list(index["key"].items()), *map(index.get, _OPTIONS)):
            yield Finding("changed-index", f"{name}.{index['name']}", "it is not the index that Weir makes", hint)


# What is missing in a row becomes None: the rules tell what is wrong with it.


def _change(row: Row) -> Kept:
    return {"revision": row["_id"], **{key: row.get(key) for key in _ENTRY}}


def _document(row: Row) -> Kept:
    kept = {key: row.get(key) for key in _RECORD}
    known = (row.get("resource"), row.get("id"), row.get("name") or row.get("id"))
    return kept | {"keys": (row["_id"], row.get("known")), "own_keys": (f"{known[0]}/{known[1]}", known[2])}


def _trial_document(row: Row) -> Kept:
    return {"trial": row["_id"].partition("/")[0], **{key: row.get(key) for key in _RECORD}}


def _trial(row: Row) -> Kept:
    return {"id": row["_id"], "deadline": row.get("deadline"), "body": row.get("body")}


def _instance(row: Row) -> Kept:
    return {"id": row["_id"], **{key: row.get(key) for key in ("namespace", "body", "time")}}


_FORMS: Final[dict[Table, Callable[[Row], Kept]]] = {
    "changes": _change,
    "documents": _document,
    "trials": _trial,
    "trial_documents": _trial_document,
    "instances": _instance,
}
