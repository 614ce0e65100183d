"""The mark of a store that is half a copy, in the one document of `state`.

Whoever opens, reads or writes the store sees the mark, and refuses. It names the copy that is under way, and each of that
copy's transactions renews it. So a copy that was given up for dead (it was killed, or stopped for a minute) can be
replaced by another one, and cannot write a single row after that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import uuid4

from pymongo import ReturnDocument

from engine.store.mongodb.connection import Row, Scope
from engine.store.mongodb.time import time_of
from engine.store.transfer.refusal import being_copied, overtaken, refuse_same

LEASE: Final = 60_000_000
"""Microseconds after its last sign for which a copy has the store to itself."""

_NOW: Final = time_of(None)


class Mark:
    """The mark of one copy, from `source` into `store`: URLs as they may be shown. Each method is called in a transaction."""

    def __init__(self, source: str, store: str) -> None:
        self._source = source
        self._store = store
        self._token = uuid4().hex

    async def take(self, scope: Scope, *, identity: str) -> Row | None:
        """Take the turn of a writer; the mark that an earlier copy has left, or None.

        Raises ConflictError for the store with this identity, and for one that another copy is writing to.
        """
        row = await scope["state"].find_one_and_update(
            {"_id": "state"},
            {"$inc": {"turn": 1}},
            {"identity": 1, "revision": 1, "copy": 1, "time": _NOW},
            return_document=ReturnDocument.AFTER,
            session=scope.session,
        )
        assert row is not None, "it was prepared"
        refuse_same(self._store, row["identity"], source=identity)
        left: Row | None = row.get("copy")
        if left is not None and row["time"] - left["seen"] < LEASE:
            raise being_copied(left["source"], self._store, seconds=max(0, row["time"] - left["seen"]) // 1_000_000)
        return left

    async def put(self, scope: Scope) -> None:
        """Mark the store."""
        mark = {"token": {"$literal": self._token}, "source": {"$literal": self._source}, "seen": _NOW}
        await scope["state"].update_one({"_id": "state"}, [{"$set": {"copy": mark}}], session=scope.session)

    async def renew(self, scope: Scope) -> None:
        """Tell that the copy goes on. Raises ConflictError if another one has the store by now."""
        await self._change(scope, [{"$set": {"copy.seen": _NOW}}])

    async def remove(self, scope: Scope, *, revision: int) -> None:
        """Make a store of it, with an identity of its own, that counts from this revision on. Raises as :meth:`renew`."""
        whole = {"revision": {"$literal": revision}, "identity": uuid4().hex}
        await self._change(scope, [{"$set": whole}, {"$unset": "copy"}])

    async def _change(self, scope: Scope, change: Sequence[Row]) -> None:
        own = {"_id": "state", "copy.token": self._token}
        if not (await scope["state"].update_one(own, list(change), session=scope.session)).matched_count:
            raise overtaken(self._store)
