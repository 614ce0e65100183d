"""Every change, in order: the rows of `changes`. Its change stream is what watches tell; what is kept of it is history.

A row has the number of its change as `_id`, and the first and the last number of its apply, so that a reader of the
stream knows when it has an apply whole. `ordinal` counts the changes of one spec; it tells which are too many.

Values have no history, for they may be secrets: their rows are deleted in the transaction that inserts them. The stream
tells of them all the same, since it tells every step of a transaction; what it tells is sealed, as is what the oplog keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pymongo import DeleteMany

from engine.store.change import LogEntry, Retention
from engine.store.clock import microseconds
from engine.store.mongodb.connection import Row, Scope
from engine.store.mongodb.records import chunks, key_of
from engine.store.plan import Plan

_DESCENDING: Final = -1


async def add(scope: Scope, plan: Plan, *, now: int, retention: Retention) -> dict[str, int]:
    """Write the log of a plan, and forget what is too old. `now` is in microseconds since 1970.

    Gives the ordinal of the last change of each spec that the plan touches, which stays beside the spec.
    """
    ordinals = await _ordinals(scope, [id for resource, id in plan.final if resource == "spec"])
    for part in chunks(plan.log):
        rows = [_row(entry, last=plan.revision, ordinals=ordinals) for entry in part]
        await scope["changes"].insert_many(rows, session=scope.session)
    if plan.log:
        await _forget(scope, plan, ordinals, now=now, retention=retention)
    return ordinals


async def history(scope: Scope, namespace: str, known: str, limit: int | None) -> list[LogEntry]:
    """The changes of the spec with this name, or else this id, newest first."""
    if limit is not None and limit < 1:
        return []
    holder = await scope["documents"].find_one(
        {"resource": "spec", "namespace": namespace, "name": known}, {"id": 1}, session=scope.session
    )
    named: list[Row] = [{"resource": "spec", "namespace": namespace, "name": known}]
    if holder is not None:
        named.append({"resource": "spec", "namespace": namespace, "id": holder["id"]})
    found = await _newest(scope, {"$or": named}, limit)
    return found or await _newest(scope, {"resource": "spec", "namespace": namespace, "id": known.lower()}, limit)


def to_entry(row: Row) -> LogEntry:
    """The entry of a row."""
    return LogEntry(
        row["_id"],
        row["batch"],
        row["action"],
        row["resource"],
        row["id"],
        row["namespace"],
        row["name"],
        row["document"],
        row["origin"],
        row["time"],
        row["author"],
        row["message"],
    )


def _row(entry: LogEntry, *, last: int, ordinals: dict[str, int]) -> Row:
    """The row of an entry; one of a spec counts up its ordinal."""
    row: Row = {
        "_id": entry.revision,
        "batch": entry.batch,
        "last": last,
        "action": entry.action,
        "resource": entry.resource,
        "id": entry.id,
        "namespace": entry.namespace,
        "name": entry.name,
        "document": entry.document,
        "origin": entry.origin,
        "time": entry.time,
        "author": entry.author,
        "message": entry.message,
    }
    if entry.resource == "spec":
        row["ordinal"] = ordinals[entry.id] = ordinals.get(entry.id, 0) + 1
    return row


async def _newest(scope: Scope, wanted: Row, limit: int | None) -> list[LogEntry]:
    rows = scope["changes"].find(wanted, session=scope.session, limit=limit or 0).sort("_id", _DESCENDING)
    async with rows:
        return [to_entry(row) async for row in rows]


async def _forget(scope: Scope, plan: Plan, ordinals: Mapping[str, int], *, now: int, retention: Retention) -> None:
    too_many = [
        DeleteMany({"resource": "spec", "id": id, "ordinal": {"$lte": ordinal - retention.count}})
        for id, ordinal in ordinals.items()
        if ordinal > retention.count
    ]
    for part in chunks(too_many):
        await scope["changes"].bulk_write(part, ordered=False, session=scope.session)
    gone: list[Row] = []
    if any(entry.resource == "value" for entry in plan.log):
        gone.append({"resource": "value"})
    if retention.age is not None:
        gone.append({"resource": "spec", "time": {"$lt": now - microseconds(retention.age)}})
    for each in gone:
        await scope["changes"].delete_many(each, session=scope.session)


async def _ordinals(scope: Scope, ids: Sequence[str]) -> dict[str, int]:
    """The ordinals of the last changes of these specs; one that has never been there has none.

    A spec that is there has it beside it. Only those that are not there are looked for in the history.
    """
    found: dict[str, int] = {}
    for part in chunks(ids):
        present: Row = {"_id": {"$in": [key_of("spec", id) for id in part]}}
        fields = {"_id": 0, "id": 1, "ordinal": 1}
        async with scope["documents"].find(present, fields, session=scope.session) as rows:
            found.update([(row["id"], row["ordinal"]) async for row in rows])
    for part in chunks([id for id in ids if id not in found]):
        newest = await scope["changes"].aggregate(
            [
                {"$match": {"resource": "spec", "id": {"$in": part}}},
                {"$group": {"_id": "$id", "ordinal": {"$max": "$ordinal"}}},
            ],
            session=scope.session,
        )
        async with newest:
            found.update([(row["_id"], row["ordinal"]) async for row in newest])
    return found
