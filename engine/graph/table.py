"""The symbols of one namespace, and the generations that processes are pinned to.

For every spec the table holds an :class:`Entry`: the newest revision that it has seen, what became of it when it was
compiled, and the symbol that runs. The two differ while the newest revision does not compile, or leads to something
that is not there: a spec that fails never replaces one that works.

:func:`~engine.graph.reconcile.reconcile` moves the table from one generation to the next; nothing else does. It is
called by one task at a time, the loader's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from datetime import timedelta
from typing import Any

from engine.errors import Code, ErrorValue
from engine.flow import NONE, Generation, InPort, Limits, Node, OutPort, Process
from engine.flow.exchange import is_being_cancelled
from engine.graph.compile import SpecCompiler
from engine.graph.context import Log
from engine.graph.departure import Departure, Departures
from engine.graph.obstacle import Obstacle
from engine.graph.status import Status
from engine.graph.symbol import Symbol
from engine.spec.binding import ValueKey
from engine.spec.model import Link, Spec, Value

INIT_TIMEOUT = 60.0
"""Seconds that an `init` or `term` flow may take."""
UNLOAD_TIMEOUT = 30.0
"""Seconds that unloading one node may take; then it is reported, and left behind."""


class Entry:
    """Everything that the table knows about one spec.

    `candidate` is the newest revision, compiled, or None with the `obstacle` that kept it from that. `running` is the
    symbol in the current generation. A candidate is `spent` when its nodes have been unloaded: it must be compiled
    again before it can run. One that is `deleted` is there only until a generation without it is published.
    """

    __slots__ = ("candidate", "deleted", "obstacle", "running", "spec", "spent", "status", "used_values")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.candidate: Symbol | None = None
        self.obstacle: Obstacle | None = None
        self.running: Symbol | None = None
        self.spent = False
        self.deleted = False
        self.status: Status | None = None
        self.used_values: frozenset[ValueKey] = frozenset()

    def handles(self) -> set[str]:
        """What links may reach it by: its id, and its names."""
        return {self.spec.id, *self.names()}

    def names(self) -> set[str]:
        """Its name, as it is and as it runs."""
        names = {self.spec.name}
        for symbol in (self.candidate, self.running):
            if symbol is not None:
                names.add(symbol.name)
        return {name for name in names if name}

    def references(self) -> set[str]:
        """The names and ids that it links to, in the newest revision or in the one that runs."""
        found: set[str] = set()
        for symbol in (self.candidate, self.running):
            if symbol is not None:
                found |= symbol.references()
        return found


class Unsettled:
    """What has been taken in and not decided yet: ids of specs, and the names and ids whose referrers are concerned."""

    __slots__ = ("ids", "keys")

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.keys: set[str] = set()

    def touch(self, entry: Entry) -> None:
        """This spec must be decided anew, and all that lead to it."""
        self.ids.add(entry.spec.id)
        self.keys |= entry.handles()

    def clear(self) -> None:
        self.ids.clear()
        self.keys.clear()


class Table:
    """The symbols of one namespace.

    `environment` and `values` fill the templates of specs. `drain` is the time that processes of a superseded
    generation have to end.
    """

    def __init__(
        self,
        namespace: str,
        compiler: SpecCompiler,
        *,
        log: Log,
        environment: Mapping[str, Any] | None = None,
        limits: Limits = Limits(),
        drain: timedelta = timedelta(seconds=8),
        passive: bool = False,
        reporter: Callable[[Process, BaseException], None] | None = None,
    ) -> None:
        self.namespace = namespace
        self.compiler = compiler
        self.log = log
        self.environment = dict(environment or {})
        self.limits = limits
        self.drain = drain
        self.passive = passive
        """Triggers are compiled and linked, but never loaded: nothing happens by itself."""
        self.entries: MutableMapping[str, Entry] = {}
        self.values: dict[str, Value] = {}
        self.born: dict[Node, int] = {}
        self.claims: dict[tuple[str, ...] | None, Symbol] = {}
        """Which symbol's node has what no other may have, an address say."""
        self.unloadable: set[str] = set()
        """Specs whose newest revision compiles, but whose node could not be loaded: a port in use may become free."""
        self.flawed: set[str] = set()
        """Specs whose newest revision could not even be tried beside the others: every change may be what it waits for."""
        self.needed: set[str] = set()
        """Specs whose older revision runs on because another spec needs a port of it."""
        self.unsettled = Unsettled()
        self._reporter = reporter
        self._names: MutableMapping[str, tuple[str, ...]] = {}
        """The ids of the specs that have a name: one, unless a spec has taken the name that another still runs under."""
        self._referrers: MutableMapping[str, set[str]] = {}
        self._last_number = 0
        self._aged: set[InPort | OutPort] = set()
        self.departures = Departures(self.unload, log, drain=self._drain_seconds, moved=self.prune)
        self.current = self.new_generation()

    # --- looking

    def find(self, name_or_id: str) -> Entry | None:
        """The entry of a spec by its id, or by its name."""
        entry = self.entries.get(name_or_id)
        if entry is not None:
            return entry
        for id in self._names.get(name_or_id, ()):
            found = self.entries[id]
            symbol = found.running or found.candidate
            if (symbol.name if symbol is not None else found.spec.name) == name_or_id:
                return found
        return None

    def statuses(self) -> Iterator[Status]:
        """The state of every spec, deleted ones that drain included."""
        for entry in self.entries.values():
            if entry.status is not None:
                yield entry.status
        seen = set(self.entries)
        for departure in self.departures.waiting:
            spec = departure.symbol.spec
            if spec.id and spec.id not in seen:
                seen.add(spec.id)
                yield Status(spec.id, spec.namespace, spec.kind, spec.name, "draining", spec.revision, spec.revision)

    def processes(self) -> Iterator[Process]:
        """Every live process, of any generation."""
        for generation in (*self.departures.superseded, self.current):
            yield from tuple(generation.live)

    def value(self, namespace: str, name: str | None, id: str | None) -> Value | None:
        """The value with this id and name, of those that are given; None if there is none."""
        found = self.values.get(id if id is not None else f"{namespace}/{name}")
        return found if found is None or name in (None, found.name) else None

    def set_value(self, value: Value) -> None:
        """Take a value in, or its new revision."""
        self.remove_value(value.id)
        self.values[value.id] = value
        if value.name is not None:
            self.values[f"{value.namespace}/{value.name}"] = value

    def remove_value(self, id: str) -> None:
        """Forget a value."""
        old = self.values.pop(id, None)
        if old is not None and self.values.get(f"{old.namespace}/{old.name}") is old:
            del self.values[f"{old.namespace}/{old.name}"]

    # --- for reconcile

    def new_generation(self) -> Generation:
        """A generation with a number that was never used, not published yet."""
        self._last_number += 1
        return Generation(
            self._last_number, limits=self.limits, drained=self.departures.drained, reporter=self._reporter
        )

    def reached_by(self, link: Link) -> Iterator[Entry]:
        """The entries that a link may lead to, in some revision of theirs."""
        if link.id:
            if link.id in self.entries:
                yield self.entries[link.id]
            return
        found = [self.entries[id] for id in self._names.get(link.name or "", ())]
        if len(found) > 1:
            # Where a spec takes the name that an older revision of another still runs under, it comes first.
            found.sort(key=lambda entry: (entry.spec.name != link.name, entry.spec.id))
        yield from found

    def referrers(self, keys: Iterable[str]) -> set[str]:
        """The ids of the specs that link to one of these names or ids."""
        return {id for key in keys for id in self._referrers.get(key, ())}

    def index(self, entry: Entry) -> None:
        """Note the names and references of an entry; call :meth:`unindex` before they change."""
        id = entry.spec.id
        for name in entry.names():
            others = self._names.get(name, ())
            if id not in others:
                self._names[name] = (*others, id)
        for key in entry.references():
            self._referrers.setdefault(key, set()).add(id)

    def unindex(self, entry: Entry) -> None:
        """Forget what :meth:`index` has noted."""
        id = entry.spec.id
        for name in entry.names():
            others = tuple(each for each in self._names.pop(name, ()) if each != id)
            if others:
                self._names[name] = others
        for key in entry.references():
            ids = self._referrers.get(key)
            if ids is not None:
                ids.discard(id)
                if not ids:
                    del self._referrers[key]

    def run(self, entry: Entry, symbol: Symbol | None) -> None:
        """This is what runs of a spec now, None where nothing does."""
        if entry.running is None and symbol is entry.candidate:
            entry.running = symbol  # which is indexed already
            return
        self.unindex(entry)
        entry.spent = entry.spent or symbol is None
        entry.running = symbol
        self.index(entry)

    def forget(self, entry: Entry) -> None:
        """The spec is gone, or another one has taken its place."""
        self.unindex(entry)
        self.unloadable.discard(entry.spec.id)
        self.flawed.discard(entry.spec.id)
        self.needed.discard(entry.spec.id)
        del self.entries[entry.spec.id]

    def age(self, ports: Iterable[InPort | OutPort]) -> None:
        """These ports remember links of older generations, until nobody follows those any more."""
        self._aged.update(ports)
        self.prune()

    def prune(self) -> None:
        """Forget the links that nobody follows any more."""
        if self._aged:
            oldest = self.departures.oldest(self.current)
            self._aged = {port for port in self._aged if port.prune(oldest)}

    def has_beginning(self, symbol: Symbol, generation: Generation) -> bool:
        """Whether :meth:`load` has anything to do: the node opens something, or has an `init` flow."""
        init = symbol.node.lifecycle("init")
        return type(symbol.node).load is not Node.load or (init is not None and bool(init.at(generation.number)))

    async def load(self, symbol: Symbol, generation: Generation) -> None:
        """Load the node of one symbol (not of its children), then run its `init` flow in `generation`."""
        await symbol.node.load()
        answer = await self._run_lifecycle(symbol, "init", generation)
        if isinstance(answer, ErrorValue):
            raise LifecycleError(answer)

    async def unload(self, departure: Departure, *, term: bool = True) -> None:
        """Run the `term` flow of a node, then unload it. What fails is logged; the node is gone all the same.

        `term` is false for a node whose `init` flow has not come to a good end.
        """
        symbol = departure.symbol
        self.born.pop(departure.node, None)
        if term:
            answer = await self._run_lifecycle(symbol, "term", departure.generation)
            if isinstance(answer, ErrorValue):
                self.log.warning("spec.term_failed", node=symbol.site.label, error=answer.text)
        try:
            async with asyncio.timeout(UNLOAD_TIMEOUT):
                await departure.node.unload()
        except TimeoutError:
            self.log.error("spec.left_behind", node=symbol.site.label, seconds=UNLOAD_TIMEOUT)
        except asyncio.CancelledError as error:
            if is_being_cancelled():
                raise
            self.log.error("spec.unload_failed", node=symbol.site.label, error="cancelled", exc_info=error)
        except Exception as error:
            self.log.error("spec.unload_failed", node=symbol.site.label, error=str(error), exc_info=error)
        self.log.debug("spec.unloaded", node=symbol.site.label, revision=symbol.spec.revision)

    def _drain_seconds(self) -> float:
        return self.drain.total_seconds()

    async def _run_lifecycle(self, symbol: Symbol, name: str, generation: Generation) -> Any:
        port = symbol.node.lifecycle(name)
        if port is None or not port.at(generation.number):
            return NONE
        deadline = asyncio.get_running_loop().time() + INIT_TIMEOUT
        until = deadline + UNLOAD_TIMEOUT
        process = Process(generation, deadline=deadline, origin=symbol.site.label)
        error: ErrorValue | None = None
        try:
            async with asyncio.timeout_at(until):
                answer = await process.ask(port, dict(symbol.spec.document))
                error = answer if isinstance(answer, ErrorValue) else await process.settle()
                if error is not None:
                    await process.settle(error)
                    answer = error
        except TimeoutError:  # a node does not let itself be cancelled
            answer = error = ErrorValue(Code.DEADLINE.title, Code.DEADLINE)
        except asyncio.CancelledError:
            process.cancel()
            raise
        finally:
            process.exit(error)
            await self._see_off(generation, until)
        return answer

    async def _see_off(self, generation: Generation, until: float) -> None:
        """Wait for the end of a lifecycle flow and of all that it set off, such as the flight of a cache.

        Nobody else is alive in its generation. What has not ended at the time `until` is reported, and left behind.
        """
        try:
            async with asyncio.timeout_at(until):
                while generation.live:
                    await next(iter(generation.live)).join()
        except TimeoutError:
            for process in tuple(generation.live):
                self.log.error("process.left_behind", **process.statistics())
                generation.leave(process)


class LifecycleError(Exception):
    """The `init` flow of a node has answered with an error."""

    def __init__(self, value: ErrorValue) -> None:
        super().__init__(value.text)
        self.value = value
