"""One attempt to go from the current generation to a candidate.

Links of the candidate are laid under its number, which nobody follows yet; new nodes are loaded; and then either all of
it is published by one assignment, or taken back without anybody having noticed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence

from engine.errors import Code, ErrorValue
from engine.flow import Generation, InPort, Node, OutPort
from engine.flow.exchange import is_being_cancelled
from engine.graph.choose import Picks, pick_target
from engine.graph.departure import Departure
from engine.graph.initial import INIT, Beginnings
from engine.graph.order import inner_first
from engine.graph.symbol import Symbol
from engine.graph.table import LifecycleError, Table
from engine.graph.turns import Turns
from engine.graph.wiring import wire
from engine.spec.model import Link

LOAD_TIMEOUT = 90.0
"""Seconds that loading one node may take, its `init` flow included. Other changes of the namespace wait meanwhile."""


class LoadErrors(Exception):  # noqa: N818 - several errors
    """Nodes that could not be loaded: the symbols that they belong to, and why."""

    def __init__(self, failed: dict[str, tuple[Symbol, ErrorValue]]) -> None:
        super().__init__("; ".join(value.text for _, value in failed.values()))
        self.failed = failed


class Plan:
    """One attempt. `loaded` are nodes that an earlier attempt of the same reconcile has loaded already."""

    def __init__(self, table: Table, candidate: Generation, picks: Picks, loaded: Sequence[Symbol] = ()) -> None:
        self.table = table
        self.candidate = candidate
        self.picks = picks
        self._relinked: list[tuple[OutPort, tuple[InPort, ...]]] = []
        self._broken: set[Symbol] = set()
        self._old = [entry.running for id in picks if (entry := table.entries[id]).running is not None]
        self._staying = {node for symbol in picks.values() if symbol is not None for node in symbol.nodes()}
        self._present = {node for symbol in self._old if symbol is not None for node in symbol.nodes()}
        self.loaded = list(loaded)
        self._beginnings = Beginnings(table, picks)
        self._order = self._beginnings.first_things_first(self._inner_first(picks, self._present))

    @property
    def has_effect(self) -> bool:
        """Whether anything is different in the candidate."""
        return bool(self._relinked or self.loaded or self._present - self._staying)

    def strays(self) -> list[Symbol]:
        """What an earlier attempt has loaded and this one cannot use.

        It has no place in the candidate any more, or was loaded before something that it leads to: inner nodes come
        first. The members of a cycle that is none any more can be in the wrong order, too.
        """
        if not self.loaded:
            return []
        turn = {part.node: index for index, part in enumerate(self.loaded)}
        late: dict[str, int] = {}
        misplaced = set(turn) - self._staying
        for symbol in self._order:
            turns = [turn.get(node, len(turn)) for node in symbol.nodes() if node not in self._present]
            inner = max((late.get(id, -1) for id in self._below(symbol, self.picks) - {symbol.id}), default=-1)
            if turns and min(turns) < inner:
                misplaced |= turn.keys() & set(symbol.nodes())
                inner = len(turn)
            late[symbol.id] = max([inner, *turns])
        return [part for part in self.loaded if part.node in misplaced]

    async def lay_links(self) -> None:
        """Lay the links of the candidate under its number; where nothing is different nothing is laid."""
        number = self.candidate.number
        turns = Turns()
        for symbol in self.picks.values():
            if turns.due:
                await turns.give()
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
        """Load the nodes that are new, inner ones first.

        A node that cannot be loaded, and what leads to it, is passed over; the others are loaded all the same, and
        then :class:`LoadErrors` is raised with all that failed. Two nodes that claim the same thing are an error of
        the later one.
        """
        claims = self._claims()
        done = self._present | {part.node for part in self.loaded}
        failed: dict[str, tuple[Symbol, ErrorValue]] = {}
        blocked: set[str] = set()
        for symbol in self._order:
            if blocked and not blocked.isdisjoint(self._below(symbol, self.picks)):
                blocked.add(symbol.id)
                continue
            for part in symbol.symbols():
                if part.node in done:
                    continue
                if self.table.passive and part.codec.trigger:
                    continue  # it is there to be asked, and never begins by itself
                error = self._claim(part, claims) or await self._load_one(part)
                if error is not None:
                    failed[symbol.id] = symbol, error
                    blocked.add(symbol.id)
                    break
        if failed:
            raise LoadErrors(failed)

    def flaws(self) -> dict[str, tuple[Symbol, ErrorValue]]:
        """The symbols that could never be loaded like this, found without loading anything.

        They want what another one has, or their `init` flows wait for each other.
        """
        claims = self._claims()
        failed: dict[str, tuple[Symbol, ErrorValue]] = {}
        for symbol in self._order:
            parts = [part for part in symbol.symbols() if part.node not in self._present]
            if self.table.passive and symbol.codec.trigger:
                continue  # it never begins
            errors = [error for part in parts if (error := self._claim(part, claims)) is not None]
            if parts and INIT in symbol.links and (cycle := self._beginnings.cycle(symbol)) is not None:
                errors.append(cycle)
            if errors:
                failed[symbol.id] = symbol, errors[0]
        return failed

    async def give_up(self, failed: dict[str, tuple[Symbol, ErrorValue]]) -> None:
        """Unload what has been loaded of the symbols that failed, and take the links back; the rest stays loaded."""
        nodes = {node for symbol, _ in failed.values() for node in symbol.nodes()}
        await self.drop([part for part in self.loaded if part.node in nodes])
        self._take_links_back()

    async def drop(self, parts: Sequence[Symbol]) -> None:
        """Unload some of what has been loaded, outer nodes first.

        The `term` flow of a node runs where its `init` flow has come to a good end. Whoever cancels this waits until
        the node that is being unloaded is gone.
        """
        for part in reversed(parts):
            self.loaded.remove(part)
            departure = Departure(part.node, part, self.candidate.number, self.candidate)
            await _to_the_end(self.table.unload(departure, term=part not in self._broken))

    async def undo(self) -> None:
        """Take everything back, outer nodes first."""
        try:
            await self.drop(tuple(self.loaded))
        finally:
            self._take_links_back()

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
        running: Picks = {id: table.entries[id].running for id in self.picks}
        leaving = [
            Departure(part.node, part, table.born[part.node], before)
            for symbol in reversed(self._inner_first(running, self._staying))
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

    # --- loading

    async def _load_one(self, part: Symbol) -> ErrorValue | None:
        """Load one node; the error if it cannot be."""
        self.loaded.append(part)
        if not self.table.has_beginning(part, self.candidate):
            return None
        self._broken.add(part)
        try:
            async with asyncio.timeout(LOAD_TIMEOUT):
                await self.table.load(part, self.candidate)
        except LifecycleError as error:
            return error.value
        except TimeoutError:
            return ErrorValue(f"loading took longer than {LOAD_TIMEOUT:.0f} s", Code.DEADLINE, node=part.site.label)
        except asyncio.CancelledError as error:
            if is_being_cancelled():
                raise
            return ErrorValue.of(error)  # somebody else's: the node awaited what another one has cancelled
        except Exception as error:
            return ErrorValue.of(error)
        self._broken.discard(part)
        return None

    def _claims(self) -> dict[tuple[str, ...] | None, Symbol]:
        """What belongs to somebody already."""
        claims = {
            claim: part
            for claim, part in self.table.claims.items()
            if part.node in self._staying or part.node not in self._present
        }
        return claims | {part.node.claim: part for part in self.loaded if part.node.claim is not None}

    def _claim(self, part: Symbol, claims: dict[tuple[str, ...] | None, Symbol]) -> ErrorValue | None:
        """The error of a node that wants what another one has."""
        claim = part.node.claim
        if claim is None:
            return None
        other = claims.setdefault(claim, part)
        if other is part:
            return None
        return ErrorValue(
            f"{' '.join(claim)} belongs to {other.site.label}",
            Code.UNAVAILABLE,
            place=part.site.place,
            hint="two nodes cannot have it at the same time: change or delete one of them",
            node=part.site.label,
        )

    def _tell(self, part: Symbol, hook: Callable[[], None]) -> None:
        """Call a hook that should never raise; a bug in a kind must not stop the others."""
        try:
            hook()
        except Exception as error:
            self.table.log.error("spec.hook_failed", node=part.site.label, exc_info=error)

    # --- links

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

    def _take_links_back(self) -> None:
        number = self.candidate.number
        for port, before in reversed(self._relinked):
            _count(port.targets, before, number, undo=True)
            port.unlink(number)
        self._relinked.clear()

    # --- order

    def _inner_first(self, symbols: Picks, settled: set[Node]) -> list[Symbol]:
        """Those of the symbols that have nodes which are not `settled`, and all that these lead to, inner ones first."""

        def below(id: str) -> list[str]:
            symbol = symbols[id]
            return sorted(self._below(symbol, symbols)) if symbol is not None else []

        moving = [id for id, each in symbols.items() if each is not None and not settled.issuperset(each.nodes())]
        order = (symbols[id] for id in inner_first(sorted(moving), below))
        return [symbol for symbol in order if symbol is not None]

    def _below(self, symbol: Symbol, symbols: Picks) -> set[str]:
        """The ids of the symbols that a symbol leads to, of those in `symbols`."""
        links = (link for links in symbol.links.values() for link in links)
        entries = (pick_target(self.table, link, symbols)[1] for link in links)
        return {entry.spec.id for entry in entries if entry is not None and entry.spec.id in symbols}


async def _to_the_end(work: Coroutine[None, None, None]) -> None:
    """Do the work, whoever cancels this meanwhile; then be cancelled."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    task.result()


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
