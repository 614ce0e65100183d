"""The operations behind `kind: syscall`: what a flow can ask of its daemon.

Writing operations check everything first, with the same code as `weir apply`, and write all or nothing in one
transaction of the store. They change no table: the loader hears of the change from the store, as it hears of everybody
else's, so that a flow which patches itself gets its answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from engine.daemon.documents import AUTHOR, Documents, Kind, retrying, write
from engine.daemon.outlook import changes_of, imagined
from engine.daemon.requests import MAX_PAGE, Reference, read_namespace, read_trial, shown_outcome
from engine.daemon.trials import Trials
from engine.errors import DiagnosticsError, InvalidError, NotFoundError, UnavailableError
from engine.flow import Process
from engine.graph.check import check_specs
from engine.graph.context import Languages
from engine.graph.forecast import Effect
from engine.graph.intake import Changes
from engine.graph.scheme import Scheme
from engine.graph.warming import warm_up
from engine.spec.model import Spec, Value, parse_spec, parse_value
from engine.store.protocol import DeleteSpec, DeleteValue, HistoryEntry, Outcome, PutSpec, PutValue, Query, Store
from engine.store.rollback import Rollback, choose
from engine.store.shown import document_of
from engine.store.trial import TAKEN_BACK


class Host(Protocol):
    """What the operations need to know of the daemon."""

    def processes(self) -> Iterable[Process]: ...
    def builtin(self) -> Sequence[Spec]: ...
    def runs(self, namespace: str) -> bool: ...
    async def forecast(self, namespace: str, changes: Changes) -> Sequence[Effect]: ...
    async def health(self) -> Mapping[str, Any]: ...
    def cancel(self, id: str) -> dict[str, Any] | None: ...
    async def elsewhere(self, what: str, argument: str | None = None) -> Sequence[Mapping[str, Any]]: ...

    @property
    def worker(self) -> int | None: ...


class Operations:
    """The opcodes of one daemon."""

    def __init__(self, store: Store, scheme: Scheme, languages: Languages, host: Host, *, trials: Trials) -> None:
        self._store = store
        self._trials = trials
        self._scheme = scheme
        self._languages = languages
        self._host = host
        specs: Kind[Spec] = Kind(
            what="spec",
            read=store.specs,
            parse=parse_spec,
            put=PutSpec,
            delete=lambda spec: DeleteSpec(id=spec.id, namespace=spec.namespace, expect=spec.revision),
            drop=lambda known, expect: DeleteSpec(id=known, expect=expect),
            check=self._check,
        )
        values: Kind[Value] = Kind(
            what="value",
            read=store.values,
            parse=parse_value,
            put=PutValue,
            delete=lambda value: DeleteValue(id=value.id, namespace=value.namespace, expect=value.revision),
            drop=lambda known, expect: DeleteValue(id=known, expect=expect),
            check=_check_nothing,
            secret=True,
        )
        self._operations: dict[str, Callable[[Any, str], Awaitable[Any]]] = {
            **_named("nodes", Documents(specs, store, self._foresee)),
            **_named("values", Documents(values, store, self._foresee)),
            "instances.read": self._read_instances,
            "processes.read": self._read_processes,
            "processes.cancel": self._cancel_process,
            "revisions.read": self._read_revisions,
            "revisions.rollback": self._roll_back,
            "trials.read": self._read_trials,
            "trials.confirm": self._confirm_trial,
            "trials.revert": self._revert_trial,
            "health.read": self._read_health,
        }

    async def call(self, opcode: str, payload: Any, *, namespace: str) -> Any:
        """See :class:`engine.graph.context.Syscalls`."""
        return await self._operations[opcode](payload, namespace)

    # --- the daemon

    async def _read_instances(self, payload: Any, _namespace: str) -> Any:
        return [instance.to_json() for instance in await self._store.instances(read_namespace(payload))]

    async def _read_processes(self, _payload: Any, _namespace: str) -> Any:
        """Those of all workers. A worker that does not answer has a row that says so, instead of its processes."""
        found = [process.statistics() for process in self._host.processes()]
        if self._host.worker is None:
            return found
        rows = [{**each, "worker": self._host.worker} for each in found]
        for other in await self._host.elsewhere("processes"):
            number = other["worker"]
            if "answer" in other:
                rows += [{**each, "worker": number} for each in other["answer"]]
            else:
                origin = f"worker {number} (pid {other['pid']}) does not answer"
                rows.append(
                    {"id": f"worker/{number}", "worker": number, "state": "silent", "origin": origin, "waits": []}
                )
        return rows

    async def _cancel_process(self, payload: Any, _namespace: str) -> Any:
        wanted = payload.get("id") if isinstance(payload, Mapping) else payload
        if not isinstance(wanted, str):
            raise InvalidError("the id of a process is needed")
        cancelled = self._host.cancel(wanted)
        if cancelled is not None:
            return cancelled
        others = await self._host.elsewhere("cancel", wanted)
        for other in others:
            if other.get("answer") is not None:
                return {**other["answer"], "worker": other["worker"]}
        silent = [str(other["worker"]) for other in others if "answer" not in other]
        if silent:
            raise UnavailableError(
                f"no process has the id {wanted}, as far as workers answer; silent: {', '.join(silent)}"
            )
        raise NotFoundError(f"no process has the id {wanted}")

    async def _read_health(self, _payload: Any, _namespace: str) -> Any:
        return dict(await self._host.health())

    # --- history

    async def _read_revisions(self, payload: Any, _namespace: str) -> Any:
        reference = Reference.of(payload, "limit")
        limit = reference.whole("limit")
        limit = min(limit, MAX_PAGE) if limit is not None else None
        entries = await self._history(reference, limit=limit)
        return [entry.to_json() for entry in entries]

    async def _roll_back(self, payload: Any, _namespace: str) -> Any:
        """Make what an earlier revision says the newest one."""
        reference = Reference.of(payload, "to", "message")
        wanted = reference.whole("to")
        message = reference.text("message")
        namespace, known = reference.namespace, reference.known

        async def attempt() -> Any:
            entries = await self._history(reference)
            label = f"{known!r} in {namespace!r}"
            way = Rollback(known, choose(entries, wanted, label=label), entries[0])
            reference.condition.check(label, way.expect or None)
            put = way.put()
            await self._check([put.spec])
            [outcome] = await write(self._store, [put], message or way.reason)
            assert outcome.spec is not None
            return document_of(outcome.spec)

        return await retrying(attempt)

    async def _history(self, reference: Reference, *, limit: int | None = None) -> list[HistoryEntry]:
        entries = await self._store.history(reference.namespace, reference.known, limit=limit)
        if not entries:
            raise NotFoundError(f"there is no history of {reference.known!r} in {reference.namespace!r}")
        return entries

    # --- trials

    async def _read_trials(self, payload: Any, _namespace: str) -> Any:
        namespace = read_namespace(payload)
        trials = await self._store.trials()
        return [trial.to_json() for trial in trials if namespace is None or namespace in trial.namespaces]

    async def _confirm_trial(self, payload: Any, _namespace: str) -> Any:
        return (await self._trials.confirm(read_trial(payload))).to_json()

    async def _revert_trial(self, payload: Any, _namespace: str) -> Any:
        """Take it back at once: what became of its specs, and which were left as they are."""
        reverted = await self._trials.revert(read_trial(payload), author=AUTHOR, reason=TAKEN_BACK)
        return {
            "trial": reverted.trial.to_json(),
            "outcomes": [shown_outcome(each) for each in reverted.outcomes],
            "left": [left.to_json() for left in reverted.left],
        }

    # --- between them

    async def _foresee(self, outcomes: Sequence[Outcome], *, live: bool = False) -> list[Effect]:
        """What a dry run would have changed in what runs, namespace by namespace.

        A namespace that this daemon does not run is imagined, from what the store has; or left out, with `live`.
        """
        effects: list[Effect] = []
        for namespace, changes in changes_of(outcomes).items():
            if self._host.runs(namespace):
                effects += await self._host.forecast(namespace, changes)
            if live or self._host.runs(namespace):
                continue
            effects += await imagined(self._store, namespace, changes, scheme=self._scheme, languages=self._languages)
        return effects

    async def _check(self, specs: Sequence[Spec]) -> None:
        """Refuse specs with errors, all of them told. A link to what is not there yet is none.

        Paths begin with the index of the spec where there are several.
        """
        if not specs:
            return
        await warm_up(self._languages, specs)
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


async def _check_nothing(_values: Sequence[Value]) -> None:
    """Values are any data."""
