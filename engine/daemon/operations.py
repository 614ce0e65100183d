"""The operations behind `kind: syscall`: what a flow can ask of its daemon.

Writing operations check everything first, with the same code as `weir apply`, and write all or nothing in one
transaction of the store. They change no table: the loader hears of the change from the store, as it hears of everybody
else's, so that a flow which patches itself gets its answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from engine.daemon.documents import Documents, Kind, retrying, write
from engine.daemon.requests import MAX_PAGE, Reference, read_namespace, shown
from engine.errors import Code, DiagnosticsError, ErrorValue, InvalidError, NotFoundError
from engine.flow import Process
from engine.graph.check import check_specs
from engine.graph.context import Languages
from engine.graph.scheme import Scheme
from engine.spec.model import Spec, Value, parse_spec, parse_value
from engine.store.protocol import DeleteSpec, DeleteValue, HistoryEntry, PutSpec, PutValue, Query, Store


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
        specs: Kind[Spec] = Kind(
            what="spec",
            read=store.specs,
            parse=parse_spec,
            put=PutSpec,
            delete=lambda spec: DeleteSpec(id=spec.id, namespace=spec.namespace, expect=spec.revision),
            check=self._check,
        )
        values: Kind[Value] = Kind(
            what="value",
            read=store.values,
            parse=parse_value,
            put=PutValue,
            delete=lambda value: DeleteValue(id=value.id, namespace=value.namespace, expect=value.revision),
            check=_check_nothing,
        )
        self._operations: dict[str, Callable[[Any, str], Awaitable[Any]]] = {
            **_named("nodes", Documents(specs, store)),
            **_named("values", Documents(values, store)),
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

    # --- the daemon

    async def _read_instances(self, payload: Any, _namespace: str) -> Any:
        return [instance.to_json() for instance in await self._store.instances(read_namespace(payload))]

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
        limit = reference.whole("limit")
        limit = min(limit, MAX_PAGE) if limit is not None else None
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
        """Make what an earlier revision says the newest one."""
        reference = Reference.of(payload, "to", "message")
        wanted = reference.whole("to")
        message = reference.text("message")
        namespace, known = reference.namespace, reference.known

        async def attempt() -> Any:
            here = await self._spec(namespace, known)
            reference.condition.check(here.label if here is not None else known, here.revision if here else None)
            entry = _chosen(await self._store.history(namespace, known), wanted, label=f"{known!r} in {namespace!r}")
            # A spec that was deleted and made again has another id: what it said before goes to the one that is there.
            id = here.id if here is not None else entry.id
            document = {**(entry.document or {}), "id": id, "namespace": entry.namespace}
            spec = parse_spec(document, origin=entry.origin)
            await self._check([spec])
            put = PutSpec(spec, expect=here.revision if here is not None else 0)
            [outcome] = await write(self._store, [put], message or f"back to revision {entry.revision}")
            assert outcome.spec is not None
            return shown(outcome.spec)

        return await retrying(attempt)

    # --- between them

    async def _spec(self, namespace: str, known: str) -> Spec | None:
        """The spec with this name, or else this id, as the history takes it."""
        for query in (Query(namespaces=(namespace,), names=(known,)), Query(namespaces=(namespace,), ids=(known,))):
            if found := await self._store.specs(query):
                return found[0]
        return None

    async def _check(self, specs: Sequence[Spec]) -> None:
        """Refuse specs with errors, all of them told. A link to what is not there yet is none.

        Paths begin with the index of the spec where there are several.
        """
        if not specs:
            return
        namespaces = tuple({spec.namespace for spec in specs})
        existing = [*self._host.builtin(), *await self._store.specs(Query(namespaces=namespaces))]
        found = check_specs(
            specs, scheme=self._scheme, languages=self._languages, existing=existing, indexed=len(specs) > 1
        )
        errors = [each for each in found if each.severity == "error"]
        if errors:
            raise DiagnosticsError(errors)


def _named(resource: str, documents: Documents[Any]) -> dict[str, Callable[[Any, str], Awaitable[Any]]]:
    """The opcodes of one kind of documents."""
    return {
        f"{resource}.create": documents.create,
        f"{resource}.read": documents.read,
        f"{resource}.update": documents.update,
        f"{resource}.delete": documents.delete,
        f"{resource}.apply": documents.apply,
    }


def _chosen(entries: Sequence[HistoryEntry], wanted: int | None, *, label: str) -> HistoryEntry:
    """The entry to go back to: the wanted revision, or the last one before what is there now."""
    puts = [entry for entry in entries if entry.document is not None]
    if wanted is not None:
        puts = [entry for entry in puts if entry.revision == wanted]
    elif entries and entries[0].document is not None:
        puts = puts[1:]
    if not puts:
        which = f"revision {wanted}" if wanted is not None else "an earlier revision"
        raise NotFoundError(f"{label} has no {which}")
    return puts[0]


async def _check_nothing(_values: Sequence[Value]) -> None:
    """Values are any data."""
