"""Reload: from what specs say now to a published generation.

:func:`reconcile` is the whole story; read it first. The steps around it, in the order in which it calls them, are

1. take in the changes and compile what is new, which disturbs nobody,
2. choose for every spec that the change can reach the revision that can run,
3. lay their links under the number of a candidate generation, which nobody follows yet,
4. load new nodes, inner ones first, with their `init` flows pinned to the candidate,
5. publish: one assignment, with no await beside it,
6. let the nodes that are no longer part of it go, when the last process that can reach them has ended.

If a node cannot be loaded, steps 3 and 4 are undone and its spec is treated as failed; the choice is made again with
its last good revision, or without it. So the current generation is always whole, and it keeps serving meanwhile.

The work is in proportion to what changed and to what refers to it, directly or through others; not to the table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from engine.errors import Code, Diagnostic, DiagnosticsError, ErrorValue
from engine.flow import Generation, InPort, Node, OutPort
from engine.graph.compile import place_of, ports_field
from engine.graph.departure import Departure
from engine.graph.obstacle import Obstacle
from engine.graph.order import inner_first
from engine.graph.status import Status
from engine.graph.symbol import Symbol
from engine.graph.table import Entry, LifecycleError, Table
from engine.graph.wiring import wire
from engine.spec.binding import bind
from engine.spec.model import Link, Spec, Value
from engine.spec.suggest import hint as suggestion

COMPILE_SLICE = 0.010
"""Seconds of compiling before the event loop gets a turn."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed: specs and values that are new or have a new revision, and ids of those that are gone."""

    specs: Sequence[Spec] = ()
    deleted: Sequence[str] = ()
    values: Sequence[Value] = ()
    deleted_values: Sequence[str] = ()


@dataclass(slots=True)
class Report:
    """What a reconcile did. `number` is the generation that is current afterwards."""

    number: int
    published: bool = False
    loaded: list[str] = field(default_factory=list)
    leaving: list[str] = field(default_factory=list)
    failed: list[Status] = field(default_factory=list)
    seconds: float = 0.0


Picks = dict[str, Symbol | None]
"""The symbol chosen for each spec that the change can reach; None where nothing can run."""


async def reconcile(table: Table, changes: Changes) -> Report:
    """Bring the table from its current generation to one that fits `changes`.

    Never raises for what is wrong with a spec: that is in the statuses and in the report. Cancelling it leaves the
    current generation as it was; the table is then only good for being closed.
    """
    began = perf_counter()
    touched = await take_in(table, changes)
    region = reach(table, touched)
    await refresh(table, region)

    while True:
        picks, obstacles = choose(table, region)
        candidate = table.new_generation()
        plan = Plan(table, candidate, picks)
        try:
            plan.lay_links()
            await plan.load()
        except LoadError as error:
            await plan.undo()
            reject(table, error, plan.loaded)
            continue
        except BaseException:
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


# --- 1. take in


async def take_in(table: Table, changes: Changes) -> set[str]:
    """Note the changes and compile what is new. Gives the names and ids that they concern."""
    touched: set[str] = set()
    recompile: dict[str, Spec] = {}
    stale = _take_in_values(table, changes)
    if stale:
        recompile.update((id, entry.spec) for id, entry in table.entries.items() if entry.used_values & stale)
    for id in changes.deleted:
        entry = table.entries.get(id)
        if entry is None:
            continue
        # It stays in the table until a generation without it is published, but nothing leads to it any more.
        entry.deleted = True
        touched |= entry.handles()
        recompile.pop(id, None)
    recompile.update((spec.id, spec) for spec in changes.specs)

    since = perf_counter()
    for id, spec in recompile.items():
        entry = table.entries.get(id)
        if entry is None:
            entry = table.entries[id] = Entry(spec)
        else:
            touched |= entry.handles()
            table.unindex(entry)
        entry.spec, entry.deleted = spec, False
        compile_entry(table, entry)
        table.index(entry)
        touched |= entry.handles()
        if perf_counter() - since > COMPILE_SLICE:
            await asyncio.sleep(0)
            since = perf_counter()
    return touched


def _take_in_values(table: Table, changes: Changes) -> set[tuple[str, str | None, str | None]]:
    """Note the new values. Gives every key by which some spec may have asked for one of them."""
    stale: set[tuple[str, str | None, str | None]] = set()
    for id in (*changes.deleted_values, *(value.id for value in changes.values)):
        old = table.values.get(id)
        for value in (old, *(value for value in changes.values if value.id == id)):
            if value is not None:
                names = (value.name, None)
                stale |= {(value.namespace, name, each) for name in names for each in (value.id, None)}
    for id in changes.deleted_values:
        table.remove_value(id)
    for value in changes.values:
        table.set_value(value)
    return stale


def compile_entry(table: Table, entry: Entry) -> None:
    """Compile the newest revision of a spec; what runs of an older one lends its nodes."""
    entry.candidate, entry.obstacle, entry.spent = None, None, False
    table.unloadable.discard(entry.spec.id)
    try:
        bound = bind(entry.spec, table.value, table.environment)
        entry.used_values = bound.used_values
        if bound.ready:
            entry.candidate = table.compiler.compile(bound.spec, bound, previous=entry.running)
        else:
            entry.obstacle = Obstacle("pending", bound.reason)
    except DiagnosticsError as error:
        entry.obstacle = Obstacle.of(error)
    except Exception as error:  # a bug in a kind must not stop the others
        table.log.error("spec.compile_broke", node=entry.spec.label, exc_info=error)
        entry.obstacle = Obstacle.of_load(ErrorValue.of(error))


# --- 2. choose


def reach(table: Table, touched: set[str]) -> set[str]:
    """The ids of the specs whose fate a change can decide: those that changed, and all that lead to them."""
    region: set[str] = set()
    todo = {id for id in touched if id in table.entries} | table.referrers(touched)
    while todo:
        id = todo.pop()
        if id not in region:
            region.add(id)
            todo |= table.referrers(table.entries[id].handles()) - region
    return region


async def refresh(table: Table, region: Iterable[str]) -> None:
    """Compile again what had run, was stopped because of others, and may run now: its nodes have been unloaded."""
    for id in region:
        entry = table.entries[id]
        if entry.spent and entry.running is None:
            table.unindex(entry)
            compile_entry(table, entry)
            table.index(entry)


def choose(table: Table, region: set[str]) -> tuple[Picks, dict[str, Obstacle]]:
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
    undecided: set[str] = set()
    while todo or undecided:
        again: set[str] = set()
        for id in todo or [min(undecided)]:
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
                obstacles[keeper] = Obstacle("failed", reason)
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
    for name, links in symbol.links.items():
        for index, link in enumerate(links):
            target, other = pick_target(table, link, picks)
            wanted = link.name or link.id
            if target is None:
                if other is None or other.deleted:
                    return Obstacle("pending", f"{name} leads to {wanted!r}, which does not exist")
                known = (obstacles or {}).get(other.spec.id) or other.obstacle
                why = f": {known.reason}" if known is not None else ""
                return Obstacle("pending", f"{name} leads to {wanted!r}, which is not active{why}")
            if not target.in_ports(link.port):
                path = (ports_field(symbol.spec), name, index, "port")
                message = f"{target.site.label} has no in port {link.port!r}"
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


# --- 3, 4, 5. lay links, load, publish


class LoadError(Exception):
    """The node of a spec could not be loaded."""

    def __init__(self, symbol: Symbol, value: ErrorValue) -> None:
        super().__init__(value.text)
        self.symbol = symbol
        self.value = value


class Plan:
    """One attempt to go from the current generation to a candidate."""

    def __init__(self, table: Table, candidate: Generation, picks: Picks) -> None:
        self.table = table
        self.candidate = candidate
        self.picks = picks
        self.loaded: list[Symbol] = []
        self._loading: Symbol | None = None
        self._relinked: list[tuple[OutPort, tuple[InPort, ...]]] = []
        self._order = self._inner_first()
        self._old = [entry.running for id in picks if (entry := table.entries[id]).running is not None]
        self._staying = {node for symbol in picks.values() if symbol is not None for node in symbol.nodes()}
        self._present = {node for symbol in self._old if symbol is not None for node in symbol.nodes()}

    @property
    def has_effect(self) -> bool:
        """Whether anything is different in the candidate."""
        return bool(self._relinked or self.loaded or self._present - self._staying)

    def lay_links(self) -> None:
        """Lay the links of the candidate under its number; where nothing is different nothing is laid."""
        number = self.candidate.number
        for symbol in self.picks.values():
            if symbol is not None:
                wires = wire(symbol, lambda link, _port: self._targets(link))
                for port, targets in wires.items():
                    self._lay(port, tuple(dict.fromkeys(targets)), number)
        for symbol in self._old:
            if symbol is not None:
                for node in symbol.nodes():
                    if node not in self._staying:
                        for port in node.out_ports():
                            self._lay(port, (), number)

    async def load(self) -> None:
        """Load the nodes that are new, inner ones first. Two that claim the same thing are an error of the later one."""
        claims = {
            claim: part
            for claim, part in self.table.claims.items()
            if part.node in self._staying or part.node not in self._present
        }
        for symbol in self._order:
            for part in symbol.symbols():
                if part.node in self._present:
                    continue
                if self.table.passive and part.codec.trigger:
                    continue  # it is there to be asked, and never begins by itself
                claim = part.node.claim
                if claim is not None and claims.setdefault(claim, part) is not part:
                    raise LoadError(symbol, _claimed(part, claim, claims[claim]))
                self.loaded.append(part)
                self._loading = part
                try:
                    await self.table.load(part, self.candidate)
                except LifecycleError as error:
                    raise LoadError(symbol, error.value) from error
                except Exception as error:
                    raise LoadError(symbol, ErrorValue.of(error)) from error
                self._loading = None

    async def undo(self) -> None:
        """Take everything back, outer nodes first; the current generation has not noticed.

        A node whose loading was begun is unloaded; its `term` flow runs if its `init` flow has come to a good end.
        """
        number = self.candidate.number
        try:
            for part in reversed(self.loaded):
                departure = Departure(part.node, part, number, self.candidate)
                await self.table.unload(departure, term=part is not self._loading)
        finally:
            for port, before in reversed(self._relinked):
                _count(port.targets, before, number, undo=True)
                port.unlink(number)

    def publish(self) -> list[Departure]:
        """Make the candidate the current generation. Gives the nodes that leave, outer ones first.

        Where specs were only written anew, without a change of meaning, the current generation stays.
        """
        table = self.table
        for symbol in self.picks.values():
            if symbol is not None:
                symbol.settle()
        if not self.has_effect:
            return []
        before = table.current
        leaving = [
            Departure(part.node, part, table.born[part.node], before)
            for symbol in reversed(self._inner_first(old=True))
            for part in reversed(list(symbol.symbols()))
            if part.node not in self._staying and part.node in table.born
        ]
        table.current = self.candidate
        for departure in leaving:
            table.claims.pop(departure.node.claim, None)
        for part in self.loaded:
            if part.node.claim is not None:
                table.claims[part.node.claim] = part
            table.born[part.node] = self.candidate.number
            self._tell(part, part.node.activate)
        for departure in leaving:
            self._tell(departure.symbol, departure.node.retire)
        table.departures.supersede(before, leaving)
        aged: set[InPort | OutPort] = set()
        for port, targets in self._relinked:
            aged |= {port, *targets, *port.targets}
        table.age(aged)
        return leaving

    def _tell(self, part: Symbol, hook: Callable[[], None]) -> None:
        """Call a hook that should never raise; a bug in a kind must not stop the others."""
        try:
            hook()
        except Exception as error:
            self.table.log.error("spec.hook_failed", node=part.site.label, exc_info=error)

    def _targets(self, link: Link) -> list[InPort]:
        symbol, _ = pick_target(self.table, link, self.picks)
        assert symbol is not None, "choose() lets no symbol through whose links lead nowhere"
        return symbol.in_ports(link.port)

    def _lay(self, port: OutPort, targets: tuple[InPort, ...], number: int) -> None:
        before = port.targets
        if targets == before:
            return
        port.link(number, targets)
        _count(before, targets, number)
        self._relinked.append((port, before))

    def _inner_first(self, *, old: bool = False) -> list[Symbol]:
        """The symbols of the region, each behind those that it leads to."""
        table = self.table
        symbols = {id: (table.entries[id].running if old else symbol) for id, symbol in self.picks.items()}

        def below(id: str) -> list[str]:
            symbol = symbols[id]
            links = (link for links in symbol.links.values() for link in links) if symbol is not None else ()
            return sorted({each.spec.id for link in links for each in table.reached_by(link)} & symbols.keys())

        order = (symbols[id] for id in inner_first(sorted(symbols), below))
        return [symbol for symbol in order if symbol is not None]


def _claimed(part: Symbol, claim: tuple[str, ...], other: Symbol) -> ErrorValue:
    """The error of a node that wants what another one has."""
    return ErrorValue(
        f"{' '.join(claim)} belongs to {other.site.label}",
        Code.UNAVAILABLE,
        place=part.site.place,
        hint="two nodes cannot have it at the same time: change or delete one of them",
        node=part.site.label,
    )


def _count(before: Sequence[InPort], after: Sequence[InPort], number: int, *, undo: bool = False) -> None:
    """Keep the books of which in ports are fed from generation `number` on."""
    for port in set(before) | set(after):
        step = (port in after) - (port in before)
        if step:
            port.fed += step
            if undo:
                port.unfeed(number)
            else:
                port.feed(number, port.fed > 0)


# --- afterwards


def reject(table: Table, error: LoadError, loaded: Sequence[Symbol]) -> None:
    """Treat the revision that could not be loaded as failed; the one that runs, if any, goes on.

    The other nodes of the attempt have been unloaded again, and a node is loaded only once: theirs are made anew.
    """
    nodes = {part.node for part in loaded}
    for id in {error.symbol.id, *_owners(table, nodes)}:
        entry = table.entries[id]
        table.unindex(entry)
        if id == error.symbol.id:
            entry.candidate, entry.obstacle = None, Obstacle.of_load(error.value)
            table.unloadable.add(id)
        else:
            compile_entry(table, entry)
        table.index(entry)


def _owners(table: Table, nodes: set[Node]) -> set[str]:
    """The specs whose newest revision has one of these nodes."""
    return {
        id
        for id, entry in table.entries.items()
        if entry.candidate is not None and not nodes.isdisjoint(entry.candidate.nodes())
    }


def settle(table: Table, region: set[str], picks: Picks, obstacles: dict[str, Obstacle]) -> None:
    """Note in the table what runs now and what has become of each spec."""
    for id in region:
        entry = table.entries[id]
        symbol = picks[id]
        if entry.deleted:
            table.unindex(entry)
            table.unloadable.discard(id)
            del table.entries[id]
            continue
        table.unindex(entry)
        if entry.running is not None and symbol is None:
            entry.spent = True
        entry.running = symbol
        table.index(entry)
        newest = symbol is not None and symbol is entry.candidate
        obstacle = None if newest else obstacles.get(id) or entry.obstacle
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
