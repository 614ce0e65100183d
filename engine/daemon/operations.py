"""The operations behind `kind: syscall`: what a flow can ask of its daemon.

Writing operations check everything first, with the same code as `weir apply`, and write all or nothing in one
transaction of the store. They change no table: the loader hears of the change from the store, as it hears of everybody
else's, so that a flow which patches itself gets its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from engine.daemon.requests import Items, Reference, Selection, shown
from engine.errors import (
    Code,
    ConflictError,
    Diagnostic,
    DiagnosticsError,
    ErrorValue,
    InvalidError,
    NotFoundError,
    WeirError,
)
from engine.flow import Process
from engine.graph.check import check_specs
from engine.graph.context import Languages
from engine.graph.scheme import Scheme
from engine.spec.model import DEFAULT_NAMESPACE, Spec, Value, merge_patch, parse_spec, parse_value
from engine.store.protocol import (
    DeleteSpec,
    DeleteValue,
    Outcome,
    Page,
    PutSpec,
    PutValue,
    Query,
    Store,
    Write,
)

ATTEMPTS = 5
"""How often an update that names no revision is tried against somebody who writes at the same time."""

Resource = Spec | Value


class Host(Protocol):
    """What the operations need to know of the daemon."""

    def processes(self) -> Iterable[Process]: ...
    def builtin(self) -> Sequence[Spec]: ...
    async def health(self) -> Mapping[str, Any]: ...


class Operations:
    """The opcodes of one daemon."""

    def __init__(self, store: Store, scheme: Scheme, languages: Languages, host: Host) -> None:
        self._store = store
        self._scheme = scheme
        self._languages = languages
        self._host = host
        self._operations: dict[str, Callable[[Any, str], Awaitable[Any]]] = {
            "nodes.create": self._create_specs,
            "nodes.read": self._read_specs,
            "nodes.update": self._update_specs,
            "nodes.delete": self._delete_specs,
            "nodes.apply": self._apply_specs,
            "values.create": self._create_values,
            "values.read": self._read_values,
            "values.update": self._update_values,
            "values.delete": self._delete_values,
            "values.apply": self._apply_values,
            "instances.read": self._read_instances,
            "processes.read": self._read_processes,
            "processes.cancel": self._cancel_process,
            "revisions.read": self._read_revisions,
            "revisions.rollback": self._roll_back,
            "health.read": self._read_health,
        }

    async def call(self, opcode: str, payload: Any, *, namespace: str) -> Any:
        """See :class:`engine.graph.context.Syscalls`."""
        return await self._operations[opcode](payload, namespace)

    # --- specs

    async def _create_specs(self, payload: Any, _namespace: str) -> Any:
        items = Items.of(payload, "a spec")
        specs = _parse(items, parse_spec)
        await self._check(specs)
        writes = [PutSpec(spec, create_only=True) for spec in specs]
        return _answer(await self._write(writes, items.message), items)

    async def _apply_specs(self, payload: Any, _namespace: str) -> Any:
        items = Items.of(payload, "a spec")
        specs = _parse(items, parse_spec)
        await self._check(specs)
        writes = [PutSpec(spec, expect=_expected(spec)) for spec in specs]
        return _answer(await self._write(writes, items.message), items)

    async def _update_specs(self, payload: Any, _namespace: str) -> Any:
        items = Items.of(payload, "a spec")

        async def attempt() -> Any:
            before = [await self._find(self._store.specs, document, "node") for document in items.documents]
            specs = _patch(items, before, parse_spec)
            await self._check(specs)
            writes = [
                PutSpec(spec, expect=spec.revision or old.revision) for spec, old in zip(specs, before, strict=True)
            ]
            return _answer(await self._write(writes, items.message), items)

        return await _retrying(attempt, items)

    async def _read_specs(self, payload: Any, namespace: str) -> Any:
        selection = Selection.of(payload, namespace)
        return _listing(await self._store.specs(selection.query), selection)

    async def _delete_specs(self, payload: Any, namespace: str) -> Any:
        selection = Selection.of(payload, namespace)
        found = await self._store.specs(selection.query)
        _precondition(selection.if_match, found)
        writes = [DeleteSpec(id=spec.id, namespace=spec.namespace, expect=spec.revision) for spec in found]
        await self._write(writes, None)
        return [shown(spec) for spec in found]

    # --- values

    async def _create_values(self, payload: Any, _namespace: str) -> Any:
        items = Items.of(payload, "a value")
        writes = [PutValue(value, create_only=True) for value in _parse(items, parse_value)]
        return _answer(await self._write(writes, items.message), items)

    async def _apply_values(self, payload: Any, _namespace: str) -> Any:
        items = Items.of(payload, "a value")
        writes = [PutValue(value, expect=_expected(value)) for value in _parse(items, parse_value)]
        return _answer(await self._write(writes, items.message), items)

    async def _update_values(self, payload: Any, _namespace: str) -> Any:
        items = Items.of(payload, "a value")

        async def attempt() -> Any:
            before = [await self._find(self._store.values, document, "value") for document in items.documents]
            values = _patch(items, before, parse_value)
            writes = [
                PutValue(value, expect=value.revision or old.revision)
                for value, old in zip(values, before, strict=True)
            ]
            return _answer(await self._write(writes, items.message), items)

        return await _retrying(attempt, items)

    async def _read_values(self, payload: Any, namespace: str) -> Any:
        selection = Selection.of(payload, namespace)
        return _listing(await self._store.values(selection.query), selection)

    async def _delete_values(self, payload: Any, namespace: str) -> Any:
        selection = Selection.of(payload, namespace)
        found = await self._store.values(selection.query)
        _precondition(selection.if_match, found)
        writes = [DeleteValue(id=value.id, namespace=value.namespace, expect=value.revision) for value in found]
        await self._write(writes, None)
        return [shown(value) for value in found]

    # --- the daemon

    async def _read_instances(self, payload: Any, _namespace: str) -> Any:
        wanted = payload.get("namespace") if isinstance(payload, Mapping) else None
        return [instance.to_json() for instance in await self._store.instances(wanted)]

    async def _read_processes(self, _payload: Any, _namespace: str) -> Any:
        return [process.statistics() for process in self._host.processes()]

    async def _cancel_process(self, payload: Any, _namespace: str) -> Any:
        wanted = payload.get("id") if isinstance(payload, Mapping) else payload
        if not isinstance(wanted, str):
            raise InvalidError("the id of a process is needed")
        for process in self._host.processes():
            if process.id == wanted:
                process.cancel(ErrorValue(Code.CANCELLED.title, Code.CANCELLED, (ErrorValue("by the operator"),)))
                return process.statistics()
        raise NotFoundError(f"no process has the id {wanted}")

    async def _read_health(self, _payload: Any, _namespace: str) -> Any:
        return dict(await self._host.health())

    # --- history

    async def _read_revisions(self, payload: Any, _namespace: str) -> Any:
        reference = Reference.of(payload, "limit")
        limit = reference.extra.get("limit")
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
            raise InvalidError("`limit` must be a whole number from 1 on")
        entries = await self._store.history(reference.namespace, reference.known, limit=limit)
        if not entries:
            raise NotFoundError(f"there is no history of {reference.known!r} in {reference.namespace!r}")
        return [
            {
                "revision": entry.revision,
                "action": entry.action,
                "id": entry.id,
                "namespace": entry.namespace,
                "name": entry.name,
                "time": entry.time.isoformat(),
                "author": entry.author,
                "message": entry.message,
                "document": entry.document,
            }
            for entry in entries
        ]

    async def _roll_back(self, payload: Any, _namespace: str) -> Any:
        reference = Reference.of(payload, "to", "message")
        entries = await self._store.history(reference.namespace, reference.known)
        wanted = reference.extra.get("to")
        puts = [entry for entry in entries if entry.document is not None]
        if wanted is None:
            puts = puts[1:] if entries and entries[0].document is not None else puts
        else:
            puts = [entry for entry in puts if entry.revision == wanted]
        if not puts:
            which = f"revision {wanted}" if wanted is not None else "an earlier revision"
            raise NotFoundError(f"{reference.known!r} in {reference.namespace!r} has no {which}")
        entry = puts[0]
        document = {**(entry.document or {}), "id": entry.id, "namespace": entry.namespace}
        spec = parse_spec(document, origin=entry.origin)
        await self._check([spec])
        message = reference.extra.get("message") or f"back to revision {entry.revision}"
        [outcome] = await self._write([PutSpec(spec)], message)
        assert outcome.spec is not None
        return shown(outcome.spec)

    # --- between them

    async def _check(self, specs: Sequence[Spec]) -> None:
        """Refuse specs with errors, all of them told. A link to what is not there yet is none."""
        if not specs:
            return
        namespaces = tuple({spec.namespace for spec in specs})
        existing = [*self._host.builtin(), *await self._store.specs(Query(namespaces=namespaces))]
        found = check_specs(specs, scheme=self._scheme, languages=self._languages, existing=existing)
        errors = [each for each in found if each.severity == "error"]
        if errors:
            raise DiagnosticsError(errors)

    async def _write(self, writes: Sequence[Write], message: str | None) -> list[Outcome]:
        if not writes:
            return []
        # What is written is written whole: whoever asked may go away meanwhile.
        return await asyncio.shield(
            asyncio.ensure_future(self._store.apply(writes, author="admin API", message=message))
        )

    async def _find(
        self, read: Callable[[Query], Awaitable[Page[Any]]], document: Mapping[str, Any], what: str
    ) -> Resource:
        """The document that a patch is about: by id, or by namespace and name."""
        known, name = document.get("id"), document.get("name")
        namespace = document.get("namespace")
        for field, value in (("id", known), ("name", name), ("namespace", namespace)):
            if value is not None and not isinstance(value, str):
                raise InvalidError(f"`{field}` must be text")
        if known:
            query = Query(ids=(known,))
        elif name:
            query = Query(namespaces=(namespace or DEFAULT_NAMESPACE,), names=(name,))
        else:
            raise InvalidError("a patch needs an `id`, or a `name` (and `namespace`)")
        found = await read(query)
        if not found:
            where = f"the id {known}" if known else f"the name {name!r} in {namespace or DEFAULT_NAMESPACE!r}"
            raise NotFoundError(f"no {what} has {where}")
        return found[0]  # type: ignore[no-any-return]


def _parse(items: Items, parse: Callable[..., Any]) -> list[Any]:
    """The items as specs or values; everything that is wrong with any of them at once."""
    parsed: list[Any] = []
    problems: list[Diagnostic] = []
    for index, document in enumerate(items.documents):
        try:
            parsed.append(parse(document))
        except DiagnosticsError as error:
            prefix = () if items.single else (index,)
            problems += [replace(each, path=(*prefix, *each.path)) for each in error.diagnostics]
    if problems:
        raise DiagnosticsError(problems)
    return parsed


def _patch(items: Items, before: Sequence[Resource], parse: Callable[..., Any]) -> list[Any]:
    """The documents as they are after their merge patches (RFC 7396)."""
    merged = []
    for document, old in zip(items.documents, before, strict=True):
        _precondition(items.if_match, [old])
        base = {**old.document, "id": old.id, "namespace": old.namespace}
        merged.append(merge_patch(base, document))
    return _parse(replace(items, documents=merged), parse)


def _expected(subject: Resource) -> int | None:
    return subject.revision or None


def _precondition(if_match: int | None, found: Sequence[Resource]) -> None:
    for subject in found:
        if if_match is not None and subject.revision != if_match:
            raise WeirError(
                f"If-Match names revision {if_match}, but {subject.label} is at revision {subject.revision}",
                code=Code.PRECONDITION,
                hint="read it again and repeat the change",
            )


async def _retrying(attempt: Callable[[], Awaitable[Any]], items: Items) -> Any:
    """Repeat a patch that lost a race; where somebody named the revision he has seen, losing is the answer."""
    named = items.if_match is not None or any("revision" in document for document in items.documents)
    for _ in range(0 if named else ATTEMPTS - 1):
        try:
            return await attempt()
        except ConflictError:
            continue
    return await attempt()


def _answer(outcomes: Sequence[Outcome], items: Items) -> Any:
    written = [shown(subject) for each in outcomes if (subject := each.spec or each.value) is not None]
    return written[0] if items.single and written else written


def _listing(page: Page[Any], selection: Selection) -> Any:
    listed = [shown(subject) for subject in page]
    return {"items": listed, "continue": page.after} if selection.paged else listed
