"""The loader: keeps a table in step with a store.

It opens the watch, then lists, then applies both in order, so that no change falls into the gap. A burst of changes
becomes one plan: every revision is seen in order, a published generation may skip some that lie between.

The loader's task owns every reload. A flow that changes the specs which serve it writes to the store and gets its answer;
the change comes back here, and the next request meets the new flow.

A store that is lost is waited for, with the table serving on; then the loader lists again and applies the difference.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from uuid import NAMESPACE_URL, uuid5

from engine.errors import DiagnosticsError, UnavailableError
from engine.graph.context import Log
from engine.graph.reconcile import Changes, Report, reconcile
from engine.graph.status import Status
from engine.graph.table import Table
from engine.spec.model import Spec, Value
from engine.store.change import Batch, Change, Resync
from engine.store.protocol import Store
from engine.store.query import Query
from engine.store.watch import Watch

COALESCE = 0.002
"""Seconds that a change waits for others to share its plan."""
LONGEST_WAIT = 0.050
"""Seconds after which a burst is applied, even if it goes on."""
BACKOFF = (0.1, 15.0)
"""Seconds before the store is tried again, first and at most; doubled each time, with jitter."""

RETRY = (1.0, 30.0)
"""Seconds before a node that could not be loaded is tried again, first and at most; doubled each time."""

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
        self.lost: str | None = None
        """Why the store cannot be reached, None while it can."""
        self.ready = asyncio.Event()
        """Set when the first plan has been published."""
        self._store = store
        self._log = log
        self._on_report = on_report
        self._seen_at = monotonic()
        self._stored: dict[str, Spec] = {}
        self._builtin = {spec.name: _with_id(spec) for spec in builtin if spec.name is not None}
        self._included: set[str] = set()
        self._told: dict[str, Status] = {}

    @property
    def age(self) -> float:
        """Seconds since the store is known to have been reached; 0 while it is."""
        return 0.0 if self.lost is None else monotonic() - self._seen_at

    async def run(self) -> None:
        """Keep the table in step until cancelled."""
        delay = BACKOFF[0]
        while True:
            try:
                async with self._store.watch(frozenset({self.table.namespace})) as watch:
                    await self._list()
                    delay = BACKOFF[0]
                    await self._follow(watch)
                    self._lose("the store has been closed")
            except UnavailableError as error:
                self._lose(error.value.text)
            except Exception as error:  # a mistake of ours: what runs goes on, and the next listing begins afresh
                self._log.error("loader.broke", namespace=self.table.namespace, error=str(error), exc_info=error)
                self._lose("the loader broke")
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            delay = min(delay * 2, BACKOFF[1])

    async def apply(self, changes: Changes) -> Report:
        """Bring the table up to date, builtin specs included, and tell about it."""
        report = await reconcile(self.table, self._with_builtin(changes))
        self._tell(report)
        if self._on_report is not None:
            await self._on_report(report)
        self.ready.set()
        return report

    # --- the store

    async def _list(self) -> None:
        """Make the table show what the store holds, whatever it showed before."""
        query = Query(namespaces=(self.table.namespace,))
        specs = await self._store.specs(query)
        values = await self._store.values(query)
        for problem in (*specs.problems, *values.problems):
            self._log.error("spec.unreadable", diagnostic=str(problem))
        self._find()
        await self._apply_listing(specs, values)
        self.revision = min(specs.revision, values.revision)

    async def _apply_listing(self, specs: Sequence[Spec], values: Sequence[Value]) -> None:
        known = {value.id: value for value in self.table.values.values()}
        listed = {spec.id for spec in specs}
        kept = {value.id for value in values}
        await self.apply(
            Changes(
                specs=[spec for spec in specs if _is_news(spec, self._stored.get(spec.id))],
                deleted=[id for id in self._stored if id not in listed],
                values=[value for value in values if _is_news(value, known.get(value.id))],
                deleted_values=[id for id in known if id not in kept],
            )
        )

    async def _follow(self, watch: Watch) -> None:
        """Apply what the watch tells, until it ends; now and then try again what could not be loaded."""
        delay = RETRY[0]
        while True:
            try:
                async with asyncio.timeout(delay if self.table.unloadable else None):
                    item = await anext(watch)
            except TimeoutError:
                delay = min(delay * 2, RETRY[1])
                await self.apply(Changes(specs=[self.table.entries[id].spec for id in sorted(self.table.unloadable)]))
                continue
            except StopAsyncIteration:
                return
            delay = RETRY[0]
            batches = await self._gather(watch, item)
            if batches is None:
                self._log.warning("store.resync")
                await self._list()
                continue
            self._find()
            fresh = [batch for batch in batches if batch.revision > self.revision]
            if fresh:
                await self.apply(self._changes([change for batch in fresh for change in batch.changes]))
                self.revision = fresh[-1].revision

    async def _gather(self, watch: Watch, first: Batch | Resync) -> list[Batch] | None:
        """The batches that come in one burst; None if the loader must list again."""
        batches: list[Batch] = []
        item: Batch | Resync = first
        until = monotonic() + LONGEST_WAIT
        while True:
            if isinstance(item, Resync):
                self._lose(item.reason)
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
        """What a burst comes to: the last word on every document."""
        last: dict[tuple[str, str], Change] = {}
        for change in changes:
            last[change.resource, change.id] = change
        specs: list[Spec] = []
        values: list[Value] = []
        deleted: list[str] = []
        deleted_values: list[str] = []
        for (resource, id), change in last.items():
            try:
                subject = change.subject()
            except DiagnosticsError as error:
                self._log.error("spec.unreadable", id=id, diagnostic=error.value.text)
                continue
            if isinstance(subject, Spec):
                specs.append(subject)
            elif isinstance(subject, Value):
                values.append(subject)
            else:
                (deleted if resource == "spec" else deleted_values).append(id)
        return Changes(specs, deleted, values, deleted_values)

    # --- builtin specs

    def _with_builtin(self, changes: Changes) -> Changes:
        """The changes, with the builtin specs that come or go because of them."""
        builtin = {spec.id for spec in self._builtin.values()}
        self._stored.update((spec.id, spec) for spec in changes.specs if spec.id not in builtin)
        for id in changes.deleted:
            self._stored.pop(id, None)
        if not self._builtin:
            return changes
        taken = {spec.name for spec in self._stored.values()}
        wanted = {spec.id: spec for name, spec in self._builtin.items() if name not in taken}
        coming = [spec for id, spec in wanted.items() if id not in self._included]
        going = [id for id in self._included if id not in wanted]
        self._included = set(wanted)
        return Changes([*changes.specs, *coming], [*changes.deleted, *going], changes.values, changes.deleted_values)

    # --- telling

    def _is_well(self, id: str) -> bool:
        entry = self.table.entries.get(id)
        return entry is None or entry.status is None or entry.status.state == "active"

    def _lose(self, reason: str) -> None:
        if self.lost is None:
            self._log.error("store.lost", reason=reason)
        self.lost = reason

    def _find(self) -> None:
        if self.lost is not None:
            self._log.info("store.found", after=round(self.age, 3))
        self.lost = None
        self._seen_at = monotonic()

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
                loaded=len(report.loaded),
                leaving=len(report.leaving),
                milliseconds=round(report.seconds * 1000, 2),
            )


def _is_news(new: Spec | Value, old: Spec | Value | None) -> bool:
    return old is None or old.revision != new.revision or old.document != new.document


def _with_id(spec: Spec) -> Spec:
    """A builtin spec with an id that is the same in every daemon."""
    return spec if spec.id else spec.replace(id=str(uuid5(NAMESPACE_URL, f"weir:{spec.namespace}/{spec.name}")))
