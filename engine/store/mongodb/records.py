"""What is stored now: the rows of `documents`. Every function runs in its caller's transaction."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

from engine.errors import InvalidError, Place
from engine.spec.model import Spec, Value
from engine.store.mongodb.connection import Row, Scope
from engine.store.plan import Draft, IdKey, NameKey, Plan
from engine.store.query import Query
from engine.store.record import Record, Resource, label
from engine.store.write import Put, PutSpec, resource_of, subject_of

ItemT = TypeVar("ItemT")

AT_ONCE: Final = 500
"""Rows that one command reads or writes: enough to be fast, few enough for the event loop to have its turn."""

LARGEST: Final = 15 * 1024 * 1024
"""Bytes that a document and its places may have. MongoDB takes 16 MiB, and the event that tells of it needs some."""

_ORDER: Final = [("namespace", 1), ("known", 1), ("id", 1)]


def check_sizes(draft: Draft, *said: str | None) -> None:
    """Raise InvalidError for a document that MongoDB could not hold. `said` is kept beside each (author, message)."""
    beside = sum(len(text.encode(errors="replace")) for text in said if text)
    for write, sealed in zip(draft.writes, draft.sealed, strict=True):
        if sealed is None:
            continue
        assert isinstance(write, Put)
        subject: Spec | Value = subject_of(write)
        parts = (sealed.document, sealed.origin or "", subject.name or "", subject.name or "")
        most = 4 if isinstance(write, PutSpec) else 6  # a value is kept as base64, which takes four thirds
        if most * sum(map(len, parts)) + beside <= LARGEST:
            continue
        size = sum(len(part.encode()) for part in parts) * (3 if isinstance(write, PutSpec) else 4) // 3 + beside
        if size > LARGEST:
            raise InvalidError(
                f"{label(resource_of(write), subject.namespace, subject.name or subject.id)} has {size:,} bytes with the "
                f"places of its values; a store in MongoDB takes {LARGEST:,} for one document",
                place=subject.place or Place(),
                hint="keep large data in a file, and its path in the spec",
            )


async def select(scope: Scope, resource: Resource, query: Query) -> list[Record]:
    """The records that meet a query, in order, after its token: one more than its limit, if there are so many."""
    filters: list[Row] = [{"resource": resource}]

    def one_of(field: str, wanted: Iterable[str] | None) -> None:
        if wanted is not None:
            filters.append({field: {"$in": list(wanted)}})

    one_of("namespace", query.namespaces)
    one_of("id", None if query.ids is None else [wanted.lower() for wanted in query.ids])
    one_of("name", query.names)
    if query.matches is not None and all(example.id for example in query.matches):
        one_of("id", [str(example.id).lower() for example in query.matches])
    elif query.matches is not None and all(example.name for example in query.matches):
        one_of("name", [str(example.name) for example in query.matches])
    if query.except_namespace is not None:
        filters.append({"namespace": {"$ne": query.except_namespace}})
    position = query.position()
    if position is not None:
        filters.append(_after(position))
    most = AT_ONCE if query.limit is None else min(query.limit + 1, AT_ONCE)
    rows = scope["documents"].find({"$and": filters}, session=scope.session, batch_size=most).sort(_ORDER)
    found: list[Record] = []
    async with rows:
        async for record in _records(rows):
            # The filter narrows; the query itself decides, as it does for every store.
            if query.admits(record):
                found.append(record)
                if query.limit is not None and len(found) > query.limit:
                    break
    return found


async def wanted(scope: Scope, wants: tuple[list[IdKey], list[NameKey]]) -> list[Record]:
    """The records with these ids and names, as far as they are there."""
    ids, names = wants
    found: dict[IdKey, Record] = {}
    by_place: dict[tuple[Resource, str], list[str]] = {}
    for resource, namespace, name in names:
        by_place.setdefault((resource, namespace), []).append(name)
    filters: list[Row] = [{"_id": {"$in": part}} for part in chunks([key_of(*key) for key in ids])]
    for (resource, namespace), group in by_place.items():
        filters += ({"resource": resource, "namespace": namespace, "name": {"$in": part}} for part in chunks(group))
    for each in filters:
        async with scope["documents"].find(each, session=scope.session) as rows:
            async for record in _records(rows):
                found[record.resource, record.id] = record
    return list(found.values())


async def write(scope: Scope, plan: Plan, ordinals: Mapping[str, int]) -> None:
    """Put what the plan leaves behind. `ordinals` are the numbers of changes of specs that stand beside them."""
    # All old rows go first: two documents may have swapped their names.
    for gone in chunks([key_of(*key) for key in plan.final]):
        await scope["documents"].delete_many({"_id": {"$in": gone}}, session=scope.session)
    for part in chunks([record for record in plan.final.values() if record is not None]):
        rows = [_row(record, ordinals) for record in part]
        await scope["documents"].insert_many(rows, session=scope.session)


def to_row(record: Record) -> Row:
    """A record as a row, apart from its `_id`."""
    row: dict[str, Any] = {
        "resource": record.resource,
        "id": record.id,
        "namespace": record.namespace,
        "known": record.name or record.id,
        "revision": record.revision,
        "labels": json.dumps(dict(record.labels), ensure_ascii=False),
        "meaning": record.meaning,
        "document": record.document,
        "origin": record.origin,
    }
    if record.name is not None:
        row["name"] = record.name
    return row


def to_record(row: Row) -> Record:
    """The record of :func:`to_row`."""
    return Record(
        row["resource"],
        row["id"],
        row["namespace"],
        row.get("name"),
        row["revision"],
        json.loads(row["labels"]),
        row["meaning"],
        row["document"],
        row["origin"],
    )


def key_of(resource: Resource, id: str) -> str:
    """The key of a row."""
    return f"{resource}/{id}"


def chunks(items: Sequence[ItemT]) -> Iterator[list[ItemT]]:
    """The items, :data:`AT_ONCE` at a time."""
    iterator = iter(items)
    while part := list(islice(iterator, AT_ONCE)):
        yield part


def _row(record: Record, ordinals: Mapping[str, int]) -> Row:
    row = {"_id": key_of(record.resource, record.id), **to_row(record)}
    if record.resource == "spec":
        row["ordinal"] = ordinals[record.id]
    return row


async def _records(rows: AsyncIterator[Row]) -> AsyncIterator[Record]:
    async for row in rows:
        yield to_record(row)


def _after(position: tuple[str, str, str]) -> Row:
    namespace, known, id = position
    return {
        "$or": [
            {"namespace": {"$gt": namespace}},
            {"namespace": namespace, "known": {"$gt": known}},
            {"namespace": namespace, "known": known, "id": {"$gt": id}},
        ]
    }
