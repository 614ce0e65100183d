"""Where specs and values are read and written: a store, or a daemon's admin API, behind one interface.

Verbs speak to a :class:`Target` and do not know which of the two it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Literal, Protocol, Self, TypeAlias

from engine.errors import Diagnostic, UnavailableError
from engine.spec.model import Spec, Value
from engine.store.change import Batch, HistoryEntry
from engine.store.instance import Instance
from engine.store.protocol import Store
from engine.store.query import Page, Query
from engine.store.record import Resource, said
from engine.store.rollback import Rollback
from engine.store.trial import TAKEN_BACK, Applied, Reverted, Trial
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


@dataclass(frozen=True, slots=True)
class Outlook:
    """What writes would do: an outcome for each, and the effects on what runs.

    `effects` are in the form of :meth:`engine.graph.forecast.Effect.to_json`. `asked` tells whether a daemon was asked,
    or they were thought out from what is stored.
    """

    outcomes: Sequence[Outcome]
    effects: Sequence[Mapping[str, Any]]
    asked: bool


@dataclass(frozen=True, slots=True)
class RunningProcess:
    """A live process, as it told of itself: :meth:`engine.flow.process.Process.statistics`."""

    id: str
    form: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        return dict(self.form)


class Target(Protocol):
    """Opened by `async with`. All methods raise UnavailableError within :data:`PATIENCE` if nobody answers."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def items(self, resource: Resource, query: Query, *, reveal: bool = False) -> Page[Item]:
        """All that the query asks for, all pages of it, with what could not be read in `problems`.

        Whoever needs what values say asks to `reveal` it; otherwise a daemon hides it.
        """
        ...

    async def apply(
        self, writes: Sequence[Write], *, message: str | None = None, trial: timedelta | None = None
    ) -> Applied:
        """Do all writes or none, as :meth:`engine.store.protocol.Store.apply`.

        Raises UnavailableError for a `trial` that no daemon would take back.
        """
        ...

    async def foresee(self, writes: Sequence[Write]) -> Outlook:
        """What :meth:`apply` would do, to what is stored and to what runs; the same errors, and nothing is written."""
        ...

    async def trials(self, namespace: str | None) -> list[Trial]:
        """The trials with specs in a namespace (None: in any), by deadline."""
        ...

    async def confirm(self, id: str) -> Trial:
        """End a trial: what it wrote stays. Raises NotFoundError for one that has ended."""
        ...

    async def revert(self, id: str) -> Reverted:
        """End a trial: what was there before is written again. Raises NotFoundError for one that has ended."""
        ...

    async def history(self, namespace: str, known: str, *, limit: int | None = None) -> list[HistoryEntry]:
        """The revisions of a spec, as :meth:`engine.store.protocol.Store.history`; a daemon tells no places."""
        ...

    async def roll_back(self, way: Rollback, *, message: str | None = None) -> Outcome:
        """Make what an entry of a history says the newest revision.

        Raises ConflictError, which names both revisions, if another one than `way.newest` is there by now.
        """
        ...

    async def instances(self, namespace: str | None) -> list[Instance]:
        """The daemons that are alive."""
        ...

    async def processes(self) -> list[RunningProcess]:
        """The live processes of a daemon. Raises UnavailableError where no daemon is asked."""
        ...

    def watch(
        self, resource: Resource, query: Query, *, reveal: bool = False
    ) -> AbstractAsyncContextManager[tuple[Page[Item], AsyncIterator[Event]]]:
        """What there is, and then each change of it."""
        ...


def same_document(stored: Item, written: Item) -> bool:
    """Whether to write the one over the other would change nothing: the rule of all stores."""
    return stored.name == written.name and said(stored.document) == said(written.document)


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

    def beside(self, written: Iterable[Item]) -> list[Item]:
        """The items that none of these would replace."""
        replaced = {found.id for item in written if (found := self.find(item)) is not None}
        return [item for id, item in self._by_id.items() if id not in replaced]

    def get(self, *, id: str | None = None, namespace: str | None = None, name: str | None = None) -> Item | None:
        """The item with this id, or else with this namespace and name."""
        if id:
            return self._by_id.get(id)
        return self._by_name.get((namespace, name)) if namespace and name else None


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

    async def items(self, resource: Resource, query: Query, *, reveal: bool = False) -> Page[Item]:  # noqa: ARG002
        found: list[Item] = []
        problems: list[Diagnostic] = []
        broken: list[Value] = []
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
                    broken += values.broken
            if after is None:
                return Page(found, revision=revision, problems=tuple(problems), broken=broken)
            query = replace(query, after=after)

    async def apply(
        self, writes: Sequence[Write], *, message: str | None = None, trial: timedelta | None = None
    ) -> Applied:
        async with self._patient():
            if trial is not None and not await self._store.instances():
                raise UnavailableError(
                    f"nobody would take it back: no daemon runs on the store {self._store.url}; nothing was written",
                    hint="start one with `weir start`, or apply without --confirm and --wait=all-or-revert",
                )
            return await self._store.apply(writes, author=self._author, message=message, trial=trial)

    async def trials(self, namespace: str | None) -> list[Trial]:
        async with self._patient():
            trials = await self._store.trials()
        return [trial for trial in trials if namespace is None or namespace in trial.namespaces]

    async def confirm(self, id: str) -> Trial:
        async with self._patient():
            return await self._store.confirm(id)

    async def revert(self, id: str) -> Reverted:
        async with self._patient():
            return await self._store.revert(id, author=self._author, reason=TAKEN_BACK)

    async def foresee(self, writes: Sequence[Write]) -> Outlook:
        from engine.cli.checking import outlook

        async with self._patient():
            outcomes = await self._store.apply(writes, dry_run=True)
        return Outlook(outcomes, await outlook(self._store, outcomes), asked=False)

    async def history(self, namespace: str, known: str, *, limit: int | None = None) -> list[HistoryEntry]:
        async with self._patient():
            return await self._store.history(namespace, known, limit=limit)

    async def roll_back(self, way: Rollback, *, message: str | None = None) -> Outcome:
        [outcome] = await self.apply([way.put()], message=message or way.reason)
        return outcome

    async def processes(self) -> list[RunningProcess]:
        raise UnavailableError(
            "a store does not know which processes run",
            hint="name a daemon: --server http://127.0.0.1:8585, or the variable WEIR_SERVER",
        )

    async def instances(self, namespace: str | None) -> list[Instance]:
        async with self._patient():
            return await self._store.instances(namespace)

    @asynccontextmanager
    async def watch(
        self, resource: Resource, query: Query, *, reveal: bool = False
    ) -> AsyncIterator[tuple[Page[Item], AsyncIterator[Event]]]:
        namespaces = frozenset(query.namespaces) if query.namespaces is not None else None
        async with self._store.watch(namespaces) as changes:  # before the listing, so that nothing is missed
            page = await self.items(resource, query, reveal=reveal)
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
