"""A store in this process, gone with it: for tests, and for trying things out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from engine.errors import UnavailableError
from engine.spec.model import Spec, Value
from engine.store.change import Batch, HistoryEntry, LogEntry, Retention
from engine.store.check.protocol import Inspection
from engine.store.clock import Clock, microseconds, utc_now
from engine.store.instance import FORGOTTEN, Instance, dump_body
from engine.store.listing import compose
from engine.store.plan import Draft, IdKey, NameKey, Plan, decide
from engine.store.protocol import Store
from engine.store.query import ANYTHING, Page, Query
from engine.store.record import Record, Resource
from engine.store.transfer.protocol import Destination, Source
from engine.store.transfer.refusal import nothing_lasts
from engine.store.trial import NOT_CONFIRMED, Applied, Reverted, Trial, no_trial
from engine.store.trying import Onset, Reversal, begin
from engine.store.vault.rotation import Rotation
from engine.store.watch import Watch
from engine.store.write import Write

SubjectT = TypeVar("SubjectT", Spec, Value)


class MemoryStore(Store):
    """The contract of :class:`~engine.store.protocol.Store`, kept by dictionaries.

    What it holds outlives :meth:`close`, not the object. Nothing in it awaits, so a cancelled call has not happened.
    """

    def __init__(self, *, clock: Clock = utc_now, retention: Retention | None = None) -> None:
        self._clock = clock
        self._retention = retention or Retention()
        self._open = False
        self._revision = 0
        self._records: dict[IdKey, Record] = {}
        self._names: dict[NameKey, str] = {}
        self._history: dict[str, deque[LogEntry]] = {}
        self._trials: dict[str, Onset] = {}
        self._instances: dict[str, Instance] = {}
        self._watches: list[Watch] = []

    @property
    def url(self) -> str:
        return "memory://"

    async def open(self) -> None:
        self._open = True

    async def close(self) -> None:
        self._open = False
        for watch in self._watches:
            watch.end()
        self._watches = []

    async def specs(self, query: Query = ANYTHING) -> Page[Spec]:
        return self._list("spec", Spec, query)

    async def values(self, query: Query = ANYTHING) -> Page[Value]:
        return self._list("value", Value, query)

    async def apply(
        self,
        writes: Iterable[Write],
        *,
        author: str | None = None,
        message: str | None = None,
        dry_run: bool = False,
        trial: timedelta | None = None,
    ) -> Applied:
        self._check_open()
        draft = Draft.of(writes)
        now = microseconds(self._clock())
        records = self._wanted(draft.wants())
        plan = decide(draft, records, revision=self._revision, time=now, author=author, message=message)
        onset: Onset | None = None
        if trial is not None:
            running = [each.trial for each in self._trials.values()]
            onset = begin(draft, plan, records, length=trial, running=running, time=now, author=author, message=message)
        if not dry_run:
            self._commit(plan, now)
            if onset is not None:
                self._trials[onset.trial.id] = onset
        return Applied(plan.outcomes, trial=onset.trial if onset is not None else None)

    async def trials(self) -> list[Trial]:
        self._check_open()
        return sorted((each.trial for each in self._trials.values()), key=lambda trial: (trial.deadline, trial.id))

    async def confirm(self, id: str) -> Trial:
        return self._take_trial(id).trial

    async def revert(self, id: str, *, author: str | None = None, reason: str = NOT_CONFIRMED) -> Reverted:
        onset = self._take_trial(id)
        now = microseconds(self._clock())
        reversal = Reversal(onset.trial, onset.before)
        plan, left = reversal.decide(
            self._wanted(reversal.wants()), revision=self._revision, time=now, reason=reason, author=author
        )
        self._commit(plan, now)
        return Reverted(onset.trial, plan.outcomes, left)

    async def rotate(self, after: str | None = None) -> Rotation:  # noqa: ARG002
        self._check_open()
        return Rotation()  # nothing is at rest here

    def watch(self, namespaces: frozenset[str] | None = None) -> Watch:
        return Watch(namespaces, subscribe=self._subscribe, unsubscribe=self._unsubscribe)

    async def history(self, namespace: str, known: str, *, limit: int | None = None) -> list[HistoryEntry]:
        self._check_open()
        entries = [entry for log in self._history.values() for entry in log if entry.namespace == namespace]
        holder = self._names.get(("spec", namespace, known))
        found = [entry for entry in entries if entry.name == known or entry.id == holder]
        if not found:
            found = [entry for entry in entries if entry.id == known.lower()]
        found.sort(key=lambda entry: entry.revision, reverse=True)
        return [entry.history() for entry in found[:limit]]

    async def put_instance(self, instance: Instance) -> None:
        self._check_open()
        dump_body(instance)  # refuses what other stores could not keep
        now = self._clock()
        oldest = now - FORGOTTEN
        self._instances = {known.id: known for known in self._instances.values() if known.heartbeat >= oldest}
        self._instances[instance.id] = replace(instance, heartbeat=now)

    async def instances(self, namespace: str | None = None) -> list[Instance]:
        self._check_open()
        now = self._clock()
        alive = (
            replace(instance, read=now)
            for instance in self._instances.values()
            if instance.alive(now) and namespace in (None, instance.namespace)
        )
        return sorted(alive, key=lambda instance: (instance.namespace, instance.host, instance.id))

    async def remove_instance(self, id: str) -> None:
        self._check_open()
        self._instances.pop(id, None)

    async def now(self) -> datetime:
        self._check_open()
        return self._clock()

    def inspection(self) -> Inspection:
        raise nothing_lasts("checked")

    def source(self) -> Source:
        raise nothing_lasts("copied from")

    def destination(self) -> Destination:
        raise nothing_lasts("copied to")

    def _check_open(self) -> None:
        if not self._open:
            raise UnavailableError("the store in memory is not open")

    def _list(self, resource: Resource, kind: type[SubjectT], query: Query) -> Page[SubjectT]:
        self._check_open()
        admitted = [record for record in self._records.values() if record.resource == resource and query.admits(record)]
        admitted.sort(key=lambda record: record.key)
        position = query.position()
        if position is not None:
            admitted = [record for record in admitted if record.key > position]
        return compose(kind, admitted, query=query, revision=self._revision)

    def _take_trial(self, id: str) -> Onset:
        self._check_open()
        onset = self._trials.pop(id.lower(), None)
        if onset is None:
            raise no_trial(id)
        return onset

    def _wanted(self, wants: tuple[list[IdKey], list[NameKey]]) -> list[Record]:
        ids, names = wants
        keys = dict.fromkeys(ids)
        for resource, namespace, name in names:
            holder = self._names.get((resource, namespace, name))
            if holder is not None:
                keys[resource, holder] = None
        return [self._records[key] for key in keys if key in self._records]

    def _commit(self, plan: Plan, now: int) -> None:
        for key in plan.final:
            old = self._records.pop(key, None)
            if old is not None and old.name is not None:
                del self._names[old.resource, old.namespace, old.name]
        for key, record in plan.final.items():
            if record is None:
                continue
            self._records[key] = record
            if record.name is not None:
                self._names[record.resource, record.namespace, record.name] = record.id
        self._revision = plan.revision
        self._remember(plan.log, now)
        if plan.log:
            batch = Batch(plan.revision, tuple(entry.change() for entry in plan.log))
            for watch in self._watches:
                watch.offer(batch)

    def _remember(self, log: list[LogEntry], now: int) -> None:
        for entry in log:
            if entry.resource == "spec":
                self._history.setdefault(entry.id, deque(maxlen=self._retention.count)).append(entry)
        if self._retention.age is None:
            return
        oldest = now - microseconds(self._retention.age)
        for spec, entries in list(self._history.items()):
            while entries and entries[0].time < oldest:
                entries.popleft()
            if not entries:
                del self._history[spec]

    async def _subscribe(self, watch: Watch) -> int:
        self._check_open()
        self._watches.append(watch)
        return self._revision

    async def _unsubscribe(self, watch: Watch) -> None:
        if watch in self._watches:
            self._watches.remove(watch)
