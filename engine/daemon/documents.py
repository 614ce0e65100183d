"""Create, read, update, apply and delete: the same five operations for specs and for values.

Everything is read and checked before anything is written, and one operation is one transaction of the store. What is
decided by looking first (a patch, a precondition) names the revision that it has seen; who loses against somebody who
writes at the same time looks again, unless he has named a revision himself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeVar

from engine.daemon.requests import Items, Selection, shown_outcome, tried
from engine.errors import ConflictError, Diagnostic, DiagnosticsError, InvalidError, NotFoundError
from engine.graph.forecast import Effect
from engine.spec.model import DEFAULT_NAMESPACE, Spec, Value, merge_patch
from engine.store.protocol import Applied, Outcome, Page, Query, Store, Write
from engine.store.shown import document_of

ATTEMPTS = 5
"""How often a write that names no revision is tried against somebody who writes at the same time."""

AUTHOR = "admin API"
"""Who has written, as the history tells it."""

ItemT = TypeVar("ItemT", Spec, Value)


class Foresee(Protocol):
    """What outcomes would make of what runs; with `live`, only of what runs in this daemon."""

    async def __call__(self, outcomes: Sequence[Outcome], *, live: bool = False) -> Sequence[Effect]: ...


@dataclass(frozen=True, slots=True)
class Kind(Generic[ItemT]):
    """What specs and values do not have in common. `check` raises all that is wrong with items before they are written.

    `secret` tells that what they say is hidden unless somebody asks for it.
    """

    what: str
    read: Callable[[Query], Awaitable[Page[ItemT]]]
    parse: Callable[[Mapping[str, Any]], ItemT]
    put: Callable[[ItemT, int | None, bool], Write]
    delete: Callable[[Spec | Value], Write]
    drop: Callable[[str, int | None], Write]
    check: Callable[[Sequence[ItemT]], Awaitable[None]]
    secret: bool = False


class Documents(Generic[ItemT]):
    """The operations on one kind of documents. `namespace` is always that of the flow which asks."""

    def __init__(self, kind: Kind[ItemT], store: Store, foresee: Foresee) -> None:
        self._kind: Kind[ItemT] = kind
        self._store = store
        self._foresee = foresee

    async def create(self, payload: Any, _namespace: str) -> Any:
        """Make new ones. Raises ConflictError for one that is there already."""
        items = Items.of(payload, f"a {self._kind.what}")
        if items.condition.given:
            raise InvalidError(
                "If-Match and If-None-Match mean nothing here: only what is new is made",
                hint="PUT makes or replaces, PATCH changes what is there",
            )
        _only_puts(items)
        subjects = self._parse(items)
        await self._kind.check(subjects)
        writes = [self._kind.put(subject, None, True) for subject in subjects]
        return await self._write(items, writes)

    async def apply(self, payload: Any, _namespace: str) -> Any:
        """Make or replace, and delete what is named beside that.

        Raises ConflictError for a stale `revision`, an error `precondition` for a stale If-Match, NotFoundError for
        nothing to delete.
        """
        items = Items.of(payload, f"a {self._kind.what}")
        subjects = self._parse(items)
        await self._kind.check(subjects)

        async def attempt() -> Any:
            seen: list[int | None] = [subject.revision or None for subject in subjects]
            if items.condition.given:
                [subject] = subjects
                here = await self._current(subject)
                items.condition.check(subject.label, here.revision if here is not None else None)
                seen = [subject.revision or (here.revision if here is not None else 0)]
            writes = [self._kind.put(subject, expect, False) for subject, expect in zip(subjects, seen, strict=True)]
            writes += [self._kind.drop(id, expect) for id, expect in items.gone]
            return await self._write(items, writes)

        named = any(subject.revision for subject in subjects) or any(expect for _, expect in items.gone)
        return await retrying(attempt, named=named)

    async def update(self, payload: Any, _namespace: str) -> Any:
        """Change by merge patches (RFC 7396). Raises NotFoundError, and whatever :meth:`apply` raises."""
        items = Items.of(payload, f"a {self._kind.what}")
        _only_puts(items)

        async def attempt() -> Any:
            before = [await self._find(document) for document in items.documents]
            for index, old in enumerate(before):
                if old.id in {other.id for other in before[:index]}:
                    raise InvalidError(f"item {index} patches {old.label} again", hint="make one patch of the two")
                items.condition.check(old.label, old.revision)
            subjects = self._parse(_merged(items, before))
            await self._kind.check(subjects)
            writes = [
                self._kind.put(subject, subject.revision or old.revision, False)
                for subject, old in zip(subjects, before, strict=True)
            ]
            return await self._write(items, writes)

        return await retrying(attempt, named=any("revision" in document for document in items.documents))

    async def read(self, payload: Any, namespace: str) -> Any:
        """List: a plain list, or with `limit` or `continue` a page of it."""
        selection = Selection.to_read(payload, namespace, secret=self._kind.secret)
        page = await self._kind.read(selection.query)
        listed = [document_of(subject, reveal=selection.reveal) for subject in page]
        return {"items": listed, "continue": page.after} if selection.paged else listed

    async def delete(self, payload: Any, namespace: str) -> Any:
        """Delete what a filter means, and give it back. To find nothing is no error, unless a precondition says so."""
        selection = Selection.to_delete(payload, namespace)
        condition = selection.condition

        async def attempt() -> Any:
            there: Page[ItemT] = await self._kind.read(selection.query)
            found: list[Spec | Value] = [*there, *there.broken]  # what cannot be opened can be deleted
            if condition.given:
                if len(found) > 1:
                    raise InvalidError(f"If-Match goes with exactly one item, and {len(found)} are meant")
                condition.check(found[0].label, found[0].revision) if found else condition.check("it", None)
            writes = [self._kind.delete(subject) for subject in found]
            if selection.dry_run:
                return await self._try(writes)
            applied = await write(self._store, writes, selection.message, trial=selection.trial)
            gone = [document_of(subject) for subject in found]
            return gone if selection.trial is None else tried(gone, applied.trial)

        return await retrying(attempt, or_gone=True)

    # --- writing

    async def _write(self, items: Items, writes: Sequence[Write]) -> Any:
        if items.dry_run:
            return await self._try(writes)
        await self._look_ahead(items, writes)
        return items.answer(await write(self._store, writes, items.message, trial=items.trial))

    async def _look_ahead(self, items: Items, writes: Sequence[Write]) -> None:
        """Refuse what this daemon could not run beside what it runs: an address that another node has, say."""
        outcomes = await self._store.apply(writes, dry_run=True)
        written = {each.id: index for index, each in enumerate(outcomes) if each.action in ("created", "configured")}
        problems: list[Diagnostic] = []
        for effect in await self._foresee(outcomes, live=True):
            index = written.get(effect.spec.id)
            if effect.state != "failed" or index is None:
                continue
            found = effect.diagnostics or [Diagnostic("load", effect.reason, effect.spec.place)]
            problems += found if items.single else [_within(index, each) for each in found]
        if problems:
            raise DiagnosticsError(problems)

    async def _try(self, writes: Sequence[Write]) -> Any:
        """What writing would do to the store, and then to what runs."""
        outcomes = await self._store.apply(writes, dry_run=True)
        effects = await self._foresee(outcomes)
        return {
            "outcomes": [shown_outcome(each) for each in outcomes],
            "plan": [effect.to_json() for effect in effects],
        }

    # --- finding what is there

    async def _find(self, document: Mapping[str, Any]) -> ItemT:
        """The document that a patch is about: by id, or by namespace and name."""
        known, name = document.get("id"), document.get("name")
        namespace = document.get("namespace")
        for field, value in (("id", known), ("name", name), ("namespace", namespace)):
            if value is not None and not isinstance(value, str):
                raise InvalidError(f"`{field}` must be text")
        if not known and not name:
            raise InvalidError("a patch needs an `id`, or a `name` (and `namespace`)")
        namespace = namespace or DEFAULT_NAMESPACE
        found = await self._look(known, namespace, name)
        if found is None:
            where = f"the id {known}" if known else f"the name {name!r} in {namespace!r}"
            raise NotFoundError(f"no {self._kind.what} has {where}")
        return found

    async def _current(self, subject: ItemT) -> ItemT | None:
        """What writing this would replace."""
        return await self._look(subject.id, subject.namespace, subject.name)

    async def _look(self, known: str | None, namespace: str, name: str | None) -> ItemT | None:
        if known:
            query = Query(ids=(known,))
        elif name:
            query = Query(namespaces=(namespace,), names=(name,))
        else:
            return None
        return next(iter(await self._kind.read(query)), None)

    def _parse(self, items: Items) -> list[ItemT]:
        """The items as specs or values; everything that is wrong with any of them at once."""
        parsed: list[ItemT] = []
        problems: list[Diagnostic] = []
        for index, document in enumerate(items.documents):
            try:
                parsed.append(self._kind.parse(document))
            except DiagnosticsError as error:
                problems += error.diagnostics if items.single else [_within(index, each) for each in error.diagnostics]
        if problems:
            raise DiagnosticsError(problems)
        return parsed


async def write(
    store: Store, writes: Sequence[Write], message: str | None, *, trial: timedelta | None = None
) -> Applied:
    """Do all writes or none. What is written is written whole: whoever asked may go away meanwhile."""
    if not writes:
        return Applied()
    applying = store.apply(writes, author=AUTHOR, message=message, trial=trial)
    return await asyncio.shield(asyncio.ensure_future(applying))


def _only_puts(items: Items) -> None:
    if items.gone:
        raise InvalidError("`delete` beside the items is for PUT only", hint="DELETE deletes by itself")


def _within(index: int, found: Diagnostic) -> Diagnostic:
    """A finding about one item, told of the whole list."""
    return replace(found, path=(index, *found.path))


def _merged(items: Items, before: Sequence[Spec | Value]) -> Items:
    """The documents as they are after their patches."""
    documents = [
        merge_patch({**old.document, "id": old.id, "namespace": old.namespace}, document)
        for document, old in zip(items.documents, before, strict=True)
    ]
    return replace(items, documents=documents)


async def retrying(attempt: Callable[[], Awaitable[Any]], *, named: bool = False, or_gone: bool = False) -> Any:
    """Repeat what lost a race; where somebody named the revision that he has seen, losing is the answer.

    `or_gone` tells that it is a race as well if something is not there any more.
    """
    for _ in range(0 if named else ATTEMPTS - 1):
        try:
            return await attempt()
        except ConflictError as error:
            if not _is_race(error):
                raise
        except NotFoundError:
            if not or_gone:
                raise
    return await attempt()


def _is_race(error: ConflictError) -> bool:
    """Whether a revision was not the expected one; other conflicts (a name that is taken) do not pass by themselves."""
    return isinstance(error.value.details, Mapping) and "expected" in error.value.details
