"""The workers: the rows of `instances`. One operation each; none of them is part of a transaction.

A heartbeat that brings nothing new writes only its time: the states of thousands of specs are neither sent nor written
again. A digest tells whether there is something new.

`now` is what the server makes of it (see :mod:`~engine.store.mongodb.time`): it writes a heartbeat down with the clock by
which it judges it later.
"""

from __future__ import annotations

import hashlib

from engine.store.clock import moment
from engine.store.instance import FORGOTTEN, LIFETIME, Instance, load_body
from engine.store.mongodb.connection import Row, Scope
from engine.store.mongodb.time import Expression, before


async def put(scope: Scope, instance: Instance, *, body: str, now: Expression) -> None:
    """Write an instance; only its heartbeat, if nothing else is new."""
    collection = scope["instances"]
    digest = hashlib.sha256(body.encode()).hexdigest()
    beat = await collection.update_one(
        {"_id": instance.id, "digest": digest}, [{"$set": {"time": now}}], session=scope.session
    )
    if beat.matched_count:
        return
    row = {"namespace": instance.namespace, "digest": digest, "body": body}
    literal = {name: {"$literal": text} for name, text in row.items()}
    # A pipeline, in which the server's clock can be named; it replaces the row, as what an older Weir has left is no part of it.
    whole = [{"$replaceWith": {"_id": "$_id", **literal, "time": now}}]
    await collection.update_one({"_id": instance.id}, whole, upsert=True, session=scope.session)
    old = {"$expr": {"$lt": ["$time", before(now, FORGOTTEN)]}}
    await collection.delete_many(old, session=scope.session)


async def alive(scope: Scope, namespace: str | None, *, now: Expression) -> list[Instance]:
    """The instances that are alive, ordered by namespace, host and id."""
    wanted: Row = {"$expr": {"$gte": ["$time", before(now, LIFETIME)]}}
    if namespace is not None:
        wanted["namespace"] = namespace
    fields = {"body": 1, "time": 1, "now": now}
    async with scope["instances"].find(wanted, fields, session=scope.session) as rows:
        found = [load_body(row["body"], moment(row["time"]), read=moment(row["now"])) async for row in rows]
    return sorted(found, key=lambda instance: (instance.namespace, instance.host, instance.id))


async def remove(scope: Scope, id: str) -> None:
    """Delete an instance, if it is there."""
    await scope["instances"].delete_one({"_id": id}, session=scope.session)
