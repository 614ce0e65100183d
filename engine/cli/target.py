"""Where specs and values are read and written: a store, or a daemon's admin API, behind one interface.

Verbs speak to a :class:`Target` and do not know which of the two it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Literal, Protocol, Self, TypeAlias

from engine.errors import Diagnostic, UnavailableError
from engine.spec.model import Spec, Value, canonical
from engine.store.change import Batch
from engine.store.instance import Instance
from engine.store.protocol import Store
from engine.store.query import Page, Query
from engine.store.record import Resource
from engine.store.write import Outcome, Write

Item: TypeAlias = Spec | Value

PATIENCE: Final = 10.0
"""Seconds after which a store or daemon that does not answer counts as unreachable."""

_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Event:
    """What a watch tells: an item as it is now, or as it was before it was deleted."""

    action: Literal["put", "deleted"]
    item: Item


class Target(Protocol):
    """Opened by `async with`. All methods raise UnavailableError within :data:`PATIENCE` if nobody answers."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def items(self, resource: Resource, query: Query) -> Page[Item]:
        """All that the query asks for, all pages of it, with what could not be read in `problems`."""
        ...

    async def apply(self, writes: Sequence[Write], *, message: str | None = None) -> list[Outcome]:
        """Do all writes or none, as :meth:`engine.store.protocol.Store.apply`."""
        ...

    async def instances(self, namespace: str | None) -> list[Instance]:
        """The daemons that are alive."""
        ...

    def watch(
        self, resource: Resource, query: Query
    ) -> AbstractAsyncContextManager[tuple[Page[Item], AsyncIterator[Event]]]:
        """What there is, and then each change of it."""
        ...


def same_document(stored: Item, written: Item) -> bool:
    """Whether to write the one over the other would change nothing: the rule of all stores."""
    return stored.name == written.name and _said(stored) == _said(written)


class Known:
    """Stored items, to be found by what would replace them."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._by_id: dict[str, Item] = {}
        self._by_name: dict[tuple[str, str], Item] = {}
        for item in items:
            self._by_id[item.id] = item
            if item.name:
                self._by_name[item.namespace, item.name] = item

    def find(self, wanted: Item) -> Item | None:
        """The item that `wanted` would replace: the one with its id, or, if it has none, its namespace and name."""
        if wanted.id:
            return self.get(id=wanted.id)
        return self.get(namespace=wanted.namespace, name=wanted.name)

    def get(self, *, id: str | None = None, namespace: str | None = None, name: str | None = None) -> Item | None:
        """The item with this id, or else with this namespace and name."""
        if id:
            return self._by_id.get(id)
        return self._by_name.get((namespace, name)) if namespace and name else None


def _said(item: Item) -> str:
    return canonical({key: value for key, value in item.document.items() if key not in ("id", "namespace", "revision")})


class StoreTarget:
    """A store, opened directly."""

    def __init__(self, store: Store, *, author: str | None = None, patience: float = PATIENCE) -> None:
        self._store = store
        self._author = author
        self._patience = patience

    async def __aenter__(self) -> Self:
        async with self._patient():
            await self._store.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._store.close()

    async def items(self, resource: Resource, query: Query) -> Page[Item]:
        found: list[Item] = []
        problems: list[Diagnostic] = []
        query = replace(query, limit=_PAGE)
        while True:
            async with self._patient():
                if resource == "spec":
                    specs = await self._store.specs(query)
                    found += specs
                    after, revision = specs.after, specs.revision
                    problems += specs.problems
                else:
                    values = await self._store.values(query)
                    found += values
                    after, revision = values.after, values.revision
                    problems += values.problems
            if after is None:
                return Page(found, revision=revision, problems=tuple(problems))
            query = replace(query, after=after)

    async def apply(self, writes: Sequence[Write], *, message: str | None = None) -> list[Outcome]:
        async with self._patient():
            return await self._store.apply(writes, author=self._author, message=message)

    async def instances(self, namespace: str | None) -> list[Instance]:
        async with self._patient():
            return await self._store.instances(namespace)

    @asynccontextmanager
    async def watch(self, resource: Resource, query: Query) -> AsyncIterator[tuple[Page[Item], AsyncIterator[Event]]]:
        namespaces = frozenset(query.namespaces) if query.namespaces is not None else None
        async with self._store.watch(namespaces) as changes:  # before the listing, so that nothing is missed
            page = await self.items(resource, query)
            yield page, self._events(changes, resource, query, page)

    async def _events(
        self, changes: AsyncIterator[object], resource: Resource, query: Query, page: Page[Item]
    ) -> AsyncIterator[Event]:
        known = {item.id: item for item in page}
        seen = page.revision
        async for batch in changes:
            if isinstance(batch, Batch):
                if batch.revision <= seen:
                    continue
                ids = {change.id for change in batch.changes if change.resource == resource}
                if not ids:
                    continue
                seen = batch.revision
            else:  # history is lost: list again, and tell the difference
                ids = None
            now = await self.items(resource, query)
            seen = max(seen, now.revision)
            for event in difference(known, now):
                yield event
            known = {item.id: item for item in now}

    @asynccontextmanager
    async def _patient(self) -> AsyncIterator[None]:
        """Give up on a store that does not answer; the message of a store that does says what is wrong."""
        try:
            async with asyncio.timeout(self._patience):
                yield
        except TimeoutError:
            raise UnavailableError(
                f"the store {self._store.url} did not answer within {self._patience:g}s",
                hint="see whether it runs, and whether `store.url` is right",
            ) from None


def outcome(action: Literal["created", "configured", "unchanged", "deleted"], item: Item) -> Outcome:
    """The outcome of a write that left (or found) this item."""
    resource: Resource = "spec" if isinstance(item, Spec) else "value"
    return Outcome(
        action,
        resource,
        item.namespace,
        item.id,
        item.name,
        item.revision,
        spec=item if isinstance(item, Spec) else None,
        value=item if isinstance(item, Value) else None,
    )


def difference(known: dict[str, Item], now: Iterable[Item]) -> list[Event]:
    """What happened between two listings, in the order of revisions; deletions first."""
    items = {item.id: item for item in now}
    gone = [Event("deleted", item) for id, item in known.items() if id not in items]
    new = [item for id, item in items.items() if id not in known or known[id].revision != item.revision]
    return gone + [Event("put", item) for item in sorted(new, key=lambda item: item.revision)]
