"""The loader: keeps a table in step with a store.

It opens the watch, then lists, then applies both in order, so that no change falls into the gap. A burst of changes
becomes one plan, up to the point where one of them writes something anew that the burst has written already. The
revision before is then published first: if the newer one cannot run, it is the last good one, and must not be skipped.

The loader's task owns every reload. A flow that changes the specs which serve it writes to the store and gets its answer;
the change comes back here, and the next request meets the new flow.

A store that is lost is waited for, with the table serving on; then the loader lists again and applies the difference.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from time import monotonic
from uuid import NAMESPACE_URL, uuid5

from engine.errors import DiagnosticsError, UnavailableError
from engine.flow.exchange import is_being_cancelled
from engine.graph.context import Log
from engine.graph.forecast import Effect, forecast
from engine.graph.reconcile import Changes, Report, reconcile
from engine.graph.status import Status
from engine.graph.table import Table
from engine.spec.model import Spec, Value
from engine.store.change import Batch, Change, Resync
from engine.store.protocol import Store
from engine.store.query import Page, Query
from engine.store.record import stand_in
from engine.store.watch import Watch

COALESCE = 0.002
"""Seconds that a change waits for others to share its plan."""
LONGEST_WAIT = 0.050
"""Seconds after which a burst is applied, even if it goes on."""
BACKOFF = (0.1, 5.0)
"""Seconds before the store is tried again, first and at most; doubled each time, with jitter."""

RETRY = (1.0, 30.0)
"""Seconds before a node that could not be loaded is tried again, first and at most; doubled each time."""

SILENCE = 15.0
"""Seconds without a word after which a store counts as lost, though nothing has failed yet: all stores say something, if
only that there is nothing new, within 5 s."""

LOOK = 1.0
"""Seconds between two looks whether the store is lost or found, while it tells nothing."""

Listener = Callable[[Report], Awaitable[None]]


class Loader:
    """Feeds one table from one store.

    `builtin` are specs that come with the engine: each is there unless the store has one of the same name.
    `revision` is the store's revision that the published generation shows. `on_report` is awaited after each plan.
    """

    def __init__(
        self,
        table: Table,
        store: Store,
        *,
        log: Log,
        builtin: Sequence[Spec] = (),
        on_report: Listener | None = None,
    ) -> None:
        self.table = table
        self.revision = 0
        self.ready = asyncio.Event()
        """Set when the first plan has been published."""
        self._store = store
        self._log = log
        self._on_report = on_report
        self.unreadable: Mapping[str, int] = {}
        """The specs whose newest revision (or a later one of the store) this version cannot read, by id."""
        self._seen_at = monotonic()
        self._lost: str | None = None
        self._lost_since: float | None = None
        self._watch: Watch | None = None
        self._builtin = {spec.id: spec for spec in map(_with_id, builtin)}
        self._told: dict[str, Status] = {}
        self._unread: frozenset[str] = frozenset()

    @property
    def lost(self) -> str | None:
        """Why the store cannot be reached, None while it can."""
        if self._lost is not None or self._watch is None:
            return self._lost
        if self._watch.lost is not None:
            return self._watch.lost.value.text
        if monotonic() - self._heard > SILENCE:
            return f"the store has said nothing for more than {SILENCE:g}s"
        return None

    @property
    def age(self) -> float:
        """Seconds since the store is known to have been reached; 0 while it is."""
        return 0.0 if self.lost is None else max(0.0, monotonic() - self._heard)

    @property
    def _heard(self) -> float:
        """The moment up to which nothing was missed."""
        return self._seen_at if self._watch is None else max(self._seen_at, self._watch.heard)

    async def run(self) -> None:
        """Keep the table in step until cancelled."""
        delay = BACKOFF[0]
        while True:
            try:
                async with self._store.watch(frozenset({self.table.namespace})) as watch:
                    self._watch = watch
                    await self._list()
                    delay = BACKOFF[0]
                    await self._follow(watch)
                    self._lose("the store has been closed")
            except UnavailableError as error:
                self._lose(error.value.text)
            except asyncio.CancelledError as error:
                if is_being_cancelled():
                    raise
                self._broke(error)  # somebody else's: a node awaited what another one has cancelled
            except Exception as error:
                self._broke(error)
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            delay = min(delay * 2, BACKOFF[1])

    async def apply(self, changes: Changes, *, revision: int | None = None) -> Report:
        """Bring the table up to date, builtin specs included, and tell about it.

        `revision` is that of the store up to which the table is then; None: none that it was not at before.
        """
        report = await reconcile(self.table, self._with_builtin(changes))
        if revision is not None:
            self.revision = revision
        self._tell(report)
        if self._on_report is not None:
            await self._on_report(report)
        self.ready.set()
        return report

    async def forecast(self, changes: Changes) -> list[Effect]:
        """What :meth:`apply` would do; nothing is done.

        Where something would fail, the store is asked what is on its way to the table: what stands in the way may be gone.
        """
        effects = await forecast(self.table, self._with_builtin(changes))
        if all(effect.state != "failed" for effect in effects):
            return effects
        try:
            left = self._difference(*await self._stored())
        except UnavailableError:
            return effects
        mine = {*changes.deleted, *(spec.id for spec in changes.specs)}
        others = {*left.deleted, *(spec.id for spec in left.specs)} - mine
        effects = await forecast(self.table, self._with_builtin(_together(left, changes)))
        return [effect for effect in effects if effect.spec.id not in others]

    # --- the store

    async def _list(self) -> None:
        """Make the table show what the store holds, whatever it showed before."""
        specs, values = await self._stored()
        self._report_unread([str(problem) for problem in (*specs.problems, *values.problems)])
        self._find()
        self.unreadable = dict.fromkeys(specs.unreadable, specs.revision)
        await self.apply(self._difference(specs, values), revision=min(specs.revision, values.revision))

    async def _stored(self) -> tuple[Page[Spec], Page[Value]]:
        query = Query(namespaces=(self.table.namespace,))
        return await self._store.specs(query), await self._store.values(query)

    def _difference(self, specs: Page[Spec], values: Page[Value]) -> Changes:
        """What must change so that the table shows a listing. It goes by what the table holds, not by what it was told."""
        held = {id: entry.spec for id, entry in self.table.entries.items() if id not in self._builtin}
        known = {value.id: value for value in self.table.values.values()}
        # What this version cannot read is there all the same: the revision that it could read goes on.
        deleted = held.keys() - {spec.id for spec in specs} - specs.unreadable
        deleted_values = known.keys() - {value.id for value in values} - values.unreadable
        # A value that cannot be opened, and could when it came, is what it was.
        broken = [value for value in values.broken if _revision(known.get(value.id)) != value.revision]
        return Changes(
            specs=[spec for spec in specs if _is_news(spec, held.get(spec.id))],
            deleted=sorted(deleted),
            values=[*(value for value in values if _is_news(value, known.get(value.id))), *broken],
            deleted_values=sorted(deleted_values),
        )

    async def _follow(self, watch: Watch) -> None:
        """Apply what the watch tells, until it ends; now and then try again what could not be loaded, or opened.

        While it tells nothing, the log is told whether the store is lost.
        """
        delay = RETRY[0]
        waiting: frozenset[str] = frozenset()
        again = 0.0
        look_again = monotonic() + RETRY[0]
        while True:
            if waiting != self.table.unloadable:
                waiting, delay = frozenset(self.table.unloadable), RETRY[0]
                again = monotonic() + delay
            try:
                async with asyncio.timeout(min(LOOK, max(0.0, again - monotonic())) if waiting else LOOK):
                    item = await anext(watch)
            except TimeoutError:
                self._note()
                if monotonic() >= look_again and any(value.problem for value in self.table.values.values()):
                    look_again = monotonic() + RETRY[1]
                    await self._list()
                if not waiting or monotonic() < again:
                    continue
                delay = min(delay * 2, RETRY[1])
                again = monotonic() + delay
                await self.apply(Changes(specs=[self.table.entries[id].spec for id in sorted(waiting)]))
                continue
            except StopAsyncIteration:
                return
            batches = await self._gather(watch, item)
            if batches is None:
                await self._list()
                continue
            self._find()
            for batch in batches:
                self._hear(batch)
            fresh = [batch for batch in batches if batch.revision > self.revision]
            for plan in _plans(fresh):
                changes = self._changes([change for batch in plan for change in batch.changes])
                await self.apply(changes, revision=plan[-1].revision)

    async def _gather(self, watch: Watch, first: Batch | Resync) -> list[Batch] | None:
        """The batches that come in one burst; None if the loader must list again."""
        batches: list[Batch] = []
        item: Batch | Resync = first
        until = monotonic() + LONGEST_WAIT
        while True:
            if isinstance(item, Resync):
                self._lose(item.reason)
                self._log.warning("store.resync", namespace=self.table.namespace, reason=item.reason)
                return None
            batches.append(item)
            if monotonic() >= until:
                return batches
            try:
                async with asyncio.timeout(COALESCE):
                    item = await anext(watch)
            except (TimeoutError, StopAsyncIteration):
                return batches

    def _changes(self, changes: Sequence[Change]) -> Changes:
        """What a plan comes to: the last word on every document."""
        last: dict[tuple[str, str], Change] = {}
        for change in changes:
            last[change.resource, change.id] = change
        specs: list[Spec] = []
        values: list[Value] = []
        deleted: list[str] = []
        deleted_values: list[str] = []
        unreadable = {id: revision for id, revision in self.unreadable.items() if ("spec", id) not in last}
        for (resource, id), change in last.items():
            try:
                subject = change.subject()
            except DiagnosticsError as error:
                self._log.error("spec.unreadable", id=id, diagnostic=error.value.text)
                if resource == "spec":
                    unreadable[id] = change.revision
                else:  # who takes from it must know why he waits
                    values.append(stand_in(change, error.reason))
                continue
            if isinstance(subject, Spec):
                specs.append(subject)
            elif isinstance(subject, Value):
                values.append(subject)
            else:
                (deleted if resource == "spec" else deleted_values).append(id)
        self.unreadable = unreadable
        return Changes(specs, deleted, values, deleted_values)

    # --- builtin specs

    def _with_builtin(self, changes: Changes) -> Changes:
        """The changes, with the builtin specs that come or go because of them.

        A spec of the store that takes the name of a builtin one comes while that goes, in one batch: so the table has
        it take over, and goes on with the builtin one until it can run.
        """
        if not self._builtin:
            return changes
        gone = {*changes.deleted, *(spec.id for spec in changes.specs)}
        stored = [entry.spec for id, entry in self.table.entries.items() if id not in self._builtin and id not in gone]
        taken = {spec.name for spec in (*stored, *changes.specs) if spec.id not in self._builtin}
        wanted = {id: spec for id, spec in self._builtin.items() if spec.name not in taken}
        present = self._builtin.keys() & self.table.entries.keys()
        coming = [spec for id, spec in wanted.items() if id not in present]
        going = [id for id in self._builtin if id in present and id not in wanted]
        return Changes([*changes.specs, *coming], [*changes.deleted, *going], changes.values, changes.deleted_values)

    # --- telling

    def _is_well(self, id: str) -> bool:
        entry = self.table.entries.get(id)
        return entry is None or entry.status is None or entry.status.state == "active"

    def _broke(self, error: BaseException) -> None:
        """A mistake of ours: what runs goes on, and the next listing takes up what was left."""
        self._log.error("loader.broke", namespace=self.table.namespace, error=str(error), exc_info=error)

    def _lose(self, reason: str) -> None:
        if self._lost is None:
            self._seen_at = self._heard
        self._lost = reason
        self._note()

    def _find(self) -> None:
        self._lost = None
        self._seen_at = monotonic()
        self._note()

    def _note(self) -> None:
        """Log that the store is lost, once, and that it is found: a watch that nothing was lost for tells neither."""
        lost = self.lost
        if lost is not None and self._lost_since is None:
            self._lost_since = self._heard
            self._log.error("store.lost", namespace=self.table.namespace, reason=lost)
        elif lost is None and self._lost_since is not None:
            after = round(monotonic() - self._lost_since, 3)
            self._lost_since = None
            self._log.info("store.found", namespace=self.table.namespace, after=after)

    def _hear(self, batch: Batch) -> None:
        self._log.debug(
            "changes.heard",
            namespace=self.table.namespace,
            first=batch.changes[0].revision,
            last=batch.changes[-1].revision,
            revision=batch.revision,
        )

    def _report_unread(self, problems: Sequence[str]) -> None:
        """Log what a listing could not read, once for as long as it stays so."""
        for problem in problems:
            if problem not in self._unread:
                self._log.error("spec.unreadable", diagnostic=problem)
        self._unread = frozenset(problems)

    def _tell(self, report: Report) -> None:
        log = self._log
        for status in report.failed:
            if self._told.get(status.id) == status:
                continue
            self._told[status.id] = status
            fields: Mapping[str, object] = {
                "spec": f"{status.kind}/{status.name or status.id}",
                "revision": status.revision,
                "serving": status.serving,
                "reason": status.reason,
            }
            if status.state == "failed":
                log.error("spec.failed", **fields, places=[str(each.place) for each in status.diagnostics])
            else:
                log.warning("spec.pending", **fields)
        for id in [id for id in self._told if self._is_well(id)]:
            del self._told[id]
        for label in report.loaded:
            log.debug("spec.loaded", spec=label)
        if report.published:
            log.info(
                "generation.published",
                namespace=self.table.namespace,
                generation=report.number,
                revision=self.revision,
                loaded=len(report.loaded),
                leaving=len(report.leaving),
                milliseconds=round(report.seconds * 1000, 2),
            )


def _plans(batches: Sequence[Batch]) -> Iterator[list[Batch]]:
    """The batches of a burst in order, as few plans as there can be if none puts something over what it has put.

    It is the same thing by its id, or by its name: a successor takes over from what runs, too. What one batch deletes and
    a later one makes again is one plan all the same: it need not be gone in between.
    """
    plan: list[Batch] = []
    written: set[tuple[str, ...]] = set()
    for batch in batches:
        puts = {handle for change in batch.changes if change.action == "put" for handle in _handles(change)}
        if not written.isdisjoint(puts):
            yield plan
            plan, written = [], set()
        plan.append(batch)
        written.difference_update(*map(_handles, batch.changes))
        written |= puts
    if plan:
        yield plan


def _together(first: Changes, then: Changes) -> Changes:
    """Two changes, one after the other, as one."""
    specs = {*then.deleted, *(spec.id for spec in then.specs)}
    values = {*then.deleted_values, *(value.id for value in then.values)}
    return Changes(
        [*(spec for spec in first.specs if spec.id not in specs), *then.specs],
        [*(id for id in first.deleted if id not in specs), *then.deleted],
        [*(value for value in first.values if value.id not in values), *then.values],
        [*(id for id in first.deleted_values if id not in values), *then.deleted_values],
    )


def _handles(change: Change) -> list[tuple[str, ...]]:
    """By what a document is known: its id, and its name if it has one."""
    by_id = (change.resource, change.id)
    return [by_id] if change.name is None else [by_id, (change.resource, change.namespace, change.name)]


def _is_news(new: Spec | Value, old: Spec | Value | None) -> bool:
    return old is None or old.revision != new.revision or old.document != new.document


def _revision(known: Value | None) -> int | None:
    return known.revision if known is not None else None


def _with_id(spec: Spec) -> Spec:
    """A builtin spec with an id that is the same in every daemon."""
    return spec if spec.id else spec.replace(id=str(uuid5(NAMESPACE_URL, f"weir:{spec.namespace}/{spec.name}")))
