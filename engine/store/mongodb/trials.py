"""Changes on trial: the rows of `trials`, and of what was there before in `trial_documents`.

Every function runs in its caller's transaction. What a trial took the place of stands apart, since together it may be
larger than one row can be. Its keys begin with that of the trial, so that no index is needed to find them.
"""

from __future__ import annotations

import json

from engine.store.clock import microseconds
from engine.store.mongodb.connection import Row, Scope
from engine.store.mongodb.records import chunks, to_record, to_row
from engine.store.trial import Trial, no_trial
from engine.store.trying import Onset


async def running(scope: Scope) -> list[Trial]:
    """The trials that have not ended, by deadline."""
    async with scope["trials"].find(session=scope.session).sort([("deadline", 1), ("_id", 1)]) as rows:
        return [_trial(row) async for row in rows]


async def put(scope: Scope, onset: Onset) -> None:
    """Write a trial that begins, with the records that it takes the place of."""
    trial = onset.trial
    body = json.dumps(trial.to_json(), ensure_ascii=False, separators=(",", ":"))
    await scope["trials"].insert_one(
        {"_id": trial.id, "deadline": microseconds(trial.deadline), "body": body}, session=scope.session
    )
    rows = [{"_id": f"{trial.id}/{record.id}", **to_row(record)} for record in onset.before]
    for part in chunks(rows):
        await scope["trial_documents"].insert_many(part, session=scope.session)


async def take(scope: Scope, id: str) -> Onset:
    """Delete a trial; what it was, and what was there before it. Raises NotFoundError."""
    row = await scope["trials"].find_one_and_delete({"_id": id.lower()}, session=scope.session)
    if row is None:
        raise no_trial(id)
    trial = _trial(row)
    its_own: Row = {"_id": {"$gte": f"{trial.id}/", "$lt": f"{trial.id}0"}}  # 0 is what follows the slash
    async with scope["trial_documents"].find(its_own, session=scope.session) as rows:
        before = [to_record(each) async for each in rows]
    await scope["trial_documents"].delete_many(its_own, session=scope.session)
    return Onset(trial, tuple(before))


def _trial(row: Row) -> Trial:
    return Trial.from_json(json.loads(row["body"]))
