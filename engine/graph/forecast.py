"""What a change would do, without doing it: for `apply --dry-run`.

The forecast goes the way of :func:`~engine.graph.reconcile.reconcile` in a :class:`~engine.graph.sketch.Sketch` of the
table, up to the point where something would be loaded. So it says what the table would decide, port clashes included; it
cannot know whether a node will load.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import Diagnostic
from engine.flow import InPort
from engine.graph.choose import Picks, choose, pick_target
from engine.graph.compile import SpecCompiler
from engine.graph.intake import Changes, reach, refresh, take_in
from engine.graph.obstacle import Obstacle
from engine.graph.plan import Plan
from engine.graph.reconcile import reject, settle
from engine.graph.sketch import Silence, Sketch
from engine.graph.symbol import Symbol
from engine.graph.table import Entry, Table
from engine.graph.wiring import wire
from engine.spec.model import Link, Spec, Value

Action = Literal["created", "rebuilt", "relinked", "closed", "kept", "waiting", "unchanged"]

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change would do to one spec.

    * *created*: nodes are made for it; *closed*: its nodes go, after the last process that may reach them.
    * *rebuilt*: `made` of its `nodes` are made anew, and begin without state; *relinked*: the nodes stay, and lead
      elsewhere.
    * *kept*: its newest revision cannot run, so the one that runs goes on; *waiting*: it cannot run, and nothing of it
      does. `state` and `reason` tell why.
    * *unchanged*: it was written, and means the same.
    """

    action: Action
    spec: Spec
    state: Literal["active", "pending", "failed", "deleted"]
    made: int = 0
    nodes: int = 0
    reason: str = ""
    diagnostics: tuple[Diagnostic, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        return {
            "action": self.action,
            "id": self.spec.id,
            "namespace": self.spec.namespace,
            "kind": self.spec.kind,
            "name": self.spec.name,
            "state": self.state,
            "made": self.made,
            "nodes": self.nodes,
            "reason": self.reason,
            "diagnostics": [diagnostic.to_json() for diagnostic in self.diagnostics],
        }


async def forecast(table: Table, changes: Changes) -> list[Effect]:
    """What :func:`~engine.graph.reconcile.reconcile` would do with `changes`; the table is not touched.

    Those that were written come first, in their order; then all others that the change reaches and does something to.
    Should the table move on meanwhile, it is asked again.
    """
    for _ in range(_ATTEMPTS - 1):
        before = table.current
        try:
            effects = await _forecast(table, changes)
        except LookupError:  # what was looked at is gone
            if table.current is before:
                raise
            continue
        if table.current is before:
            return effects
    return await _forecast(table, changes)


async def imagine(namespace: str, compiler: SpecCompiler, specs: Iterable[Spec], values: Iterable[Value] = ()) -> Table:
    """The table that these specs would make, with nothing loaded: for a forecast where no daemon can be asked."""
    table = Table(namespace, compiler, log=Silence())
    region, picks, obstacles = await _decide(table, Changes(specs=list(specs), values=list(values)))
    settle(table, region, picks, obstacles)
    for symbol in picks.values():
        for part in symbol.symbols() if symbol is not None else ():
            if part.node.claim is not None:
                table.claims[part.node.claim] = part
    return table


async def _forecast(table: Table, changes: Changes) -> list[Effect]:
    sketch = Sketch(table)
    region, picks, obstacles = await _decide(sketch, changes)
    written = [spec.id for spec in changes.specs]
    named = dict.fromkeys([*written, *changes.deleted])
    others = sorted(region - named.keys(), key=lambda each: (sketch.entries[each].spec.label, each))
    effects: list[Effect] = []
    for id in (*named, *others):
        entry = sketch.entries.get(id)
        if entry is None:
            continue  # it was never there, or hands over to another of its name, which is told of
        effect = _effect(table, sketch, entry, picks, obstacle=obstacles.get(id) or entry.obstacle)
        if id in named or effect.action != "unchanged":
            effects.append(effect)
    return effects


async def _decide(table: Table, changes: Changes) -> tuple[set[str], Picks, dict[str, Obstacle]]:
    """What can run after a change, as :func:`~engine.graph.reconcile.reconcile` decides it before it loads anything."""
    await take_in(table, changes)
    region = reach(table)
    refresh(table, region)
    while True:
        picks, obstacles = await choose(table, region)
        flaws = Plan(table, table.current, picks).flaws()
        if not flaws:
            return region, picks, obstacles
        reject(table, flaws, table.flawed)


def _effect(base: Table, sketch: Table, entry: Entry, picks: Picks, *, obstacle: Obstacle | None) -> Effect:
    before, after = entry.running, picks.get(entry.spec.id, entry.running)
    if entry.deleted:
        return Effect("closed", entry.spec, "deleted", nodes=_count(before))
    obstacle = None if after is not None and after is entry.candidate else obstacle
    state = obstacle.state if obstacle is not None else "active"
    made = 0
    action: Action
    if after is None:
        action = "waiting" if before is None else "closed"
    elif before is None:
        action, made = "created", _count(after)
    else:
        made = len(set(after.nodes()) - set(before.nodes()))
        if after is before and obstacle is not None:
            action = "kept"
        elif made or _count(after) != _count(before):
            action = "rebuilt"
        else:
            action = "relinked" if _targets(base, before, {}) != _targets(sketch, after, picks) else "unchanged"
    return Effect(
        action,
        entry.spec,
        state,
        made,
        _count(after if after is not None else before),
        obstacle.reason if obstacle is not None else "",
        obstacle.diagnostics if obstacle is not None else (),
    )


def _count(symbol: Symbol | None) -> int:
    return sum(1 for _ in symbol.nodes()) if symbol is not None else 0


def _targets(table: Table, symbol: Symbol, picks: Picks) -> dict[object, Sequence[InPort]]:
    """Where each out port of a symbol leads."""

    def resolve(link: Link, _port: str) -> list[InPort]:
        target, _ = pick_target(table, link, picks)
        return target.in_ports(link.port) if target is not None else []

    find: Callable[[Link, str], list[InPort]] = resolve
    return {port: list(dict.fromkeys(targets)) for port, targets in wire(symbol, find).items()}
