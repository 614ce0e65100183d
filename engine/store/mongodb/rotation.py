"""Sealing the values of a database anew. Every function runs in its caller's transaction.

Rows keep their revision, and no row of `changes` is written: no watch hears of it. (Changes of values are not kept there.)
"""

from __future__ import annotations

from dataclasses import replace

from engine.store.mongodb.connection import Row, Scope
from engine.store.mongodb.records import key_of, to_record
from engine.store.vault import Rotation, Vault
from engine.store.vault.rotation import AT_ONCE


async def rotate(scope: Scope, vault: Vault, after: str | None) -> Rotation:
    """Do one part. Raises as :meth:`~engine.store.vault.vault.Vault.renewed`, without a key."""
    wanted: Row = {"_id": {"$gt": key_of("value", after or ""), "$lt": "value0"}}  # 0 is what follows the slash
    async with scope["documents"].find(wanted, session=scope.session, limit=AT_ONCE).sort("_id", 1) as rows:
        records = [to_record(row) async for row in rows]
    renewed, rotation = vault.renewed(records, may_make=lambda: False)
    for record in renewed:
        fields = {"meaning": record.meaning, "document": record.document, "origin": record.origin}
        await scope["documents"].update_one(
            {"_id": key_of(record.resource, record.id)}, {"$set": fields}, session=scope.session
        )
    return replace(rotation, after=records[-1].id if len(records) == AT_ONCE else None)
