"""What an `apply` will do, decided before anything is written.

Every store works in the same three steps, inside one transaction of its own: look up the records that :meth:`Draft.wants`
names, let :func:`decide` say what becomes of them, write that down. All rules about identity, revisions and conflicts are
therefore here, once; a store only reads and writes rows.

Writes take effect one after another; names must be unique only at the end, so that two specs can swap theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.errors import ConflictError, DiagnosticsError, InvalidError, NotFoundError, Place
from engine.spec.model import Spec, Value
from engine.store.change import LogEntry
from engine.store.record import Record, Resource, Sealed, label, refuse_hidden, says_the_same, seal, unseal
from engine.store.write import Delete, Outcome, Put, PutSpec, PutValue, Write, resource_of, subject_of
from engine.uuid7 import uuid7

IdKey = tuple[Resource, str]
NameKey = tuple[Resource, str, str]


@dataclass(frozen=True, slots=True)
class Draft:
    """The writes of an `apply`, checked one by one; `sealed` stands beside `writes`, None for a deletion."""

    writes: tuple[Write, ...]
    sealed: tuple[Sealed | None, ...]

    @classmethod
    def of(cls, writes: Iterable[Write]) -> Draft:
        """Check and seal all documents. Raises InvalidError as :func:`~engine.store.record.seal` does."""
        listed = tuple(writes)
        for write in listed:
            if not isinstance(write, Write):
                raise InvalidError(f"a store cannot apply a {type(write).__name__}", hint="wrap specs in PutSpec")
            if isinstance(write, PutValue):
                refuse_hidden(write.value)
        sealed = tuple(seal(subject_of(write)) if isinstance(write, Put) else None for write in listed)
        return cls(listed, sealed)

    def wants(self) -> tuple[list[IdKey], list[NameKey]]:
        """The ids and the names whose records :func:`decide` must see."""
        ids: dict[IdKey, None] = {}
        names: dict[NameKey, None] = {}
        for write in self.writes:
            resource = resource_of(write)
            target = subject_of(write) if isinstance(write, Put) else write
            if target.id:
                ids[resource, target.id.lower()] = None
            if target.name and target.namespace:
                names[resource, target.namespace, target.name] = None
        return list(ids), list(names)


@dataclass(slots=True)
class Plan:
    """What to write.

    `final` holds every record that a write touched, None if it is to be deleted. `log` has the changes in order. The
    store's next revision is `revision + 1`.
    """

    revision: int
    outcomes: list[Outcome] = field(default_factory=list)
    final: dict[IdKey, Record | None] = field(default_factory=dict)
    log: list[LogEntry] = field(default_factory=list)


def decide(
    draft: Draft,
    records: Iterable[Record],
    *,
    revision: int,
    time: int,
    author: str | None = None,
    message: str | None = None,
    new_id: Callable[[], str] = uuid7,
) -> Plan:
    """Decide about all writes. `revision` is the last one given, `time` is in microseconds since 1970.

    Raises ConflictError (a stale `expect`; `create_only` and it is there; an id of another namespace; a name that
    another id holds) or NotFoundError (nothing to delete), with the place of the spec. Nothing is changed then.
    """
    decision = _Decision(records, Plan(revision), batch=revision + 1, time=time, author=author, message=message)
    for write, sealed in zip(draft.writes, draft.sealed, strict=True):
        if sealed is None:
            assert isinstance(write, Delete)
            decision.delete(write)
        else:
            assert isinstance(write, Put)
            decision.put(write, sealed, new_id)
    decision.check_names(draft.writes)
    return decision.plan


class _Decision:
    """The records as they would be after the writes so far."""

    def __init__(
        self,
        records: Iterable[Record],
        plan: Plan,
        *,
        batch: int,
        time: int,
        author: str | None,
        message: str | None,
    ) -> None:
        self.plan = plan
        self._batch = batch
        self._time = time
        self._author = author
        self._message = message
        self._by_id: dict[IdKey, Record] = {}
        self._holders: dict[NameKey, set[str]] = {}
        for record in records:
            self._hold(record)

    def put(self, write: Put, sealed: Sealed, new_id: Callable[[], str]) -> None:
        resource = resource_of(write)
        subject = subject_of(write)
        found = self._find(resource, subject.id, subject.namespace, subject.name, place=subject.place)
        if found is not None and found.namespace != subject.namespace:
            raise ConflictError(
                f"{subject.label} has the id of {found.label}",
                place=subject.place,
                hint="an id stays in its namespace: leave out the id to make a new one",
            )
        if found is not None and write.create_only:
            raise ConflictError(
                f"{subject.label} is there already, at revision {found.revision}",
                place=subject.place,
                hint="apply or patch it to change it",
                details=_details(found, 0),
            )
        _check_expect(write.expect, found, subject.label, place=subject.place)
        if found is not None and found.name == subject.name and says_the_same(found, sealed):
            self._keep(write, found, sealed)
            return
        self.plan.revision += 1
        record = Record(
            resource,
            found.id if found is not None else subject.id.lower() or new_id(),
            subject.namespace,
            subject.name,
            self.plan.revision,
            sealed.labels,
            sealed.meaning,
            sealed.document,
            sealed.origin,
        )
        if found is not None:
            self._release(found)
        self._hold(record)
        self.plan.final[resource, record.id] = record
        self.plan.log.append(
            LogEntry.put(record, batch=self._batch, time=self._time, author=self._author, message=self._message)
        )
        self._note("created" if found is None else "configured", record, write)

    def delete(self, write: Delete) -> None:
        resource = resource_of(write)
        known = label(resource, write.namespace, write.name or write.id)
        found = self._find(resource, write.id, write.namespace, write.name, place=Place())
        if found is None or (write.namespace is not None and write.namespace != found.namespace):
            raise NotFoundError(f"there is no {known}", hint="look with `weir get`")
        _check_expect(write.expect, found, found.label, place=Place())
        self._release(found)
        self.plan.revision += 1
        self.plan.final[resource, found.id] = None
        self.plan.log.append(
            LogEntry.deletion(
                found,
                self.plan.revision,
                batch=self._batch,
                time=self._time,
                author=self._author,
                message=self._message,
            )
        )
        try:
            gone: Spec | Value | None = unseal(found)
        except DiagnosticsError:
            gone = None  # what cannot be read must still be possible to delete
        self.plan.outcomes.append(
            Outcome(
                "deleted",
                resource,
                found.namespace,
                found.id,
                found.name,
                self.plan.revision,
                gone if isinstance(gone, Spec) else None,
                gone if isinstance(gone, Value) else None,
            )
        )

    def check_names(self, writes: Sequence[Write]) -> None:
        """Refuse a name that two documents of a namespace would have."""
        for write in writes:
            if not isinstance(write, Put):
                continue
            subject = subject_of(write)
            holders = self._holders.get((resource_of(write), subject.namespace, subject.name or ""), ())
            if len(holders) > 1:
                other = next((holder for holder in sorted(holders) if holder != subject.id.lower()), subject.id)
                raise ConflictError(
                    f"{subject.label}: the name {subject.name!r} in namespace {subject.namespace!r} is held by {other}",
                    place=subject.place,
                    hint="choose another name, or leave out the id to change the one that holds it",
                )

    def _find(
        self, resource: Resource, id: str | None, namespace: str | None, name: str | None, *, place: Place
    ) -> Record | None:
        if id:
            return self._by_id.get((resource, id.lower()))
        if not name or namespace is None:
            return None
        holders = self._holders.get((resource, namespace, name), set())
        if len(holders) > 1:
            raise ConflictError(
                f"{label(resource, namespace, name)} could be any of {', '.join(sorted(holders))} at that point",
                place=place,
                hint="give its id",
            )
        return next((self._by_id[resource, holder] for holder in holders), None)

    def _keep(self, write: Put, found: Record, sealed: Sealed) -> None:
        """Nothing new is said. It may stand elsewhere now, or its keys in another order: that is kept, quietly.

        So is a value that was kept plain, or sealed with an older key.
        """
        elsewhere = sealed.origin is not None and (sealed.document, sealed.origin) != (found.document, found.origin)
        if elsewhere or found.stale:
            document, origin = (sealed.document, sealed.origin) if elsewhere else (found.document, found.origin)
            moved = replace(found, document=document, origin=origin, stale=False)
            self._by_id[found.resource, found.id] = moved
            self.plan.final[found.resource, found.id] = moved
        self._note("unchanged", found, write)

    def _note(self, action: str, record: Record, write: Put) -> None:
        given = {"id": record.id, "namespace": record.namespace, "name": record.name, "revision": record.revision}
        spec = write.spec.replace(**given) if isinstance(write, PutSpec) else None
        value = write.value.replace(**given) if isinstance(write, PutValue) else None
        self.plan.outcomes.append(
            Outcome(
                action,  # type: ignore[arg-type]
                record.resource,
                record.namespace,
                record.id,
                record.name,
                record.revision,
                spec,
                value,
            )
        )

    def _hold(self, record: Record) -> None:
        self._by_id[record.resource, record.id] = record
        if record.name:
            self._holders.setdefault((record.resource, record.namespace, record.name), set()).add(record.id)

    def _release(self, record: Record) -> None:
        del self._by_id[record.resource, record.id]
        if record.name:
            self._holders[record.resource, record.namespace, record.name].discard(record.id)


def _check_expect(expect: int | None, found: Record | None, known: str, *, place: Place) -> None:
    current = found.revision if found is not None else 0
    if expect is None or expect == current:
        return
    if found is None:
        message = f"{known} was read at revision {expect} and is not there any more"
    elif expect == 0:
        message = f"{known} should be new, but is there at revision {current}"
    else:
        message = f"{known} was read at revision {expect}, but has revision {current} by now"
    raise ConflictError(
        message,
        place=place,
        hint="read it again, make your change to that, and write once more",
        details=_details(found, expect),
    )


def _details(found: Record | None, expect: int) -> Mapping[str, object]:
    """Both revisions, for problem JSON."""
    if found is None:
        return {"expected": expect, "actual": 0}
    return {
        "expected": expect,
        "actual": found.revision,
        "id": found.id,
        "namespace": found.namespace,
        "name": found.name,
    }
