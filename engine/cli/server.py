"""A daemon's admin API as a target of verbs. Apart from :mod:`engine.cli.target`, since an HTTP client is slow to import."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final, Self

from engine.cli.client import Client
from engine.cli.target import PATIENCE, Event, Item, difference, find, outcome, same_document
from engine.errors import ConflictError, NotFoundError
from engine.store.instance import Instance
from engine.store.query import Page, Query
from engine.store.record import Resource
from engine.store.write import Delete, DeleteSpec, Outcome, Put, Write, resource_of, subject_of

POLL_INTERVAL: Final = 1.0
"""Seconds between two looks at a daemon that is watched."""


class ServerTarget:
    """A daemon's admin API.

    It has no request that writes new and changed items together, so an `apply` of both is two: changes first, since
    these can conflict. Each is all or nothing, and guarded by the revisions that were seen.
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
        outcomes: dict[int, Outcome] = {}
        created: list[int] = []
        changed: list[tuple[int, Item]] = []
        deleted: list[tuple[int, Item]] = []
        stored: dict[Resource, Page[Item]] = {}
        for index, write in enumerate(writes):
            resource = resource_of(write)
            if resource not in stored:
                namespaces = tuple({_namespace(each) for each in writes} - {None})
                stored[resource] = await self.items(resource, Query(namespaces=namespaces or None))  # type: ignore[arg-type]
            before = _stored(stored[resource], write)
            if isinstance(write, Delete):
                if before is None:
                    raise _missing(write)
                deleted.append((index, before))
            elif before is None:
                created.append(index)
            else:
                subject = subject_of(write)
                if write.expect is not None and write.expect != before.revision:
                    raise ConflictError(
                        f"{subject.label} is at revision {before.revision}, and you changed revision {write.expect}",
                        place=subject.place,
                        hint="get it again, and apply your change to that",
                    )
                if same_document(before, subject):
                    outcomes[index] = outcome("unchanged", before)
                else:
                    changed.append((index, before))
        await self._patch(writes, changed, outcomes, message)
        await self._post(writes, created, outcomes, message)
        for index, before in deleted:
            await self._client.delete(before)
            outcomes[index] = outcome("deleted", before)
        return [outcomes[index] for index in range(len(writes))]

    async def _patch(
        self,
        writes: Sequence[Write],
        changed: Sequence[tuple[int, Item]],
        outcomes: dict[int, Outcome],
        message: str | None,
    ) -> None:
        subjects = [(before, _subject(writes[index])) for index, before in changed]
        for (index, _), item in zip(changed, await self._client.patch(subjects, message=message), strict=True):
            outcomes[index] = outcome("configured", item)

    async def _post(
        self, writes: Sequence[Write], created: Sequence[int], outcomes: dict[int, Outcome], message: str | None
    ) -> None:
        items = await self._client.post([_subject(writes[index]) for index in created], message=message)
        for index, item in zip(created, items, strict=True):
            outcomes[index] = outcome("created", item)

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


def _namespace(write: Write) -> str | None:
    return write.namespace if isinstance(write, Delete) else subject_of(write).namespace


def _subject(write: Write) -> Item:
    assert isinstance(write, Put)
    return subject_of(write)


def _stored(items: Iterable[Item], write: Write) -> Item | None:
    if not isinstance(write, Delete):
        return find(items, subject_of(write))
    for item in items:
        if write.id:
            if item.id == write.id:
                return item
        elif (item.namespace, item.name) == (write.namespace, write.name):
            return item
    return None


def _missing(write: Delete) -> NotFoundError:
    what = "spec" if isinstance(write, DeleteSpec) else "value"
    return NotFoundError(f"no {what} {write.name or write.id!r}")
