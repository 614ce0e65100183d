"""A daemon's admin API as a target of verbs. Apart from :mod:`engine.cli.target`, since an HTTP client is slow to import."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

from engine.cli.client import Client
from engine.cli.target import (
    PATIENCE,
    Event,
    Item,
    Known,
    Outlook,
    RunningProcess,
    difference,
    outcome,
    same_document,
)
from engine.errors import ConflictError, NotFoundError
from engine.store.change import HistoryEntry
from engine.store.instance import Instance
from engine.store.query import Page, Query
from engine.store.record import Resource
from engine.store.rollback import Rollback
from engine.store.trial import Applied, Reverted, Trial
from engine.store.write import Action, Delete, Outcome, Write, resource_of, subject_of

POLL_INTERVAL: Final = 1.0
"""Seconds between two looks at a daemon that is watched."""


@dataclass(slots=True)
class _Wish:
    """Writes, by their places in the list: items to put, items to delete, and those that say what is there already."""

    resource: Resource
    put: dict[int, Item] = field(default_factory=dict)
    gone: dict[int, Item] = field(default_factory=dict)
    expected: dict[int, int | None] = field(default_factory=dict)
    same: dict[int, Outcome] = field(default_factory=dict)

    @property
    def gone_ids(self) -> list[tuple[str, int | None]]:
        return [(item.id, self.expected[index]) for index, item in self.gone.items()]

    def outcomes(self, told: Sequence[tuple[Action, Item]]) -> list[Outcome]:
        """The outcomes of all writes in their order, from what was told of those to put, and of those to delete."""
        places = [*self.put, *self.gone]
        found = dict(self.same)
        for index, (action, item) in zip(places, told, strict=True):
            written = self.put.get(index)
            # A daemon tells no places; what was sent has some.
            found[index] = outcome(action, item.replace(origin=written.origin) if written is not None else item)
        return [found[index] for index in sorted(found)]


class ServerTarget:
    """A daemon's admin API.

    All writes go in one request, which is all or nothing. What became of them is what the daemon says, as somebody else
    may write meanwhile.
    """

    def __init__(self, url: str, *, patience: float = PATIENCE, poll_interval: float = POLL_INTERVAL) -> None:
        self._client = Client(url, patience=patience)
        self._poll_interval = poll_interval

    async def __aenter__(self) -> Self:
        await self._client.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def items(self, resource: Resource, query: Query, *, reveal: bool = False) -> Page[Item]:
        return await self._client.items(resource, query, reveal=reveal)

    async def instances(self, namespace: str | None) -> list[Instance]:
        return await self._client.instances(namespace)

    async def processes(self) -> list[RunningProcess]:
        return [RunningProcess(str(form["id"]), form) for form in await self._client.processes()]

    async def history(self, namespace: str, known: str, *, limit: int | None = None) -> list[HistoryEntry]:
        return await self._client.history(namespace, known, limit=limit)

    async def roll_back(self, way: Rollback, *, message: str | None = None) -> Outcome:
        spec = await self._client.roll_back(way, message=message)
        if not way.expect:
            return outcome("created", spec)
        return outcome("unchanged" if spec.revision == way.expect else "configured", spec)

    async def trials(self, namespace: str | None) -> list[Trial]:
        return await self._client.trials(namespace)

    async def confirm(self, id: str) -> Trial:
        return await self._client.confirm(id)

    async def revert(self, id: str) -> Reverted:
        return await self._client.revert(id)

    async def apply(
        self, writes: Sequence[Write], *, message: str | None = None, trial: timedelta | None = None
    ) -> Applied:
        """Do the writes, of one resource. Raises ConflictError for a stale `expect`, NotFoundError for nothing to delete."""
        wish = await self._wish(writes)
        if wish is None:
            return Applied()
        put = list(wish.put.values())
        written, begun = await self._client.put(wish.resource, put, wish.gone_ids, message=message, trial=trial)
        outcomes = wish.outcomes([*written, *(("deleted", item) for item in wish.gone.values())])
        return Applied(outcomes, trial=begun)

    async def foresee(self, writes: Sequence[Write]) -> Outlook:
        wish = await self._wish(writes)
        if wish is None:
            return Outlook([], [], asked=True)
        written, plan = await self._client.foresee(wish.resource, list(wish.put.values()), wish.gone_ids)
        return Outlook(wish.outcomes(written), plan, asked=True)

    async def _wish(self, writes: Sequence[Write]) -> _Wish | None:
        """What has to be asked for; None if there is nothing."""
        if not writes:
            return None
        [resource] = {resource_of(write) for write in writes}
        stored = (await self._stored(writes))[resource]
        wish = _Wish(resource)
        for index, write in enumerate(writes):
            here = _before(stored, write)
            if isinstance(write, Delete):
                assert here is not None, "what is not there was refused"
                if write.expect not in (None, here.revision):
                    raise _stale(here, here, write.expect)
                wish.gone[index], wish.expected[index] = here, write.expect
                continue
            item = subject_of(write)
            if here is not None and write.expect not in (None, here.revision):
                raise _stale(item, here, write.expect)
            if here is not None and same_document(here, item):
                wish.same[index] = outcome("unchanged", here.replace(origin=item.origin))
            else:
                wish.put[index] = item.replace(revision=write.expect or 0)
        return wish

    async def _stored(self, writes: Sequence[Write]) -> dict[Resource, Known]:
        """What there is in the namespaces that the writes are about."""
        named: dict[Resource, dict[str, None]] = {}
        for write in writes:
            namespace = write.namespace if isinstance(write, Delete) else subject_of(write).namespace
            assert namespace is not None, "verbs name the namespace of all that they write"
            named.setdefault(resource_of(write), {})[namespace] = None
        return {
            resource: Known(await self.items(resource, Query(namespaces=tuple(spaces)), reveal=True))
            for resource, spaces in named.items()
        }

    @asynccontextmanager
    async def watch(
        self, resource: Resource, query: Query, *, reveal: bool = False
    ) -> AsyncIterator[tuple[Page[Item], AsyncIterator[Event]]]:
        page = await self.items(resource, query, reveal=reveal)
        yield page, self._events(resource, query, page, reveal=reveal)

    async def _events(
        self, resource: Resource, query: Query, page: Page[Item], *, reveal: bool
    ) -> AsyncIterator[Event]:
        known = {item.id: item for item in page}
        while True:
            await asyncio.sleep(self._poll_interval)
            now = await self.items(resource, query, reveal=reveal)
            for event in difference(known, now):
                yield event
            known = {item.id: item for item in now}


def _before(known: Known, write: Write) -> Item | None:
    """What is there of a write. Raises NotFoundError for a deletion of nothing."""
    if not isinstance(write, Delete):
        return known.find(subject_of(write))
    found = known.get(id=write.id, namespace=write.namespace, name=write.name)
    if found is None:
        raise NotFoundError(f"no {resource_of(write)} {write.name or write.id!r}")
    return found


def _stale(item: Item, here: Item, expect: int | None) -> ConflictError:
    return ConflictError(
        f"{item.label} is at revision {here.revision}, and the writer has seen revision {expect}",
        place=item.place,
        hint="get it again, and apply your change to that",
    )
