"""The collections of a store, and the one document that orders all writes.

========================  =============================================================================================
`state`                   one document: what this database is, the last revision given, and the mark of half a copy
`documents`               what is stored now
`changes`                 every change, in order; its change stream is what watches tell
`instances`               the workers
`trials`                  changes that go back unless they are confirmed
`trial_documents`         what was there before those
========================  =============================================================================================

Documents, their places and labels are kept as JSON text, exactly as the store sealed them: so keys stay in their order,
`1` and `1.0` stay apart, and a key may have a dot or a dollar in it.

**One writer at a time.** Every transaction that writes begins with :func:`take_turn`, which counts up a field of the one
document in `state`. A transaction reads one snapshot, and the server refuses a write to a document that another
transaction has written since that snapshot, or is about to: it aborts the later one, which begins again. So from the
moment in which a turn is taken until its commit there is nothing newer than what the transaction reads, and nobody else
can commit anything in between; what :func:`~engine.store.plan.decide` sees is what it writes on. A process that is killed
in its turn keeps the others out until the server ends its transaction, after a minute at most
(`transactionLifetimeLimitSeconds`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError, OperationFailure

from engine.errors import UnavailableError
from engine.store.mongodb.connection import Connection, Row, Scope
from engine.store.mongodb.time import Expression
from engine.store.transfer.refusal import half_a_copy

VERSION: Final = 2
"""The schema that this version of Weir knows: from 2 on values are sealed, which older versions cannot read."""

APPLICATION: Final = "weir"

COLLECTIONS: Final = ("state", "documents", "changes", "instances", "trials", "trial_documents")

_NAMESPACE_EXISTS: Final = 48


def _index(name: str, *fields: str, unique: bool = False) -> IndexModel:
    options = {"unique": True, "partialFilterExpression": {"name": {"$exists": True}}} if unique else {}
    return IndexModel([(field, ASCENDING) for field in fields], name=name, **options)


INDEXES: Final[dict[str, tuple[IndexModel, ...]]] = {
    "documents": (
        _index("by_name", "resource", "namespace", "name", unique=True),  # what has no name has no such field
        _index("in_order", "resource", "namespace", "known", "id"),
    ),
    "changes": (
        _index("by_id", "resource", "id", "_id", "ordinal"),
        _index("by_name", "resource", "namespace", "name", "_id"),
        _index("by_time", "resource", "time"),
    ),
}


@dataclass(frozen=True, slots=True)
class State:
    """Which store a database holds, the last revision given, and what time it is, in microseconds since 1970."""

    identity: str
    revision: int
    time: int


async def prepare(connection: Connection, *, filling: bool = False) -> None:
    """Make what is missing. Raises UnavailableError for a database that is not ours to use.

    A store that is half a copy is refused, except for `filling` it.
    """
    database = connection.database
    with connection.explained():
        present = set(await database.list_collection_names())
        # The document in `state` is made before all else. So whoever finds other collections without it is not the one
        # who comes second to a new database.
        found = await database["state"].find_one({"_id": "state"})
        if found is None and present & set(COLLECTIONS):
            raise _foreign(connection.address.shown)
        if found is None:
            await _found(connection)
        else:
            check(found, connection.address.shown)
            if not filling:
                refuse_half(found, connection.address.shown)
            await _migrate(connection, found["schema"])
        await asyncio.gather(*(_create(connection, name) for name in COLLECTIONS if name not in present))
        await asyncio.gather(*(database[name].create_indexes(list(indexes)) for name, indexes in INDEXES.items()))


async def read_state(scope: Scope, store: str, *, now: Expression) -> State:
    """The state, as this transaction sees it. Raises UnavailableError if the database was dropped."""
    return _state(await scope["state"].find_one({"_id": "state"}, _fields(now), session=scope.session), store)


async def take_turn(scope: Scope, store: str, *, now: Expression) -> State:
    """The state, and nobody else writes until this transaction ends. Raises as :func:`read_state`."""
    row = await scope["state"].find_one_and_update(
        {"_id": "state"},
        {"$inc": {"turn": 1}},
        _fields(now),
        return_document=ReturnDocument.AFTER,
        session=scope.session,
    )
    return _state(row, store)


async def give_revision(scope: Scope, revision: int) -> None:
    """Note the last revision that was given."""
    await scope["state"].update_one({"_id": "state"}, {"$set": {"revision": revision}}, session=scope.session)


async def _found(connection: Connection) -> None:
    first = {
        "application": APPLICATION,
        "schema": VERSION,
        "identity": uuid4().hex,
        "revision": 0,
        "turn": 0,
    }
    try:
        await connection.database["state"].update_one({"_id": "state"}, {"$setOnInsert": first}, upsert=True)
    except DuplicateKeyError:
        return  # another process was faster


async def _migrate(connection: Connection, version: int) -> None:
    """Bring an older database up to date. Each step may be done twice, by two processes or after one was killed."""
    if version < 2:
        # What values say is compared when they are opened: a hash of a short secret gives it away.
        await connection.database["documents"].update_many({"resource": "value"}, {"$set": {"meaning": ""}})
        await connection.database["state"].update_one({"_id": "state", "schema": version}, {"$set": {"schema": 2}})


async def _create(connection: Connection, name: str) -> None:
    try:
        await connection.database.command("create", name)
    except OperationFailure as error:
        if error.code != _NAMESPACE_EXISTS:
            raise


def check(row: Row, store: str) -> None:
    """Raise UnavailableError unless this version of Weir can read a store with this state."""
    if row.get("application") != APPLICATION:
        raise _foreign(store)
    if row["schema"] > VERSION:
        raise UnavailableError(
            f"the store {store} was written by a newer Weir: its schema is {row['schema']}, "
            f"this one knows up to {VERSION}",
            hint="use that version of Weir, or another store",
        )


def refuse_half(row: Row, store: str) -> None:
    """Raise UnavailableError for a store that is half a copy."""
    if row.get("copy") is not None:
        raise half_a_copy(row["copy"]["source"], store)


def _foreign(store: str) -> UnavailableError:
    return UnavailableError(
        f"the store {store} is a database of another program",
        hint="choose another database: it is the path of the URL",
    )


def _state(row: Row | None, store: str) -> State:
    if row is None:
        raise UnavailableError(
            f"the store {store} is not there any more: the database was dropped",
            hint="restore it, or restart to begin with an empty store",
        )
    refuse_half(row, store)
    return State(row["identity"], row["revision"], row["time"])


def _fields(now: Expression) -> Row:
    return {"identity": 1, "revision": 1, "copy": 1, "time": now}
