"""The workers: the rows of `instances`. One operation each; none of them is part of a transaction.

A heartbeat that brings nothing new writes only its time: the states of thousands of specs are neither sent nor written
again. A digest tells whether there is something new.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from engine.store.clock import microseconds, moment
from engine.store.instance import FORGOTTEN, LIFETIME, Instance, load_body
from engine.store.mongodb.connection import Row, Scope


async def put(scope: Scope, instance: Instance, *, body: str, now: datetime) -> None:
    """Write an instance; only its heartbeat, if nothing else is new."""
    collection = scope["instances"]
    time = microseconds(instance.heartbeat)
    digest = hashlib.sha256(body.encode()).hexdigest()
    beat = await collection.update_one(
        {"_id": instance.id, "digest": digest}, {"$set": {"time": time}}, session=scope.session
    )
    if beat.matched_count:
        return
    row = {"namespace": instance.namespace, "digest": digest, "time": time, "body": body}
    await collection.replace_one({"_id": instance.id}, row, upsert=True, session=scope.session)
    await collection.delete_many({"time": {"$lt": microseconds(now - FORGOTTEN)}}, session=scope.session)


async def alive(scope: Scope, namespace: str | None, *, now: datetime) -> list[Instance]:
    """The instances that are alive, ordered by namespace, host and id."""
    wanted: Row = {"time": {"$gte": microseconds(now - LIFETIME)}}
    if namespace is not None:
        wanted["namespace"] = namespace
    async with scope["instances"].find(wanted, session=scope.session) as rows:
        found = [load_body(row["body"], moment(row["time"])) async for row in rows]
    return sorted(found, key=lambda instance: (instance.namespace, instance.host, instance.id))


async def remove(scope: Scope, id: str) -> None:
    """Delete an instance, if it is there."""
    await scope["instances"].delete_one({"_id": id}, session=scope.session)
