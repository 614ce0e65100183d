"""Which revision of each spec can run, when not all newest ones can."""

from __future__ import annotations

from engine.errors import Diagnostic
from engine.graph.compile import place_of, ports_field
from engine.graph.obstacle import Obstacle
from engine.graph.symbol import Symbol
from engine.graph.table import Entry, Table
from engine.graph.turns import Turns
from engine.spec.model import Link
from engine.spec.suggest import hint as suggestion

Picks = dict[str, Symbol | None]
"""The symbol chosen for each spec that a change can reach; None where nothing can run."""


async def choose(table: Table, region: set[str]) -> tuple[Picks, dict[str, Obstacle]]:
    """The revision of each spec of the region that can run, and what stands in the way of those that cannot.

    Everything is thought to run at first, in its newest revision. A spec that leads to something that is not there
    falls back to the revision that runs now, or else out; that may pull others with it, until nothing changes. Cycles
    are no obstacle: their members hold each other up.

    Falling back can also bring something there: the old name of a spec whose new revision, with another name, cannot
    run. So who waits only for that is decided last.
    """
    picks: Picks = {}
    obstacles: dict[str, Obstacle] = {}
    for id in region:
        entry = table.entries[id]
        picks[id] = None if entry.deleted else entry.candidate or entry.running
        if entry.obstacle is not None:
            obstacles[id] = entry.obstacle
    todo = sorted(region)
    turns = Turns()
    undecided: set[str] = set()
    while todo or undecided:
        again: set[str] = set()
        # Of those in doubt the running ones come first: what keeps one of them may help the others.
        for id in todo or [min(undecided, key=lambda each: (picks[each] is not table.entries[each].running, each))]:
            if turns.due:
                await turns.give()
            symbol = picks[id]
            entry = table.entries[id]
            obstacle = find_obstacle(table, symbol, picks, obstacles) if symbol is not None else None
            if symbol is None or obstacle is None:
                undecided.discard(id)
                continue
            if todo and _may_pass(table, symbol, picks):
                undecided.add(id)
                continue
            undecided.discard(id)
            keeper = _who_must_keep(table, entry, symbol, picks, region)
            if keeper is not None:
                other = table.entries[keeper]
                picks[keeper] = other.running
                reason = f"{symbol.site.label} needs a port that revision {other.spec.revision} does not have"
                obstacles[keeper] = Obstacle("failed", reason, needed=True)
                again |= {id, keeper} | (table.referrers(other.handles()) & region)
                continue
            obstacles.setdefault(id, obstacle)
            picks[id] = entry.running if symbol is entry.candidate and entry.running is not symbol else None
            again |= {id} | (table.referrers(entry.handles()) & region)
        todo = sorted(again)
    return picks, obstacles


def find_obstacle(
    table: Table, symbol: Symbol, picks: Picks, obstacles: dict[str, Obstacle] | None = None
) -> Obstacle | None:
    """What keeps a symbol from running, given what runs beside it."""
    hide = symbol.bound.secrets.hide
    for name, links in symbol.links.items():
        for index, link in enumerate(links):
            target, other = pick_target(table, link, picks)
            wanted = link.name or link.id
            if target is None:
                if other is None or other.deleted:
                    return Obstacle("pending", hide(f"{name} leads to {wanted!r}, which does not exist"))
                known = (obstacles or {}).get(other.spec.id) or other.obstacle
                # The first cause only: reasons that quote reasons would grow with the length of the chain.
                cause = known.cause if known is not None else ""
                why = f": {cause}" if cause else ""
                return Obstacle("pending", hide(f"{name} leads to {wanted!r}, which is not active") + why, cause=cause)
            if not target.in_ports(link.port):
                path = (ports_field(symbol.spec), name, index, "port")
                message = hide(f"{target.site.label} has no in port {link.port!r}")
                hint = suggestion(link.port, target.in_names())
                place = place_of(symbol.spec, path)
                return Obstacle("failed", message, (Diagnostic("unknown-port", message, place, hint, path=path),))
    return None


def pick_target(table: Table, link: Link, picks: Picks) -> tuple[Symbol | None, Entry | None]:
    """The symbol that a link leads to, given what runs; and the entry that it would be, where nothing does."""
    waiting: Entry | None = None
    for entry in table.reached_by(link):
        symbol = picks.get(entry.spec.id, entry.running)
        if symbol is None:
            waiting = waiting or entry
        elif link.id or symbol.name == link.name:
            return symbol, entry
    return None, waiting


def _may_pass(table: Table, symbol: Symbol, picks: Picks) -> bool:
    """Whether every link that leads nowhere would lead somewhere if another spec fell back to what runs of it."""
    for links in symbol.links.values():
        for link in links:
            target, _ = pick_target(table, link, picks)
            if target is not None and target.in_ports(link.port):
                continue
            others = (
                other.running
                for other in table.reached_by(link)
                if other.running is not None and picks.get(other.spec.id, other.running) not in (None, other.running)
            )
            if not any((link.id or each.name == link.name) and each.in_ports(link.port) for each in others):
                return False
    return True


def _who_must_keep(table: Table, entry: Entry, symbol: Symbol, picks: Picks, region: set[str]) -> str | None:
    """The spec whose new revision lacks a port that a running symbol uses, if its running revision has it."""
    if symbol is not entry.running:
        return None
    for links in symbol.links.values():
        for link in links:
            target, other = pick_target(table, link, picks)
            if target is None or other is None or target.in_ports(link.port) or other.spec.id not in region:
                continue
            running = other.running
            if running is not None and running is not target and running.in_ports(link.port):
                return other.spec.id
    return None
