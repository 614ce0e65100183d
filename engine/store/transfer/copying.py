"""A whole store into an empty one: specs, values and the history of specs, with their ids and revisions.

The copy is one moment of the source, which may be written to meanwhile. It is read again where it has arrived, and only
when both sides have the same hash it becomes a store; until then the destination is empty or says that it is half a copy.
So what clients hold (ids, revisions, resource versions) means the same in both. Not copied are the daemons that run, and
the changes of values, which are no history.

A trial is refused: two stores would take it back, each by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal, TypeAlias

from engine.errors import NotFoundError, UnavailableError
from engine.store.transfer.protocol import Contents, Destination, Source
from engine.store.transfer.tally import Tally

Step: TypeAlias = Literal["history", "documents", "verify"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step is: `done` of `total` items. The total is what was there in the beginning; more may have come."""

    step: Step
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied. `revision` is the last one given in the source, and so in the copy; `digest` the hash of both."""

    revision: int
    specs: int
    values: int
    changes: int
    digest: str


async def copy(
    source: Source,
    destination: Destination,
    *,
    namespaces: frozenset[str] | None = None,
    tell: Callable[[Progress], None] = lambda _: None,
) -> Copied:
    """Copy these namespaces (None: all) of an open source into an open, empty destination.

    Raises ConflictError for a destination that is not empty or in use, for both being one store, and for a source in
    which a trial runs; NotFoundError for namespaces with nothing in them; UnavailableError if either cannot be reached, or if what has arrived is not what was sent. Nothing
    is copied then, nor if it is cancelled.
    """
    outline = await source.begin(namespaces)
    if namespaces is not None and not (outline.specs or outline.values or outline.changes):
        raise NotFoundError(
            f"there is nothing in {', '.join(sorted(namespaces))} of {source.url}",
            hint="`weir get specs -A` lists what is",
        )
    await destination.begin(source.url, outline)
    sent = Tally()
    async with aclosing(source.changes()) as history:
        async for changes in history:
            await destination.add_changes(changes)
            sent.add_changes(changes)
            tell(Progress("history", sent.changes, outline.changes))
    async with aclosing(source.records()) as documents:
        async for records in documents:
            await destination.add_records(records)
            sent.add_records(records)
            tell(Progress("documents", sent.specs + sent.values, outline.specs + outline.values))
    arrived = await _read(destination, sent, tell)
    if arrived != sent:
        raise UnavailableError(
            f"{destination.url} does not hold what was written to it: {arrived} instead of {sent}, "
            f"or others of the same number",
            hint="nothing was copied; check its disk, and try again",
        )
    await destination.finish(source.revision)
    return Copied(source.revision, *sent.counts, sent.digest)


async def _read(contents: Contents, expected: Tally, tell: Callable[[Progress], None]) -> Tally:
    found = Tally()
    total = sum(expected.counts)
    async with aclosing(contents.changes()) as history:
        async for changes in history:
            found.add_changes(changes)
            tell(Progress("verify", sum(found.counts), total))
    async with aclosing(contents.records()) as documents:
        async for records in documents:
            found.add_records(records)
            tell(Progress("verify", sum(found.counts), total))
    return found
