"""A daemon's admin API as a target of verbs. Apart from :mod:`engine.cli.target`, since an HTTP client is slow to import."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final, Self

from engine.cli.client import Client
from engine.cli.target import PATIENCE, Event, Item, Known, difference, outcome, same_document
from engine.errors import ConflictError, NotFoundError
from engine.store.instance import Instance
from engine.store.query import Page, Query
from engine.store.record import Resource
from engine.store.write import Delete, Outcome, Write, resource_of, subject_of

POLL_INTERVAL: Final = 1.0
"""Seconds between two looks at a daemon that is watched."""


class ServerTarget:
    """A daemon's admin API.

    Items are written in one request, and deleted in another: each is all or nothing. (`apply --prune` is both: first the
    writes, then the deletions.) What became of them is what the daemon says, as somebody else may write meanwhile.
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

    async def items(self, resource: Resource, query: Query) -> Page[Item]:
        return await self._client.items(resource, query)

    async def instances(self, namespace: str | None) -> list[Instance]:
        return await self._client.instances(namespace)

    async def apply(self, writes: Sequence[Write], *, message: str | None = None) -> list[Outcome]:
        """Do the writes. Raises ConflictError for a stale `expect`, NotFoundError for nothing to delete."""
        stored = await self._stored(writes)
        outcomes: dict[int, Outcome] = {}
        put: dict[int, Item] = {}
        before: dict[int, Item | None] = {}
        for index, write in enumerate(writes):
            here = before[index] = _before(stored[resource_of(write)], write)
            if isinstance(write, Delete):
                continue
            item = subject_of(write)
            if here is not None and write.expect not in (None, here.revision):
                raise _stale(item, here, write.expect)
            if here is not None and same_document(here, item):
                outcomes[index] = outcome("unchanged", here)
            else:
                put[index] = item.replace(revision=write.expect or 0)
        written = await self._client.put(list(put.values()), message=message)
        for index, (action, item) in zip(put, written, strict=True):
            outcomes[index] = outcome(action, item)
        gone = {index: here for index, here in before.items() if here is not None and isinstance(writes[index], Delete)}
        await self._client.delete(list(gone.values()))
        outcomes |= {index: outcome("deleted", item) for index, item in gone.items()}
        return [outcomes[index] for index in range(len(writes))]

    async def _stored(self, writes: Sequence[Write]) -> dict[Resource, Known]:
        """What there is in the namespaces that the writes are about."""
        named: dict[Resource, dict[str, None]] = {}
        for write in writes:
            namespace = write.namespace if isinstance(write, Delete) else subject_of(write).namespace
            assert namespace is not None, "verbs name the namespace of all that they write"
            named.setdefault(resource_of(write), {})[namespace] = None
        return {
            resource: Known(await self.items(resource, Query(namespaces=tuple(spaces))))
            for resource, spaces in named.items()
        }

    @asynccontextmanager
    async def watch(self, resource: Resource, query: Query) -> AsyncIterator[tuple[Page[Item], AsyncIterator[Event]]]:
        page = await self.items(resource, query)
        yield page, self._events(resource, query, page)

    async def _events(self, resource: Resource, query: Query, page: Page[Item]) -> AsyncIterator[Event]:
        known = {item.id: item for item in page}
        while True:
            await asyncio.sleep(self._poll_interval)
            now = await self.items(resource, query)
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
