"""Reload: from what specs say now to a published generation.

:func:`reconcile` is the whole story; read it first. The steps, in the order in which it calls them, are

1. take in the changes and compile what is new, which disturbs nobody (:mod:`~engine.graph.intake`),
2. choose for every spec that the change can reach the revision that can run (:mod:`~engine.graph.choose`),
3. look for what could never be loaded, and lay links under the number of a candidate generation, which nobody follows
   yet (:mod:`~engine.graph.plan`),
4. load new nodes, inner ones first, with their `init` flows pinned to the candidate,
5. publish: one assignment, with no await beside it,
6. let the nodes that are no longer part of it go, when the last process that can reach them has ended
   (:mod:`~engine.graph.departure`).

If nodes cannot be loaded, the links are taken back and their specs are treated as failed; the choice is made again with
their last good revisions, or without them. So the current generation is always whole, and it keeps serving meanwhile.

The work is in proportion to what changed and to what refers to it, directly or through others; not to the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter

from engine.errors import ErrorValue
from engine.graph.choose import Picks, choose
from engine.graph.intake import Changes, reach, refresh, renew, take_in
from engine.graph.obstacle import Obstacle
from engine.graph.plan import LoadErrors, Plan
from engine.graph.status import Status
from engine.graph.symbol import Symbol
from engine.graph.table import Entry, Table

__all__ = ["Changes", "Report", "reconcile"]


@dataclass(slots=True)
class Report:
    """What a reconcile did. `number` is the generation that is current afterwards."""

    number: int
    published: bool = False
    loaded: list[str] = field(default_factory=list)
    leaving: list[str] = field(default_factory=list)
    failed: list[Status] = field(default_factory=list)
    seconds: float = 0.0


async def reconcile(table: Table, changes: Changes) -> Report:
    """Bring the table from its current generation to one that fits `changes`.

    Never raises for what is wrong with a spec: that is in the statuses and in the report. Where it is cancelled, or
    breaks off, the current generation is as it was, and the next reconcile takes up what was left.
    """
    began = perf_counter()
    await take_in(table, changes)
    region = reach(table)
    refresh(table, region)

    plan: Plan | None = None
    while True:
        try:
            picks, obstacles = await choose(table, region)
            plan = Plan(table, table.new_generation(), picks, plan.loaded if plan is not None else ())
            if strays := plan.strays():
                await plan.drop(strays)
                renew(table, strays, region)
                continue
            if flaws := plan.flaws():
                reject(table, flaws, table.flawed)
                continue
            await plan.lay_links()
            try:
                await plan.load()
            except LoadErrors as error:
                await plan.give_up(error.failed)
                reject(table, error.failed, table.unloadable)
                continue
        except BaseException:
            if plan is not None:
                await plan.undo()
            raise
        break

    leaving = plan.publish()
    settle(table, region, picks, obstacles)
    report = Report(table.current.number, published=plan.has_effect, seconds=perf_counter() - began)
    report.loaded = [symbol.site.label for symbol in plan.loaded]
    report.leaving = [departure.symbol.site.label for departure in leaving]
    report.failed = [
        entry.status
        for id in sorted(region)
        if (entry := table.entries.get(id)) is not None and entry.status is not None and entry.status.state != "active"
    ]
    return report


def reject(table: Table, failed: dict[str, tuple[Symbol, ErrorValue]], noted: set[str]) -> None:
    """Treat revisions that could not be loaded as failed, and note their ids; those that run, if any, go on."""
    for id, (symbol, value) in failed.items():
        entry = table.entries[id]
        table.unindex(entry)
        entry.candidate, entry.obstacle = None, Obstacle.of_load(symbol.bound.secrets.hide_in(value))
        noted.add(id)
        table.index(entry)


def settle(table: Table, region: set[str], picks: Picks, obstacles: dict[str, Obstacle]) -> None:
    """Note in the table what runs now and what has become of each spec."""
    for id in region:
        entry = table.entries[id]
        symbol = picks[id]
        if entry.deleted:
            table.forget(entry)
            continue
        table.needed.discard(id)
        if entry.running is not symbol:
            table.run(entry, symbol)
        newest = symbol is not None and symbol is entry.candidate
        if newest and _is_told(entry):
            continue
        obstacle = None if newest else obstacles.get(id) or entry.obstacle
        if obstacle is not None and obstacle.needed:
            table.needed.add(id)
        entry.status = Status(
            id,
            entry.spec.namespace,
            entry.spec.kind,
            entry.spec.name,
            "active" if obstacle is None else obstacle.state,
            entry.spec.revision,
            symbol.spec.revision if symbol is not None else None,
            obstacle.reason if obstacle is not None else "",
            obstacle.diagnostics if obstacle is not None else (),
        )
    table.unsettled.clear()


def _is_told(entry: Entry) -> bool:
    """Whether the status says already that the newest revision runs."""
    status, spec = entry.status, entry.spec
    return (
        status is not None
        and status.state == "active"
        and status.revision == status.serving == spec.revision
        and (status.kind, status.name) == (spec.kind, spec.name)
    )
